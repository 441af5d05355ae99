// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

// read is every event after a number, to the end.
func read(t testing.TB, h *harness, ctx context.Context, id string, after uint64) []invoke.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	s, err := h.Events(ctx, id, after)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out []invoke.Event
	for {
		e, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
}

func ended(t testing.TB, h *harness, ctx context.Context, id string) invoke.Run {
	t.Helper()
	read(t, h, ctx, id, 0)
	r, err := h.Run(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func begin(t testing.TB, h *harness, ctx context.Context, r invoke.Request) invoke.Run {
	t.Helper()
	run, err := h.Start(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestARunGoesOnWithoutItsCaller(t *testing.T) {
	logged := start(t, nil, demo())
	unlogged := start(t, func(c *invoke.Config) { c.Log = nil }, demo())
	for name, h := range map[string]*harness{"": logged, "r1": logged, "no log": unlogged} {
		id := name
		if h == unlogged {
			id = ""
		}
		t.Run("request id "+name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(as("acme", "ann"))
			run := begin(t, h, ctx, invoke.Request{Tool: "echo", Input: json.RawMessage(`{"text":"hi"}`), RequestID: id,
				SessionID: "s", Metadata: json.RawMessage(`{"a":1}`)})
			cancel()
			if run.Status != invoke.StatusStarted || len(run.CallID) != 36 || run.Tool != "echo" {
				t.Errorf("accepted: %+v", run)
			}
			got := ended(t, h, as("acme", "ann"), run.CallID)
			if got.Status != invoke.StatusFinished || string(got.Result.Structured) != `{"text":"hi"}` || got.EndedAt.IsZero() ||
				got.SessionID != "s" || string(got.Metadata) != `{"a":1}` {
				t.Errorf("ended: %+v", got)
			}
			events := read(t, h, as("acme", "ann"), run.CallID, 0)
			if len(events) != 1 || events[0].Type != invoke.EventFinal || events[0].Text != `{"text":"hi"}` || events[0].Seq != 1 {
				t.Errorf("events: %+v", events)
			}
		})
	}
}

func TestStartTellsAtOnceWhatIsWrong(t *testing.T) {
	h := start(t, nil, demo())
	for _, c := range []struct {
		name string
		ctx  context.Context
		req  invoke.Request
		code abi.Code
		want string
	}{
		{"nobody", context.Background(), invoke.Request{Tool: "echo"}, abi.CodeUnauthenticated, "credential"},
		{"an unknown tool", as("acme", "ann"), invoke.Request{Tool: "ecoh", RequestID: "a"}, abi.CodeUnknownTool, "ecoh"},
		{"a scope that is missing", as("acme", "ann", host.ScopeReadTools), invoke.Request{Tool: "write"}, abi.CodeForbidden, "write:tools"},
		{"an input that does not fit", as("acme", "ann"), invoke.Request{Tool: "echo", Input: json.RawMessage(`{"txt":""}`)}, abi.CodeInvalidArg, "/txt"},
		{"a request id that is too long", as("acme", "ann"), invoke.Request{Tool: "echo", RequestID: strings.Repeat("a", 129)}, abi.CodeInvalidArg, "request_id"},
		{"a request id with a line break", as("acme", "ann"), invoke.Request{Tool: "echo", RequestID: "a\nb"}, abi.CodeInvalidArg, "request_id"},
		{"a session id that is no text", as("acme", "ann"), invoke.Request{Tool: "echo", SessionID: "ä"}, abi.CodeInvalidArg, "session_id"},
		{"metadata that is a list", as("acme", "ann"), invoke.Request{Tool: "echo", Metadata: json.RawMessage(`[]`)}, abi.CodeInvalidArg, "metadata"},
		{"metadata that is large", as("acme", "ann"), invoke.Request{Tool: "echo", Metadata: make([]byte, 1<<15)}, abi.CodeInvalidArg, "metadata"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := h.Start(c.ctx, c.req)
			wantCode(t, err, c.code)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestARequestIDIsExecutedOnce(t *testing.T) {
	var n atomic.Int64
	p := (&plugin{manifest: abi.Manifest{Name: "count"}}).tool(abi.Tool{Name: "count"}, counted(&n, echo))
	h := start(t, nil, p)
	ctx := as("acme", "ann")
	req := invoke.Request{Tool: "count", Input: json.RawMessage(`{"a": 1}`), RequestID: "req-123"}
	ids := make([]string, 100)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r := req
			if i%2 == 0 {
				r.Input = json.RawMessage(`{"a":1}`) // white space makes no other request
			}
			run, err := h.Start(ctx, r)
			if err != nil {
				t.Error(err)
			}
			ids[i] = run.CallID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("got the runs %s and %s, want one", id, ids[0])
		}
	}
	first := ended(t, h, ctx, ids[0])
	if n.Load() != 1 {
		t.Errorf("executed %d times, want once", n.Load())
	}
	t.Run("also after its end", func(t *testing.T) {
		again := begin(t, h, ctx, req)
		if again.CallID != first.CallID || again.Status != invoke.StatusFinished || n.Load() != 1 {
			t.Errorf("got %+v after %d executions", again, n.Load())
		}
	})
	t.Run("another input is a conflict", func(t *testing.T) {
		other := req
		other.Input = json.RawMessage(`{"a":2}`)
		_, err := h.Start(ctx, other)
		wantCode(t, err, abi.CodeConflict)
		if !strings.Contains(err.Error(), "request_id") {
			t.Error(err)
		}
	})
	t.Run("another caller's same id is another request", func(t *testing.T) {
		for _, who := range []context.Context{as("acme", "bob"), as("other", "ann")} {
			if r := begin(t, h, who, req); r.CallID == first.CallID {
				t.Error("two callers share a run")
			}
		}
	})
}

func TestARunThatWasUnderWayWhenItsHostWentIsInterrupted(t *testing.T) {
	// A second pipeline on the store of the first, which still runs, is a host after a kill.
	h := start(t, nil, demo())
	ctx := as("acme", "ann")
	req := invoke.Request{Tool: "wait", RequestID: "r1"}
	run := begin(t, h, ctx, req)
	next := startOn(t, h.store, nil, demo())
	defer next.stop(t)
	again := begin(t, next, ctx, req)
	if again.CallID != run.CallID || again.Status != invoke.StatusError || again.Error.Code != abi.CodeInterrupted {
		t.Errorf("got %+v", again)
	}
	events := read(t, next, ctx, run.CallID, 0)
	if len(events) != 1 || events[0].Type != invoke.EventError || events[0].Error.Code != abi.CodeInterrupted || !strings.Contains(events[0].Error.Hint, "new request_id") {
		t.Errorf("got %+v", events)
	}
}

func TestCancelEndsTheGuest(t *testing.T) {
	gone := make(chan struct{}, 8)
	p := (&plugin{manifest: abi.Manifest{Name: "hang"}}).tool(abi.Tool{Name: "hang"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		_ = c.Border.Emit(ctx, abi.EventPartial, []byte("begun"))
		<-ctx.Done()
		gone <- struct{}{}
		return text("too late")
	})
	h := start(t, nil, p, demo())
	ctx := as("acme", "ann")
	run := begin(t, h, ctx, invoke.Request{Tool: "hang", RequestID: "r1"})
	s, err := h.Events(ctx, run.CallID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := s.Next(ctx); err != nil || e.Text != "begun" {
		t.Fatal(e, err)
	}
	for range 2 {
		got, err := h.Cancel(ctx, run.CallID)
		if err != nil || got.Status != invoke.StatusCancelled {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	<-gone
	e, err := s.Next(ctx)
	if err != nil || e.Type != invoke.EventError || e.Status != invoke.StatusCancelled || e.Error.Code != abi.CodeCancelled || e.Seq != 2 {
		t.Errorf("the last event is %+v, %v", e, err)
	}
	if _, err := s.Next(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
	t.Run("an ended run stays as it is", func(t *testing.T) {
		run := begin(t, h, ctx, invoke.Request{Tool: "echo"})
		ended(t, h, ctx, run.CallID)
		got, err := h.Cancel(ctx, run.CallID)
		if err != nil || got.Status != invoke.StatusFinished || got.Result == nil {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("a run that waits for its place is cancelled too", func(t *testing.T) {
		h := start(t, func(c *invoke.Config) { c.MaxConcurrentPerTenant = 1 }, demo())
		first := begin(t, h, ctx, invoke.Request{Tool: "wait"})
		second := begin(t, h, ctx, invoke.Request{Tool: "wait"})
		got, err := h.Cancel(ctx, second.CallID)
		if err != nil || got.Status != invoke.StatusCancelled {
			t.Errorf("got %+v, %v", got, err)
		}
		if r, err := h.Cancel(ctx, first.CallID); err != nil || r.Status != invoke.StatusCancelled {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

func TestCancelAllEndsOnesOwn(t *testing.T) {
	h := start(t, nil, demo())
	var ids []string
	for _, who := range []string{"ann", "ann", "bob", "cid"} {
		ids = append(ids, begin(t, h, as("acme", who), invoke.Request{Tool: "wait"}).CallID)
	}
	foreign := begin(t, h, as("other", "ann"), invoke.Request{Tool: "wait"}).CallID
	if n, err := h.CancelAll(as("acme", "ann")); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
	if n, err := h.CancelAll(as("acme", "ann")); n != 0 || err != nil {
		t.Errorf("again: got %d, %v, want 0", n, err)
	}
	if r, err := h.Run(as("acme", "bob"), ids[2]); err != nil || r.Status.Ended() {
		t.Errorf("another user's run: %+v, %v", r, err)
	}
	if n, err := h.CancelAll(as("acme", "root", host.ScopeAdmin)); n != 2 || err != nil {
		t.Errorf("an administrator: got %d, %v, want 2", n, err)
	}
	if r, err := h.Run(as("other", "ann"), foreign); err != nil || r.Status.Ended() {
		t.Errorf("another tenant's run: %+v, %v", r, err)
	}
}

func TestARunIsItsOwners(t *testing.T) {
	h := start(t, nil, demo())
	live := begin(t, h, as("acme", "ann"), invoke.Request{Tool: "wait", RequestID: "live"}).CallID
	old := begin(t, h, as("acme", "ann"), invoke.Request{Tool: "echo", RequestID: "old"}).CallID
	ended(t, h, as("acme", "ann"), old)
	for _, id := range []string{live, old, "00000000-0000-4000-8000-000000000000", "x", strings.Repeat("\x00", 36)} {
		for name, ctx := range map[string]context.Context{"another tenant": as("other", "ann"), "another user": as("acme", "bob"),
			"another tenant's administrator": as("other", "root", host.ScopeAdmin)} {
			_, err1 := h.Run(ctx, id)
			_, err2 := h.Events(ctx, id, 0)
			_, err3 := h.Cancel(ctx, id)
			for _, err := range []error{err1, err2, err3} {
				if host.CodeOf(err) != abi.CodeNotFound {
					t.Errorf("%s, %q: got %v, want %s", name, id, err, abi.CodeNotFound)
				}
			}
		}
	}
	if r, err := h.Run(as("acme", "root", host.ScopeAdmin), live); err != nil || r.Status.Ended() {
		t.Errorf("the tenant's administrator: %+v, %v", r, err)
	}
}

func TestARunThatTakesTooLongEnds(t *testing.T) {
	h := start(t, func(c *invoke.Config) { c.RunTimeout = time.Millisecond }, demo())
	r := ended(t, h, as("acme", "ann"), begin(t, h, as("acme", "ann"), invoke.Request{Tool: "wait"}).CallID)
	if r.Status != invoke.StatusError || r.Error.Code != abi.CodeDeadline || !strings.Contains(r.Error.Message, "1ms") {
		t.Errorf("got %+v, %+v", r, r.Error)
	}
}

func TestARunMayTakeAsLongAsItsPlugin(t *testing.T) {
	left := func(ctx context.Context, _ *host.GuestCall) (host.Output, error) {
		d, _ := ctx.Deadline()
		return text(time.Until(d).Round(time.Minute).String())
	}
	slow := (&plugin{manifest: abi.Manifest{Name: "slow"}, settings: "limits: {wall: 2h}"}).tool(abi.Tool{Name: "slow"}, left)
	quick := (&plugin{manifest: abi.Manifest{Name: "quick"}, settings: "limits: {wall: 10s}"}).tool(abi.Tool{Name: "quick"}, left)
	for _, c := range []struct {
		name, tool, want string
		limit            time.Duration
	}{
		{"two hours where its wall is two hours", "slow", "2h0m0s", 0},
		{"five minutes where that is shorter", "quick", "5m0s", 0},
		{"what the operator says, whatever its wall", "slow", "30m0s", 30 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, func(cfg *invoke.Config) { cfg.RunTimeout = c.limit }, slow, quick)
			r := ended(t, h, as("acme", "ann"), begin(t, h, as("acme", "ann"), invoke.Request{Tool: c.tool}).CallID)
			if r.Status != invoke.StatusFinished || r.Result.Content[0].Text != c.want {
				t.Errorf("got %+v, %+v; want %s", r, r.Result, c.want)
			}
		})
	}
}

func TestATenantsRunsAreBounded(t *testing.T) {
	h := start(t, func(c *invoke.Config) { c.MaxRunsPerTenant = 2 }, demo())
	for range 2 {
		begin(t, h, as("acme", "ann"), invoke.Request{Tool: "wait"})
	}
	_, err := h.Start(as("acme", "bob"), invoke.Request{Tool: "wait"})
	wantCode(t, err, abi.CodeBusy)
	begin(t, h, as("other", "bob"), invoke.Request{Tool: "wait"})
	if _, err := h.CancelAll(as("acme", "ann")); err != nil {
		t.Fatal(err)
	}
	begin(t, h, as("acme", "bob"), invoke.Request{Tool: "wait"})
}

// TestReplayIsExact starts readers at any place and any time of a run, of each kind of end.
func TestReplayIsExact(t *testing.T) {
	step := make(chan struct{})
	p := demo()
	p.tool(abi.Tool{Name: "stepped"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		for i := range 20 {
			<-step
			if i%4 == 3 {
				_ = c.Border.Emit(ctx, abi.EventProgress, fmt.Appendf(nil, `{"done":%d}`, i))
				continue
			}
			_ = c.Border.Emit(ctx, abi.EventPartial, fmt.Appendf(nil, "ä%d ", i))
		}
		return text("all")
	})
	h := start(t, nil, p)
	ctx := as("acme", "ann")
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		req := invoke.Request{Tool: "stepped"}
		if rapid.Bool().Draw(rt, "kept") {
			req.RequestID = fmt.Sprint("r", n)
		}
		id := begin(t, h, ctx, req).CallID
		type reader struct {
			after uint64
			got   []invoke.Event
		}
		var wg sync.WaitGroup
		var readers []*reader
		add := func() {
			r := &reader{after: rapid.Uint64Range(0, 23).Draw(rt, "after")}
			readers = append(readers, r)
			wg.Go(func() { r.got = read(t, h, ctx, id, r.after) })
		}
		for range 20 {
			for range rapid.IntRange(0, 1).Draw(rt, "readers") {
				add()
			}
			step <- struct{}{}
		}
		wg.Wait()
		all := read(t, h, ctx, id, 0)
		for range 2 {
			add()
		}
		wg.Wait()
		if len(all) != 21 || all[20].Type != invoke.EventFinal || all[0].Text != "ä0 " || all[3].Progress.Done != 3 || all[4].Text != "ä4 " {
			t.Fatalf("got %+v", all)
		}
		for _, r := range readers {
			if want := all[min(r.after, 21):]; fmt.Sprint(words(r.got)) != fmt.Sprint(words(want)) {
				rt.Fatalf("after %d: got %v, want %v", r.after, words(r.got), words(want))
			}
		}
	})
}

func words(events []invoke.Event) []string {
	var out []string
	for _, e := range events {
		j, _ := json.Marshal(e)
		out = append(out, string(j))
	}
	return out
}

func TestALargeRunIsKeptWhole(t *testing.T) {
	big := strings.Repeat("äöü\n\"", 1<<17)
	p := (&plugin{manifest: abi.Manifest{Name: "big"}}).tool(abi.Tool{Name: "big"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		for range 2 {
			if err := c.Border.Emit(ctx, abi.EventPartial, []byte(big[:len(big)/2])); err != nil {
				return host.Output{}, err
			}
		}
		return text(big)
	})
	p.tool(abi.Tool{Name: "endless"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		for {
			if err := c.Border.Emit(ctx, abi.EventPartial, []byte(big)); err != nil {
				return host.Output{}, err
			}
		}
	})
	h := start(t, nil, p)
	ctx := as("acme", "ann")
	id := begin(t, h, ctx, invoke.Request{Tool: "big", RequestID: "r1"}).CallID
	live := read(t, h, ctx, id, 0)
	other := startOn(t, h.store, nil, p) // it has only what is kept
	defer other.stop(t)
	kept := read(t, other, ctx, id, 0)
	if len(kept) != 3 || kept[2].Text != big || fmt.Sprint(words(kept)) != fmt.Sprint(words(live)) {
		t.Errorf("got %d events, want the %d that were told", len(kept), len(live))
	}
	r := ended(t, h, ctx, begin(t, h, ctx, invoke.Request{Tool: "endless"}).CallID)
	if r.Status != invoke.StatusError || r.Error.Code != abi.CodeLimit || !strings.Contains(r.Error.Message, "partial texts") {
		t.Errorf("a run that says too much: %+v, %+v", r.Status, r.Error)
	}
}

// failing is a store whose writes fail while down is set.
type failing struct {
	store.Store
	down atomic.Bool
}

func (f *failing) Put(ctx context.Context, k store.Key, v []byte, o store.PutOptions) (uint64, error) {
	if f.down.Load() {
		return 0, host.Errorf("failing.Put", abi.CodeUnavailable, "the disk is full")
	}
	return f.Store.Put(ctx, k, v, o)
}

func TestARunThatCannotBeRecordedIsNotAccepted(t *testing.T) {
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Store: s}
	var n atomic.Int64
	p := (&plugin{manifest: abi.Manifest{Name: "count"}}).tool(abi.Tool{Name: "count"}, counted(&n, echo))
	h := startOn(t, f, nil, p)
	ctx := as("acme", "ann")
	f.down.Store(true)
	_, err = h.Start(ctx, invoke.Request{Tool: "count", RequestID: "r"})
	wantCode(t, err, abi.CodeUnavailable)
	if n.Load() != 0 {
		t.Error("it was executed")
	}
	f.down.Store(false)
	if r := ended(t, h, ctx, begin(t, h, ctx, invoke.Request{Tool: "count", RequestID: "r"}).CallID); r.Status != invoke.StatusFinished {
		t.Errorf("the retry: %+v", r)
	}
	h.stop(t)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestTenantsNeverMeet lets 12 tenants call, start, watch and cancel at once.
func TestTenantsNeverMeet(t *testing.T) {
	p := (&plugin{manifest: abi.Manifest{Name: "who"}}).tool(abi.Tool{Name: "who"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		me, err := op[abi.Context](ctx, c, abi.OpContext, nil)
		if err != nil {
			return host.Output{}, err
		}
		if me.Tenant != string(c.Tenant) || !strings.Contains(string(c.Input), `"`+me.Tenant+`"`) {
			return host.Output{}, fmt.Errorf("%s got the input of another: %s", me.Tenant, c.Input)
		}
		_ = c.Border.Emit(ctx, abi.EventPartial, []byte(me.Tenant))
		return text(me.Tenant + " " + me.CallID)
	})
	h := start(t, func(c *invoke.Config) { c.MaxConcurrentPerTenant = 3 }, p)
	var wg sync.WaitGroup
	for g := range 12 {
		tenant := fmt.Sprintf("tenant%d", g)
		ctx := as(tenant, "same-user")
		in := json.RawMessage(fmt.Sprintf(`{"t":%q}`, tenant))
		wg.Go(func() {
			for i := range 40 {
				a, err := h.Call(ctx, invoke.Request{Tool: "who", Input: in}, nil)
				if err != nil || a.Result.Content[0].Text != tenant+" "+a.CallID {
					t.Errorf("%s: %+v, %v", tenant, a, err)
					return
				}
				run, err := h.Start(ctx, invoke.Request{Tool: "who", Input: in, RequestID: fmt.Sprint("same-id-", i)})
				if err != nil {
					t.Error(err)
					return
				}
				if i%7 == 0 {
					_, _ = h.Cancel(ctx, run.CallID)
					continue
				}
				events := read(t, h, ctx, run.CallID, 0)
				if len(events) != 2 || events[0].Text != tenant || events[1].Text != tenant+" "+run.CallID {
					t.Errorf("%s: %+v", tenant, events)
					return
				}
			}
		})
	}
	wg.Wait()
}
