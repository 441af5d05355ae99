// Copyright 2026 The Gantry Authors.

package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Start checks a request like Call and returns as soon as the run is accepted; the run goes on
// without the caller.
//
// With a RequestID the run is in the store before Start returns, and the same RequestID of the same
// owner (the tenant and its user, or its credential where there is no user) returns the same run for
// RunTTL, however often and from however many goroutines: what was accepted is executed at most
// once. A RequestID that came with another tool or input is CodeConflict. When the host is killed
// the run is not executed again: it shows as ended with CodeInterrupted, because only its caller can
// know whether the tool may be run twice, and a new RequestID says so.
//
// Without a RequestID each request is a run of its own. With Config.Log it survives the host as well,
// from before Start returns; without one it is in the store when it has ended. The request's memory is
// the pipeline's from then on.
func (p *Pipeline) Start(ctx context.Context, r Request) (Run, error) {
	answer, ask, err := p.start(ctx, r, false)
	if err == nil && ask != nil {
		err = nobodyToAsk(r.Tool, r.Surface)
	}
	return answer, err
}

// start is Start for runs and for tasks, whose client may be asked before they begin.
func (p *Pipeline) start(ctx context.Context, r Request, task bool) (answer Run, ask *abi.InputRequired, err error) {
	const op = "invoke.Start"
	who, err := p.admit(ctx, op)
	if err != nil {
		return Run{}, nil, err
	}
	started := false
	defer func() {
		if !started {
			p.leave()
		}
	}()
	if err := r.valid(op); err != nil {
		return Run{}, nil, err
	}
	rec := p.newRecord(who, &r, task)
	if r.RequestID != "" {
		if there, err := p.earlier(ctx, who, rec); there != nil || err != nil {
			answer, err = p.same(ctx, there, rec, err)
			return answer, nil, err
		}
	}
	cleared, ask, err := p.precheck(ctx, who, &r)
	var reserved time.Time
	if ask == nil && err == nil {
		reserved, err = p.reserveRun(ctx, who.Tenant)
	}
	if ask != nil || err != nil {
		c := p.newCall(who, &r, nil)
		c.info.CallID = rec.CallID
		c.record(err)
		return Run{}, ask, err
	}
	rctx, cancel := context.WithCancelCause(host.WithPrincipal(context.Background(), who))
	fresh := &run{rec: *rec, reserved: reserved, cancel: cancel, ready: make(chan struct{}), done: make(chan struct{}), updated: rec.CreatedAt}
	answer, isNew, err := p.join(ctx, who.Tenant, fresh, rec)
	if !isNew {
		cancel(nil)
		p.returnRun(who.Tenant, reserved)
		return answer, nil, err
	}
	started = true
	p.crew.Do(func() { p.execute(rctx, who, fresh, attempt{&r, cleared}) })
	return answer, nil, nil
}

// join makes fresh the run of its call id, or answers with the one that is there already.
func (p *Pipeline) join(ctx context.Context, t host.TenantID, fresh *run, asked *record) (answer Run, isNew bool, err error) {
	there, added, err := p.runs.add(t, fresh, p.cfg.MaxRunsPerTenant)
	if err != nil {
		return Run{}, false, err
	}
	if !added {
		rec, err := there.wait(ctx)
		answer, err = p.same(ctx, rec, asked, err)
		return answer, false, err
	}
	if err := p.accept(ctx, t, fresh); err != nil || fresh.stored != nil {
		answer, err = p.same(ctx, fresh.stored, asked, err)
		return answer, false, err
	}
	return fresh.snapshot(), true, nil
}

func (r *Request) valid(op string) error {
	switch {
	case !validID(r.RequestID):
		return host.Errorf(op, abi.CodeInvalidArg, "request_id: use at most %d printable ASCII characters", maxID)
	case !validID(r.SessionID):
		return host.Errorf(op, abi.CodeInvalidArg, "session_id: use at most %d printable ASCII characters", maxID)
	case len(r.Metadata) > maxMetadata:
		return host.Errorf(op, abi.CodeInvalidArg, "metadata: has %d bytes; at most %d are kept", len(r.Metadata), maxMetadata)
	case len(r.Metadata) > 0 && (bytes.TrimSpace(r.Metadata)[0] != '{' || !json.Valid(r.Metadata)):
		return host.Errorf(op, abi.CodeInvalidArg, "metadata: has to be a JSON object")
	}
	return nil
}

