// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// lookup finds a run in the store; live is set where it is under way after all.
func (p *Pipeline) lookup(ctx context.Context, t host.TenantID, id string) (rec *record, live *run, err error) {
	rec, err = p.load(ctx, t, id)
	if err != nil || rec.Status.Ended() {
		return rec, nil, err
	}
	// It was under way when it was written. Either it still is, or it has ended since, or its host
	// was killed: a live run is in the table before its first record and until after its last.
	if r := p.runs.find(t, id); r != nil {
		now := r.snapshotRecord()
		return &now, r, nil
	}
	if rec, err = p.load(ctx, t, id); err != nil || rec.Status.Ended() {
		return rec, nil, err
	}
	if _, err = p.settleOrphan(ctx, t, rec); err == nil && p.logged(id) {
		rec, err = p.load(ctx, t, id) // another who asked may have been first
	}
	return rec, nil, err
}

func (r *run) snapshotRecord() record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rec
}

// settleOrphan ends a run whose host was killed, in rec and in the store.
func (p *Pipeline) settleOrphan(ctx context.Context, t host.TenantID, rec *record) (changed bool, err error) {
	if rec.Status.Ended() {
		return false, nil
	}
	rec.Status, rec.Error, rec.EndedAt = StatusError, host.Outward(errInterrupted()), p.cfg.Clock.Now().UTC()
	return true, p.finish(context.WithoutCancel(ctx), t, *rec, script{})
}

// owned tells whether the principal may see and end the run: it is its owner, or an administrator
// of the tenant.
func owned(who *host.Principal, owner string) bool {
	return owner == ownerOf(who) || who.Has(host.ScopeAdmin)
}

func noRun(op, id string) error {
	return host.Errorf(op, abi.CodeNotFound, "there is no run %q here", clip(id)).WithHint("a run is kept for a while after its end; check call_id")
}

// seek finds a run that the principal may see: live or, where it is not in memory, its record.
func (p *Pipeline) seek(ctx context.Context, op, id string) (who *host.Principal, live *run, rec *record, err error) {
	if who = host.PrincipalFrom(ctx); who == nil {
		return nil, nil, nil, host.Errorf(op, abi.CodeUnauthenticated, "a credential is needed")
	}
	if len(id) != len("00000000-0000-0000-0000-000000000000") {
		return nil, nil, nil, noRun(op, id)
	}
	if live = p.runs.recall(who.Tenant, id, p.now()); live == nil {
		if rec, live, err = p.lookup(ctx, who.Tenant, id); err != nil {
			if code := host.CodeOf(err); code == abi.CodeNotFound || code == abi.CodeInvalidArg {
				err = noRun(op, id)
			}
			return nil, nil, nil, err
		}
	}
	if live != nil {
		rec = nil
	}
	if !owned(who, ownerAndKind(live, rec).Owner) {
		return nil, nil, nil, noRun(op, id)
	}
	return who, live, rec, nil
}

// ownerAndKind is a record to read what never changes from, of the run that seek has found.
func ownerAndKind(live *run, rec *record) *record {
	if live != nil {
		return &live.rec
	}
	return rec
}

// Run tells where a run stands. Its owner may ask, and who has the scope admin in its tenant;
// anybody else gets CodeNotFound.
func (p *Pipeline) Run(ctx context.Context, callID string) (Run, error) {
	who, live, rec, err := p.seek(ctx, "invoke.Run", callID)
	if err != nil {
		return Run{}, err
	}
	if live != nil {
		return live.snapshot(), nil
	}
	_, err = p.unpack(ctx, who.Tenant, rec)
	if err != nil {
		return Run{}, err
	}
	return rec.Run, nil
}

// Events reads what a run said after the event of that number, 0 for all, and then what it goes on
// to say. It works as well after the run's end, and after a restart of the host. Rights are as for Run.
func (p *Pipeline) Events(ctx context.Context, callID string, after uint64) (Stream, error) {
	who, live, rec, err := p.seek(ctx, "invoke.Events", callID)
	if err != nil {
		return nil, err
	}
	if live != nil {
		return newReading(&live.log, after), nil
	}
	s, err := p.unpack(ctx, who.Tenant, rec)
	if err != nil {
		return nil, err
	}
	return newReading(restored(s, lastEvent(&rec.Run)), after), nil
}

