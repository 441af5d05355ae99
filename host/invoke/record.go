// Copyright 2026 The Gantry Authors.

package invoke

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// The keys of the store: a run is one record, whose key is its tenant and call id; a body that is
// too large for it lies in pieces below a second prefix.
const (
	runsRoot  = "runs"
	bodyRoot  = "runs-body"
	pieceSize = 512 << 10 // well below store.MaxValueBytes
)

// record is a run as it is kept.
type record struct {
	Run
	// Owner is the user, or where there is none the credential, that started the run.
	Owner string `json:"owner"`
	// Task says that the run is a task too: it is in the store from its start, and may ask.
	Task bool `json:"task,omitempty"`
	// Print is of what was asked for, to tell a retry from another request with the same id.
	Print string `json:"print,omitempty"`
	// Body is what an ended run has besides; Pieces counts the records it lies in where it is large.
	Body   json.RawMessage `json:"body,omitempty"`
	Pieces int             `json:"pieces,omitempty"`
	// said is what an ended run of the log said.
	said *script
}

// body is the part of a run that may be large.
type body struct {
	Result *abi.Result `json:"result,omitempty"`
	Error  *abi.Error  `json:"error,omitempty"`
	script
}

func runKey(t host.TenantID, id string) store.Key { return store.Key{runsRoot, string(t), id} }

func pieceKey(t host.TenantID, id string, n int) store.Key {
	return store.Key{bodyRoot, string(t), id, fmt.Sprintf("%04d", n)}
}

// ownerOf is who a run belongs to within its tenant. The two kinds are kept apart by a letter.
func ownerOf(who *host.Principal) string {
	if who.User != "" {
		return "u:" + who.User
	}
	return "c:" + who.CredentialID
}

// digest is of parts with their lengths, so that no two lists of parts are the same bytes.
func digest(parts ...string) [32]byte {
	h := sha256.New()
	var size [8]byte
	for _, s := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(s)))
		h.Write(size[:])
		h.Write([]byte(s))
	}
	return [32]byte(h.Sum(nil))
}

// callIDFor is the call id of a request id: made of it, so that one record, written if absent, is
// both the run and the promise that the request id is never executed twice.
func callIDFor(who *host.Principal, requestID string) string {
	d := digest("gantry run", string(who.Tenant), ownerOf(who), requestID)
	return formatUUID(binary.BigEndian.Uint64(d[:]), binary.BigEndian.Uint64(d[8:]), 8)
}

// promised tells whether the run is in the store before its caller hears of it, at its start and at
// its end.
func (rec *record) promised() bool { return rec.RequestID != "" || rec.Task }

func printOf(r *Request, input []byte) string {
	d := digest(r.Tool, string(input))
	return hex.EncodeToString(d[:])
}

// create writes a run that has just been accepted. It is false, with the run that is there, when
// the call id is taken.
func (p *Pipeline) create(ctx context.Context, t host.TenantID, rec *record) (there *record, created bool, err error) {
	const op = "invoke.Start"
	value, err := json.Marshal(rec)
	if err != nil {
		return nil, false, host.E(op, abi.CodeInternal, err)
	}
	// A run that no one comes back to after a crash has to go as well.
	o := store.PutOptions{TTL: p.cfg.RunTTL + cmp.Or(p.cfg.RunTimeout, longestRun)}
	for {
		_, err = p.cfg.Runs.Put(ctx, runKey(t, rec.CallID), value, o)
		if err == nil {
			return rec, true, nil
		}
		if host.CodeOf(err) != abi.CodeConflict {
			return nil, false, err
		}
		there, err = p.load(ctx, t, rec.CallID)
		if host.CodeOf(err) != abi.CodeNotFound {
			return there, false, err
		}
		// It expired between the two; the id is free again.
	}
}