// newRecord is the run that r asks for. White space in the input makes no other request.
func (p *Pipeline) newRecord(who *host.Principal, r *Request, task bool) *record {
	rec := &record{Owner: ownerOf(who), Task: task, Run: Run{
		Tool: r.Tool, Status: StatusStarted, RequestID: r.RequestID,
		SessionID: r.SessionID, Metadata: r.Metadata, CreatedAt: p.cfg.Clock.Now().UTC(),
	}}
	switch {
	case r.RequestID != "":
		rec.CallID, rec.Print = callIDFor(who, r.RequestID), printOf(r, plainInput(r.Input))
	case task || p.cfg.Log == nil:
		rec.CallID = newCallID()
	default:
		rec.CallID = newRunID(rec.CreatedAt)
	}
	return rec
}

func plainInput(input []byte) []byte {
	input = bytes.TrimSpace(input)
	var b bytes.Buffer
	if json.Compact(&b, input) == nil {
		input = b.Bytes()
	}
	if len(input) == 0 || string(input) == "null" {
		input = []byte("{}")
	}
	return input
}

// earlier is the run of an earlier request with the same id, nil where there is none.
func (p *Pipeline) earlier(ctx context.Context, who *host.Principal, rec *record) (*record, error) {
	if r := p.runs.find(who.Tenant, rec.CallID); r != nil {
		if there, err := r.wait(ctx); there != nil || err != nil {
			return there, err
		}
	}
	there, _, err := p.lookup(ctx, who.Tenant, rec.CallID)
	if host.CodeOf(err) == abi.CodeNotFound {
		return nil, nil
	}
	return there, err
}

// same answers a request with the run that is there already, if it is the same request.
func (p *Pipeline) same(ctx context.Context, there, asked *record, err error) (Run, error) {
	if err != nil {
		return Run{}, err
	}
	if there.Print != asked.Print {
		return Run{}, host.Errorf("invoke.Start", abi.CodeConflict, "request_id: %q was used for another tool or input; use a new one for a new request", asked.RequestID)
	}
	// Others may hold the same record.
	own := *there
	_, err = p.unpack(ctx, host.PrincipalFrom(ctx).Tenant, &own)
	return own.Run, err
}

