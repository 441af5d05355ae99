// Copyright 2026 The Gantry Authors.

package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// runs are the runs under way, by tenant and call id. A run leaves when its end is in the store.
type runs struct {
	mu     sync.Mutex
	live   map[runID]*run
	counts map[host.TenantID]int
}

type runID struct {
	tenant host.TenantID
	id     string
}

func (rs *runs) init() {
	rs.live = map[runID]*run{}
	rs.counts = map[host.TenantID]int{}
}

func (rs *runs) find(t host.TenantID, id string) *run {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.live[runID{t, id}]
}

// add is the run of that id: r, or the one that is there already.
func (rs *runs) add(t host.TenantID, r *run, most int) (there *run, added bool, err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	id := runID{t, r.rec.CallID}
	if there := rs.live[id]; there != nil {
		return there, false, nil
	}
	if rs.counts[t] >= most {
		return nil, false, host.Errorf("invoke.Start", abi.CodeBusy, "%d runs of this tenant are under way; wait for one to end, or cancel one", most)
	}
	rs.live[id] = r
	rs.counts[t]++
	return r, true, nil
}

func (rs *runs) remove(t host.TenantID, r *run) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.live, runID{t, r.rec.CallID})
	if rs.counts[t]--; rs.counts[t] == 0 {
		delete(rs.counts, t)
	}
}

// choose lists the runs under way that take chooses.
func (rs *runs) choose(take func(runID, *run) bool) []*run {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var out []*run
	for id, r := range rs.live {
		if take(id, r) {
			out = append(out, r)
		}
	}
	return out
}

// run is one run under way.
type run struct {
	log    eventLog
	cancel context.CancelCauseFunc
	// ready is closed when the run is recorded and, with refused, when it could not be; stored is
	// the record that was there already.
	ready   chan struct{}
	refused error
	stored  *record
	// done is closed when the run has ended and its end is told.
	done chan struct{}

	mu  sync.Mutex
	rec record
	// decided says that the outcome is fixed, so that a cancel comes too late.
	decided bool
}

func (r *run) snapshot() Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rec.Run
}

func (r *run) setStatus(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.decided {
		r.rec.Status = s
	}
}

// The causes of a run's end from outside.
func errCancelled() error {
	return host.Errorf("invoke.Cancel", abi.CodeCancelled, "the run was cancelled by its caller")
}

func errInterrupted() error {
	return host.Errorf("invoke.Drain", abi.CodeInterrupted, "the host stopped while the run was under way").
		WithHint("start it again with a new request_id")
}