// cancelGrace is how long Cancel waits for the guest to be gone.
const cancelGrace = 2 * time.Second

// Cancel ends a run: its guest stops, and so does what the guest waits for. It returns when that
// has happened, or after two seconds with a run that says cancelled and is about to end. A run that
// has ended stays as it is, so a second Cancel changes nothing. Rights are as for Run.
func (p *Pipeline) Cancel(ctx context.Context, callID string) (Run, error) {
	who, live, rec, err := p.seek(ctx, "invoke.Cancel", callID)
	if err != nil {
		return Run{}, err
	}
	if live == nil {
		_, err := p.unpack(ctx, who.Tenant, rec)
		return rec.Run, err
	}
	p.stop(live, errCancelled())
	live.waitDone(ctx, time.Now().Add(cancelGrace))
	return live.snapshot(), nil
}

// stop ends a run that has not ended; it is false when the run has.
func (p *Pipeline) stop(r *run, why error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided {
		return false
	}
	r.decide(p.cfg.Clock.Now().UTC(), nil, why)
	r.cancel(why)
	return true
}

func (r *run) waitDone(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	select {
	case <-r.done:
	case <-ctx.Done():
	}
}

// CancelAll ends the principal's runs that are under way, and with the scope admin all of its
// tenant. It returns how many it has ended, and waits for them like Cancel.
func (p *Pipeline) CancelAll(ctx context.Context) (int, error) {
	who := host.PrincipalFrom(ctx)
	if who == nil {
		return 0, host.Errorf("invoke.CancelAll", abi.CodeUnauthenticated, "a credential is needed")
	}
	mine := p.runs.choose(func(id runID, r *run) bool {
		return id.tenant == who.Tenant && owned(who, r.rec.Owner)
	})
	n := 0
	for _, r := range mine {
		if p.stop(r, errCancelled()) {
			n++
		}
	}
	until := time.Now().Add(cancelGrace)
	for _, r := range mine {
		r.waitDone(ctx, until)
	}
	return n, nil
}

func (p *Pipeline) interruptRuns() {
	for _, r := range p.runs.choose(func(runID, *run) bool { return true }) {
		p.stop(r, errInterrupted())
	}
}

// Recover ends the runs that were under way when the host was killed, and returns how many there
// were. A run that is asked for is found out without it; Recover is for those that nobody asks for.
// It may run while the pipeline serves, and stops early when ctx ends.
func (p *Pipeline) Recover(ctx context.Context) (int, error) {
	const op = "invoke.Recover"
	n := 0
	for cursor := ""; ; {
		page, err := p.cfg.Runs.List(ctx, []string{runsRoot}, cursor, 20)
		if err != nil {
			return n, err
		}
		for _, r := range page.Records {
			var rec record
			if err := json.Unmarshal(r.Value, &rec); err != nil {
				p.log.Error("the record of a run does not parse", "key", r.Key.String(), "error", err)
				continue
			}
			if rec.Status.Ended() || len(r.Key) != 3 {
				continue
			}
			t := host.TenantID(r.Key[1])
			orphan, err := p.recoverOne(ctx, t, rec.CallID)
			if err != nil {
				return n, err
			}
			if orphan {
				n++
			}
		}
		if cursor = page.Next; cursor == "" {
			more, err := p.recoverLogged(ctx)
			return n + more, err
		}
		if ctx.Err() != nil {
			return n, stopped(op, ctx.Err())
		}
	}
}

// recoverOne settles one run that was not at its end when it was listed.
func (p *Pipeline) recoverOne(ctx context.Context, t host.TenantID, id string) (orphan bool, err error) {
	rec, live, err := p.lookup(ctx, t, id)
	switch {
	case host.CodeOf(err) == abi.CodeNotFound:
		return false, nil
	case err != nil || live != nil:
		return false, err
	}
	_, err = p.unpack(ctx, t, rec)
	return err == nil && rec.Error != nil && rec.Error.Code == abi.CodeInterrupted, err
}