// finish writes an ended run and what it said.
func (p *Pipeline) finish(ctx context.Context, t host.TenantID, rec record, s script) error {
	if !p.logged(rec.CallID) {
		return p.finishRecord(ctx, t, rec, s)
	}
	kept, err := p.logEnd(t, &rec, &s)
	if kept || err != nil {
		return err
	}
	if err := p.finishRecord(ctx, t, rec, s); err != nil {
		return err
	}
	return p.cfg.Log.Forget(t, rec.CallID)
}

// finishRecord is finish for a run with a record of its own.
func (p *Pipeline) finishRecord(ctx context.Context, t host.TenantID, rec record, s script) error {
	const op = "invoke.finish"
	raw, err := json.Marshal(body{Result: rec.Result, Error: rec.Error, script: s})
	if err != nil {
		return host.E(op, abi.CodeInternal, err)
	}
	rec.Result, rec.Error, rec.Body, rec.Pieces = nil, nil, raw, 0
	// Without a request id there may be no record yet, and none other can have this call id.
	o := store.PutOptions{Expect: store.AnyRev, TTL: p.cfg.RunTTL}
	if len(raw) > pieceSize {
		rec.Body = nil
		for ; len(raw) > 0; rec.Pieces++ {
			n := min(len(raw), pieceSize)
			if _, err := p.cfg.Runs.Put(ctx, pieceKey(t, rec.CallID, rec.Pieces), raw[:n], o); err != nil {
				return err
			}
			raw = raw[n:]
		}
	}
	value, err := json.Marshal(&rec)
	if err != nil {
		return host.E(op, abi.CodeInternal, err)
	}
	_, err = p.cfg.Runs.Put(ctx, runKey(t, rec.CallID), value, o)
	return err
}

// load reads a run, without its body where that is apart.
func (p *Pipeline) load(ctx context.Context, t host.TenantID, id string) (*record, error) {
	if p.logged(id) {
		return p.loadLogged(ctx, t, id)
	}
	return p.loadRecord(ctx, t, id)
}

func (p *Pipeline) loadRecord(ctx context.Context, t host.TenantID, id string) (*record, error) {
	r, err := p.cfg.Runs.Get(ctx, runKey(t, id))
	if err != nil {
		return nil, err
	}
	rec := &record{}
	if err := json.Unmarshal(r.Value, rec); err != nil {
		return nil, host.Errorf("invoke.load", abi.CodeInternal, "the record of run %s does not parse: %w", id, err)
	}
	return rec, nil
}

// unpack puts an ended run's result or error back and returns what it said. Without a body it has
// nothing to do.
func (p *Pipeline) unpack(ctx context.Context, t host.TenantID, rec *record) (script, error) {
	switch {
	case rec.said != nil:
		return *rec.said, nil
	case len(rec.Body) == 0 && rec.Pieces == 0:
		return script{}, nil
	}
	raw := []byte(rec.Body)
	for n := range rec.Pieces {
		r, err := p.cfg.Runs.Get(ctx, pieceKey(t, rec.CallID, n))
		if err != nil {
			return script{}, host.Errorf("invoke.load", abi.CodeInternal, "piece %d of run %s: %w", n, rec.CallID, err)
		}
		raw = append(raw, r.Value...)
	}
	var b body
	if err := json.Unmarshal(raw, &b); err != nil {
		return script{}, host.Errorf("invoke.load", abi.CodeInternal, "the body of run %s does not parse: %w", rec.CallID, err)
	}
	rec.Result, rec.Error, rec.Body, rec.Pieces = b.Result, b.Error, nil, 0
	return b.script, nil
}

// lastEvent is how a run that has ended is told.
func lastEvent(r *Run) Event {
	if r.Status == StatusFinished {
		return Event{Type: EventFinal, Text: textOf(r.Result), Result: r.Result, Status: r.Status}
	}
	return Event{Type: EventError, Error: r.Error, Status: r.Status}
}

// validID tells whether s may be a request or session id: at most maxID printable ASCII characters.
func validID(s string) bool {
	return len(s) <= maxID && strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}

// The bounds of what is kept with a run.
const (
	maxID       = 128
	maxMetadata = 16 << 10
)