func errTooLong(limit time.Duration) error {
	return host.Errorf("invoke.run", abi.CodeDeadline, "the run, waiting included, took longer than %s", limit)
}

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
// Without a RequestID the run is in the store when it has ended. The request's memory is the
// pipeline's from then on.
func (p *Pipeline) Start(ctx context.Context, r Request) (Run, error) {
	const op = "invoke.Start"
	who, err := p.admit(ctx, op)
	if err != nil {
		return Run{}, err
	}
	started := false
	defer func() {
		if !started {
			p.leave()
		}
	}()
	if err := r.valid(op); err != nil {
		return Run{}, err
	}
	rec := p.newRecord(who, &r)
	if r.RequestID != "" {
		if there, err := p.earlier(ctx, who, rec); there != nil || err != nil {
			return p.same(ctx, there, rec, err)
		}
	}
	if err := p.precheck(who, &r); err != nil {
		c := p.newCall(who, &r, nil)
		c.info.CallID = rec.CallID
		c.record(err)
		return Run{}, err
	}
	fresh := &run{rec: *rec, ready: make(chan struct{}), done: make(chan struct{})}
	var rctx context.Context
	rctx, fresh.cancel = context.WithCancelCause(host.WithPrincipal(context.Background(), who))
	there, added, err := p.runs.add(who.Tenant, fresh, p.cfg.MaxRunsPerTenant)
	if err != nil || !added {
		fresh.cancel(nil)
		if err != nil {
			return Run{}, err
		}
		return p.await(ctx, there, rec)
	}
	if err := p.accept(ctx, who.Tenant, fresh); err != nil || fresh.stored != nil {
		fresh.cancel(nil)
		return p.same(ctx, fresh.stored, rec, err)
	}
	started = true
	accepted := fresh.snapshot()
	go p.execute(rctx, who, fresh, r)
	return accepted, nil
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
func (p *Pipeline) newRecord(who *host.Principal, r *Request) *record {
	rec := &record{Owner: ownerOf(who), Run: Run{
		CallID: newCallID(), Tool: r.Tool, Status: StatusStarted, RequestID: r.RequestID,
		SessionID: r.SessionID, Metadata: r.Metadata, CreatedAt: p.cfg.Clock.Now().UTC(),
	}}
	if r.RequestID != "" {
		input := bytes.TrimSpace(r.Input)
		var b bytes.Buffer
		if json.Compact(&b, input) == nil {
			input = b.Bytes()
		}
		if len(input) == 0 || string(input) == "null" {
			input = []byte("{}")
		}
		rec.CallID, rec.Print = callIDFor(who, r.RequestID), printOf(r, input)
	}
	return rec
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

func (p *Pipeline) await(ctx context.Context, there *run, asked *record) (Run, error) {
	rec, err := there.wait(ctx)
	return p.same(ctx, rec, asked, err)
}

// accept records a run, where its request id asks for it, and lets those know who wait for that.
func (p *Pipeline) accept(ctx context.Context, t host.TenantID, r *run) error {
	defer close(r.ready)
	if r.rec.RequestID == "" {
		return nil
	}
	// Others wait for this write, so it must not end with the request that happens to do it.
	rec := r.snapshotRecord()
	there, created, err := p.create(context.WithoutCancel(ctx), t, &rec)
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

// precheck is what can be told before a run is accepted, so that its caller hears of it at once.
func (p *Pipeline) precheck(who *host.Principal, r *Request) error {
	const op = "invoke.Start"
	ref, ok := p.cfg.Catalog.Snapshot().Tool(r.Tool)
	if !ok || !ref.Plugin.VisibleTo(who.Tenant) {
		return p.unknownTool(op, who, r.Tool)
	}
	if err := p.permit(who, ref, &r.Client); err != nil {
		return err
	}
	lim := fill(ref.Plugin.Settings.Limits, p.cfg.Limits)
	_, err := p.checkInput(ref, r.Input, &lim)
	return err
}

// execute is the run's goroutine: it waits for a place, calls the tool and tells the end.
func (p *Pipeline) execute(ctx context.Context, who *host.Principal, r *run, req Request) {
	defer p.leave()
	defer r.cancel(nil)
	ctx, stop := context.WithTimeoutCause(ctx, p.cfg.RunTimeout, errTooLong(p.cfg.RunTimeout))
	defer stop()
	answer, err := p.perform(ctx, who, r, &req)
	if err == nil && answer.InputRequired != nil {
		err = host.Errorf("invoke.run", abi.CodeClientCapability, "the tool %s asks its caller something, which a run cannot answer", req.Tool).
			WithHint("call it over MCP")
	}
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	p.conclude(ctx, who.Tenant, r, answer, err)
}

func (p *Pipeline) perform(ctx context.Context, who *host.Principal, r *run, req *Request) (*Answer, error) {
	c := p.newCall(who, req, &r.log)
	c.info.CallID = r.rec.CallID
	gate := p.gates.of(who.Tenant)
	if !gate.try(p.gates.running) {
		r.setStatus(StatusPending)
		if err := p.gates.enter(ctx, gate, true); err != nil {
			err = stopped("invoke.run", err)
			c.record(err)
			return nil, err
		}
	}
	defer gate.leave()
	if err := context.Cause(ctx); err != nil {
		err = stopped("invoke.run", err)
		c.record(err)
		return nil, err
	}
	r.setStatus(StatusRunning)
	return c.tool(ctx)
}

// conclude fixes the outcome, keeps it, and then tells it: a caller who has seen the end of a run
// with a request id will see the same end after a crash.
func (p *Pipeline) conclude(ctx context.Context, t host.TenantID, r *run, a *Answer, err error) {
	r.mu.Lock()
	if !r.decided {
		r.decide(p.cfg.Clock.Now().UTC(), a, err)
	}
	rec := r.rec
	r.mu.Unlock()
	last := lastEvent(&rec.Run)
	if rec.RequestID == "" {
		r.log.end(last)
	}
	kept := p.finish(context.WithoutCancel(ctx), t, rec, r.log.snapshot())
	if rec.RequestID != "" {
		r.log.end(last)
	}
	if kept != nil {
		p.log.Error("a run's end could not be kept", "call_id", rec.CallID, "error", kept)
	}
	close(r.done)
	p.runs.remove(t, r)
}

// decide fixes the outcome; r.mu is held.
func (r *run) decide(now time.Time, a *Answer, err error) {
	r.decided = true
	r.rec.EndedAt = now
	if err == nil {
		r.rec.Status, r.rec.Result = StatusFinished, a.Result
		return
	}
	r.rec.Status, r.rec.Error = StatusError, host.Outward(err)
	if host.CodeOf(err) == abi.CodeCancelled {
		r.rec.Status = StatusCancelled
	}
}

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
	_, err = p.settleOrphan(ctx, t, rec)
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
func owned(who *host.Principal, rec *record) bool {
	return rec.Owner == ownerOf(who) || who.Has(host.ScopeAdmin)
}

func noRun(op, id string) error {
	return host.Errorf(op, abi.CodeNotFound, "there is no run %q here", clip(id)).WithHint("a run is kept for a while after its end; check call_id")
}

// seek finds a run that the principal may see: live, or its record.
func (p *Pipeline) seek(ctx context.Context, op, id string) (who *host.Principal, live *run, rec *record, err error) {
	if who = host.PrincipalFrom(ctx); who == nil {
		return nil, nil, nil, host.Errorf(op, abi.CodeUnauthenticated, "a credential is needed")
	}
	if len(id) != len("00000000-0000-0000-0000-000000000000") {
		return nil, nil, nil, noRun(op, id)
	}
	if live = p.runs.find(who.Tenant, id); live != nil {
		now := live.snapshotRecord()
		rec = &now
	} else if rec, live, err = p.lookup(ctx, who.Tenant, id); err != nil {
		if code := host.CodeOf(err); code == abi.CodeNotFound || code == abi.CodeInvalidArg {
			err = noRun(op, id)
		}
		return nil, nil, nil, err
	}
	if !owned(who, rec) {
		return nil, nil, nil, noRun(op, id)
	}
	return who, live, rec, nil
}

// Run tells where a run stands. Its owner may ask, and who has the scope admin in its tenant;
// anybody else gets CodeNotFound.
func (p *Pipeline) Run(ctx context.Context, callID string) (Run, error) {
	who, live, rec, err := p.seek(ctx, "invoke.Run", callID)
	if err != nil {
		return Run{}, err
	}
	if live == nil {
		if _, err := p.unpack(ctx, who.Tenant, rec); err != nil {
			return Run{}, err
		}
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
		return id.tenant == who.Tenant && owned(who, &record{Owner: r.rec.Owner})
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
			return n, nil
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