// wait is the run's record once it is recorded; nil when it came to nothing.
func (r *run) wait(ctx context.Context) (*record, error) {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil, stopped("invoke.Start", ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused != nil {
		return nil, r.refused
	}
	if r.stored != nil {
		return r.stored, nil
	}
	rec := r.rec
	return &rec, nil
}

// accept records a run, where its request id asks for it, and lets those know who wait for that.
func (p *Pipeline) accept(ctx context.Context, t host.TenantID, r *run) error {
	defer close(r.ready)
	there, created, err := p.keep(context.WithoutCancel(ctx), t, r)
	if err == nil && created {
		return nil
	}
	if err == nil {
		_, err = p.settleOrphan(ctx, t, there)
	}
	r.mu.Lock()
	r.refused, r.stored = err, there
	r.mu.Unlock()
	p.runs.remove(t, r)
	close(r.done)
	return err
}

// keep writes a run that begins, where and if its kind asks for it. Others wait for this write, so it
// must not end with the request that happens to do it.
func (p *Pipeline) keep(ctx context.Context, t host.TenantID, r *run) (there *record, created bool, err error) {
	switch {
	case r.rec.promised():
		rec := r.snapshotRecord()
		return p.create(ctx, t, &rec)
	case p.logged(r.rec.CallID):
		return nil, true, p.logBegin(t, r.snapshotRecord())
	}
	return nil, true, nil
}

// precheck is what can be told before a run is accepted, so that its caller hears of it at once.
func (p *Pipeline) precheck(ctx context.Context, who *host.Principal, r *Request) (*clearance, *abi.InputRequired, error) {
	const op = "invoke.Start"
	ref, ok := p.cfg.Catalog.Snapshot().Tool(r.Tool)
	if !ok || !ref.Plugin.VisibleTo(who.Tenant) {
		return nil, nil, p.unknownTool(op, who, r.Tool)
	}
	if err := p.permit(who, ref, &r.Client); err != nil {
		return nil, nil, err
	}
	lim := fill(ref.Plugin.Settings.Limits, p.cfg.Limits)
	input, err := p.checkInput(ref, r.Input, &lim)
	if err != nil {
		return nil, nil, err
	}
	return p.clear(ctx, who, ref, r, input)
}

// attempt is one execution of a run's tool. A task may need several, as it asks its client.
type attempt struct {
	request *Request
	cleared *clearance
}

// execute is the run's goroutine: it calls the tool until that needs no more, and tells the end.
func (p *Pipeline) execute(ctx context.Context, who *host.Principal, r *run, a attempt) {
	defer p.leave()
	defer r.cancel(nil)
	answer, err := p.converse(ctx, who, r, a)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	p.conclude(ctx, who.Tenant, r, answer, err)
}

// perform waits for a place and calls the tool.
func (p *Pipeline) perform(ctx context.Context, who *host.Principal, r *run, a attempt) (*Answer, error) {
	limit := p.runLimit(who.Tenant, a.request.Tool)
	ctx, stop := withDue(ctx, r.cancel, limit)
	defer stop()
	c := p.newCall(who, a.request, &r.log)
	c.info.CallID, c.cleared, c.kept = r.rec.CallID, a.cleared, true
	c.reserved = !r.reserved.IsZero()
	gate := p.gates.of(who.Tenant)
	if !gate.try(p.gates.running) {
		r.setStatus(StatusPending, p.now())
		if err := p.gates.enter(ctx, gate, true); err != nil {
			return nil, p.unrun(c, r, err)
		}
	}
	defer gate.leave()
	if err := context.Cause(ctx); err != nil {
		return nil, p.unrun(c, r, err)
	}
	r.reserved = time.Time{} // further attempts of a task are calls of their own
	r.setStatus(StatusRunning, p.now())
	answer, err := c.tool(ctx)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	return answer, err
}

// The bounds of runs where Config.RunTimeout names none: of short ones, and of any, which is the most
// that a plugin's settings may say.
const (
	usualRun   = 5 * time.Minute
	longestRun = 24 * time.Hour
)

// runLimit is how long a run of the tool may take: a plugin that may compute for an hour gets it in a
// run too.
func (p *Pipeline) runLimit(t host.TenantID, tool string) time.Duration {
	if p.cfg.RunTimeout > 0 {
		return p.cfg.RunTimeout
	}
	wall := p.cfg.Limits.Wall
	if ref, ok := p.cfg.Catalog.Snapshot().Tool(tool); ok && ref.Plugin.VisibleTo(t) && ref.Plugin.Settings.Limits.Wall > 0 {
		wall = ref.Plugin.Settings.Limits.Wall
	}
	return max(usualRun, wall)
}

func (p *Pipeline) now() time.Time { return p.cfg.Clock.Now().UTC() }

// unrun is the end of a run that did not come to its tool.
func (p *Pipeline) unrun(c *call, r *run, err error) error {
	if c.reserved {
		p.returnRun(c.info.Principal.Tenant, r.reserved)
	}
	err = stopped("invoke.run", err)
	c.record(err)
	return err
}

// conclude fixes the outcome, keeps it, and then tells it: a caller who has seen the end of a run will
// see the same end after a crash. Without a log that holds for runs with a request id, and the others'
// end is told first.
func (p *Pipeline) conclude(ctx context.Context, t host.TenantID, r *run, a *Answer, err error) {
	r.mu.Lock()
	if !r.decided {
		r.decide(p.now(), a, err)
	}
	rec := r.rec
	r.mu.Unlock()
	last := lastEvent(&rec.Run)
	promised := rec.promised() || p.logged(rec.CallID)
	if !promised {
		r.log.end(last)
	}
	kept := p.finish(context.WithoutCancel(ctx), t, rec, r.log.snapshot())
	if promised {
		r.log.end(last)
	}
	if kept != nil {
		p.log.Error("a run's end could not be kept", "call_id", rec.CallID, "error", kept)
	}
	close(r.done)
	p.runs.retire(t, r, p.now())
}

// decide fixes the outcome; r.mu is held.
func (r *run) decide(now time.Time, a *Answer, err error) {
	r.decided = true
	r.rec.EndedAt, r.updated = now, now
	if err == nil {
		r.rec.Status, r.rec.Result = StatusFinished, a.Result
		return
	}
	r.rec.Status, r.rec.Error = StatusError, host.Outward(err)
	if host.CodeOf(err) == abi.CodeCancelled {
		r.rec.Status = StatusCancelled
	}
}
