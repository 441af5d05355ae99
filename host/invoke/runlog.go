// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// RunLog keeps the runs that nobody gave a request id; *runlog.Log is one. What it has taken without
// error survives the process.
type RunLog interface {
	// Begin keeps a run that begins, End how it ended; of two ends the first stays, and the second is
	// CodeConflict. Neither must wait for the store. The log keeps run's memory.
	Begin(t host.TenantID, id string, run []byte) error
	End(t host.TenantID, id string, run []byte) error
	// Forget takes out a run whose end is kept elsewhere.
	Forget(t host.TenantID, id string) error
	// Get is what was kept last; the caller must not change it. It is CodeNotFound where nothing was,
	// or where it was too long ago.
	Get(ctx context.Context, t host.TenantID, id string) ([]byte, error)
	// Begun calls yield for each run that has not ended, until it returns false.
	Begun(yield func(t host.TenantID, id string) bool)
}

// maxLogged is the largest run that ends in the log; the end of a larger one is a record of its own.
const maxLogged = 64 << 10

// newRunID is the call id of a run in the log, a UUID of version 7: it begins with its time, by which the
// log finds it.
func newRunID(now time.Time) string {
	return formatUUID(uint64(now.UnixMilli())<<16|rand.Uint64()&0xffff, rand.Uint64(), 7)
}

// logged tells whether a run of that call id is in the log.
func (p *Pipeline) logged(id string) bool {
	return p.cfg.Log != nil && len(id) == 36 && id[14] == '7'
}

// logBegin keeps a run that begins.
func (p *Pipeline) logBegin(t host.TenantID, rec record) error {
	run, err := appendRun(make([]byte, 0, 256), &rec, &script{})
	if err != nil {
		return host.E("invoke.Start", abi.CodeInternal, err)
	}
	return p.cfg.Log.Begin(t, rec.CallID, run)
}

// logEnd keeps how a run ended; false where it is too large for the log.
func (p *Pipeline) logEnd(t host.TenantID, rec *record, s *script) (kept bool, err error) {
	size := 256 + len(rec.Metadata) + len(s.Text)
	if rec.Result != nil {
		size += len(rec.Result.Structured)
	}
	if size > maxLogged {
		return false, nil
	}
	run, err := appendRun(make([]byte, 0, size), rec, s)
	if err != nil {
		return false, host.E("invoke.finish", abi.CodeInternal, err)
	}
	if len(run) > maxLogged {
		return false, nil
	}
	err = p.cfg.Log.End(t, rec.CallID, run)
	if host.CodeOf(err) == abi.CodeConflict {
		err = nil // of several that ask after an orphan one is first
	}
	return true, err
}

// loadLogged reads a run from the log, with what it said. One that has not ended there may have ended in
// a record of its own.
func (p *Pipeline) loadLogged(ctx context.Context, t host.TenantID, id string) (*record, error) {
	run, err := p.cfg.Log.Get(ctx, t, id)
	if host.CodeOf(err) == abi.CodeNotFound {
		return p.loadRecord(ctx, t, id)
	}
	if err != nil {
		return nil, err
	}
	rec, s, err := parseRun(run)
	if err != nil {
		return nil, host.Errorf("invoke.load", abi.CodeInternal, "run %s does not parse: %w", id, err)
	}
	rec.said = s
	if !rec.Status.Ended() {
		own, err := p.loadRecord(ctx, t, id)
		switch {
		case err == nil && own.Status.Ended():
			// The host was killed before it could say so to the log, or is about to. Where the log does
			// not take it, the next who asks finds the same.
			_ = p.cfg.Log.Forget(t, id)
			return own, nil
		case host.CodeOf(err) != abi.CodeNotFound:
			return own, err
		}
	}
	return rec, nil
}

// recoverLogged ends the runs of the log that were under way when the host was killed.
func (p *Pipeline) recoverLogged(ctx context.Context) (n int, err error) {
	if p.cfg.Log == nil {
		return 0, nil
	}
	p.cfg.Log.Begun(func(t host.TenantID, id string) bool {
		var orphan bool
		if orphan, err = p.recoverOne(ctx, t, id); orphan {
			n++
		}
		if err == nil && ctx.Err() != nil {
			err = stopped("invoke.Recover", ctx.Err())
		}
		return err == nil
	})
	return n, err
}
