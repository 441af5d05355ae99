// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

// question is what a fake asks: one form for each key.
func question(state string, keys ...string) (host.Output, error) {
	ask := abi.InputRequired{State: state, Requests: map[string]abi.InputRequest{}}
	for _, k := range keys {
		ask.Requests[k] = abi.InputRequest{Method: "elicitation/create", Params: json.RawMessage(`{"message":"?"}`)}
	}
	data, err := json.Marshal(ask)
	return host.Output{Kind: abi.OutputInputRequired, Data: data}, err
}

// asking has tools that ask: "two" asks two things at once, then one more, and answers with all it
// was told; "nag" never stops.
func asking() *plugin {
	p := &plugin{manifest: abi.Manifest{Name: "asking"}}
	p.tool(abi.Tool{Name: "two", Task: abi.TaskOptional}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		about, err := op[abi.Context](ctx, c, abi.OpContext, nil)
		if err != nil {
			return host.Output{}, err
		}
		switch {
		case about.State == "":
			return question("first", "a", "b")
		case about.State == "first":
			return question("second "+string(about.Answers["a"])+string(about.Answers["b"]), "a")
		}
		return text(strings.TrimPrefix(about.State, "second ") + string(about.Answers["a"]))
	})
	p.tool(abi.Tool{Name: "nag", Task: abi.TaskOptional}, func(context.Context, *host.GuestCall) (host.Output, error) {
		return question("again")
	})
	return p
}

func taskRequest(tool string) invoke.Request {
	return invoke.Request{Tool: tool, Surface: "mcp", Client: abi.Client{Can: []string{abi.ClientElicitation}}}
}

func startTask(t *testing.T, h *harness, ctx context.Context, r invoke.Request) invoke.Task {
	t.Helper()
	task, ask, err := h.StartTask(ctx, r)
	if err != nil || ask != nil {
		t.Fatalf("got the question %v and the error %v, want a task", ask, err)
	}
	return task
}

// settled waits until the task is neither accepted, waiting nor running.
func settled(t *testing.T, h *harness, ctx context.Context, id string) invoke.Task {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		task, err := h.Task(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if task.Status.Ended() || task.Status == invoke.StatusInputRequired && len(task.Questions) > 0 {
			return task
		}
		if time.Now().After(end) {
			t.Fatalf("the task is %s after 10 s", task.Status)
		}
	}
}

func TestTaskAsksInRounds(t *testing.T) {
	h, ann := start(t, nil, asking()), as("acme", "ann")
	id := startTask(t, h, ann, taskRequest("two")).CallID
	first := settled(t, h, ann, id)
	if len(first.Questions) != 2 {
		t.Fatalf("it asks %v, want two questions", first.Questions)
	}
	give := func(key, value string) error {
		return h.AnswerTask(ann, id, map[string]json.RawMessage{key: json.RawMessage(value)})
	}
	t.Run("an answer that is no object is refused, and nothing is taken", func(t *testing.T) {
		err := h.AnswerTask(ann, id, map[string]json.RawMessage{"1-a": []byte(`{}`), "1-b": []byte(`7`)})
		wantCode(t, err, abi.CodeInvalidArg)
		if got := settled(t, h, ann, id); len(got.Questions) != 2 {
			t.Errorf("it asks %v, want both still", got.Questions)
		}
	})
	t.Run("an answer nobody asked for is ignored", func(t *testing.T) { wantCode(t, give("9-z", `{}`), "") })
	t.Run("with one of two answers it asks for the other", func(t *testing.T) {
		wantCode(t, give("1-a", `{"n":1}`), "")
		got := settled(t, h, ann, id)
		if _, ok := got.Questions["1-b"]; !ok || len(got.Questions) != 1 {
			t.Errorf("it asks %v, want 1-b alone", got.Questions)
		}
		wantCode(t, give("1-a", `{"n":9}`), "")
	})
	t.Run("the next round asks under another key", func(t *testing.T) {
		wantCode(t, give("1-b", `{"n":2}`), "")
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, ok := settled(t, h, ann, id).Questions["2-a"]; ok {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the second round never came")
			}
		}
	})
	t.Run("it ends with everything it was told", func(t *testing.T) {
		wantCode(t, give("2-a", `{"n":3}`), "")
		var got invoke.Task
		for end := time.Now().Add(10 * time.Second); !got.Status.Ended() && time.Now().Before(end); {
			got = settled(t, h, ann, id)
		}
		if want := `{"n":1}{"n":2}{"n":3}`; got.Status != invoke.StatusFinished || got.Result.Content[0].Text != want {
			t.Errorf("got %s %+v, want %s", got.Status, got.Result, want)
		}
	})
	t.Run("an answer after its end changes nothing", func(t *testing.T) { wantCode(t, give("2-a", `{}`), "") })
}

func TestTaskThatNeverStopsAsking(t *testing.T) {
	h, ann := start(t, nil, asking()), as("acme", "ann")
	got := settled(t, h, ann, startTask(t, h, ann, taskRequest("nag")).CallID)
	if got.Status != invoke.StatusError || got.Error.Code != abi.CodeLimit {
		t.Errorf("got %s %v, want the limit of rounds", got.Status, got.Error)
	}
}

func TestTaskThatNobodyAnswers(t *testing.T) {
	h, ann := start(t, func(c *invoke.Config) { c.StateTTL = 20 * time.Millisecond }, asking()), as("acme", "ann")
	id := startTask(t, h, ann, taskRequest("two")).CallID
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got, err := h.Task(ann, id)
		if err != nil || time.Now().After(end) {
			t.Fatalf("%v, after 10 s or earlier", err)
		}
		if got.Status.Ended() {
			if got.Error == nil || got.Error.Code != abi.CodeDeadline {
				t.Errorf("got %v, want the deadline", got.Error)
			}
			return
		}
	}
}

func TestTaskBelongsToWhoStartedIt(t *testing.T) {
	h, ann := start(t, nil, demo(), asking()), as("acme", "ann")
	id := startTask(t, h, ann, taskRequest("two")).CallID
	settled(t, h, ann, id)
	answers := map[string]json.RawMessage{"1-a": []byte(`{}`)}
	for who, ctx := range map[string]context.Context{
		"another user of the tenant": as("acme", "bob"), "the same user of another tenant": as("umbrella", "ann"),
	} {
		t.Run(who+" finds nothing", func(t *testing.T) {
			_, err := h.Task(ctx, id)
			wantCode(t, err, abi.CodeNotFound)
			wantCode(t, h.AnswerTask(ctx, id, answers), abi.CodeNotFound)
			wantCode(t, h.CancelTask(ctx, id), abi.CodeNotFound)
		})
	}
	t.Run("an administrator may look and end, but not answer", func(t *testing.T) {
		admin := as("acme", "root", host.ScopeAdmin, host.ScopeWriteTools)
		if _, err := h.Task(admin, id); err != nil {
			t.Error(err)
		}
		wantCode(t, h.AnswerTask(admin, id, answers), abi.CodeNotFound)
		wantCode(t, h.CancelTask(admin, id), "")
	})
	t.Run("a run is no task", func(t *testing.T) {
		run, err := h.Start(ann, invoke.Request{Tool: "echo"})
		wantCode(t, err, "")
		_, err = h.Task(ann, run.CallID)
		wantCode(t, err, abi.CodeNotFound)
	})
}

func TestTaskCanBeEnded(t *testing.T) {
	h, ann := start(t, nil, demo(), asking()), as("acme", "ann")
	for _, tool := range []string{"wait", "two"} {
		t.Run(tool, func(t *testing.T) {
			id := startTask(t, h, ann, taskRequest(tool)).CallID
			if tool == "two" {
				settled(t, h, ann, id)
			}
			for range 2 { // the second changes nothing
				wantCode(t, h.CancelTask(ann, id), "")
			}
			if got := settled(t, h, ann, id); got.Status != invoke.StatusCancelled || len(got.Questions) != 0 {
				t.Errorf("got %s with %v", got.Status, got.Questions)
			}
		})
	}
}

func TestTaskIsKeptOverARestart(t *testing.T) {
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ann := as("acme", "ann")
	before := startOn(t, s, nil, demo(), asking())
	done := startTask(t, before, ann, taskRequest("echo")).CallID
	settled(t, before, ann, done)
	open := startTask(t, before, ann, taskRequest("two")).CallID
	settled(t, before, ann, open)
	began := time.Now()
	if err := before.Drain(t.Context()); err != nil { // it does not wait for somebody to answer
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	before.stop(t)

	after := startOn(t, s, nil, demo(), asking())
	defer after.stop(t)
	if got := settled(t, after, ann, done); got.Status != invoke.StatusFinished || got.Result == nil {
		t.Errorf("the finished one is %s", got.Status)
	}
	got := settled(t, after, ann, open)
	if got.Status != invoke.StatusError || got.Error.Code != abi.CodeInterrupted {
		t.Errorf("the open one is %s, %v", got.Status, got.Error)
	}
}

func TestTaskIsInTheStoreBeforeItIsTold(t *testing.T) {
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ann := as("acme", "ann")
	h := startOn(t, s, nil, demo())
	defer h.stop(t)
	id := startTask(t, h, ann, taskRequest("wait")).CallID
	// Another host on the same store stands for the one that comes after a kill.
	other := startOn(t, s, nil, demo())
	defer other.stop(t)
	if got := settled(t, other, ann, id); got.Status != invoke.StatusError || got.Error.Code != abi.CodeInterrupted {
		t.Errorf("got %s, %v", got.Status, got.Error)
	}
}

// policy is a tenant's wish that can change.
type policy struct{ confirm atomic.Bool }

func (p *policy) ConfirmDestructive(host.TenantID) bool { return p.confirm.Load() }

// guarded has a destructive tool, one that asks for more once it may run, and one that calls it.
func guarded(ran *atomic.Int64) *plugin {
	p := &plugin{manifest: abi.Manifest{Name: "guarded"}, settings: "grants:\n  tools: [\"*\"]\n"}
	destructive := abi.Annotations{Destructive: true}
	p.tool(abi.Tool{Name: "drop", Annotations: destructive}, counted(ran, echo))
	p.tool(abi.Tool{Name: "drop_asking", Annotations: destructive, Task: abi.TaskOptional}, counted(ran, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		about, err := op[abi.Context](ctx, c, abi.OpContext, nil)
		if err != nil || len(about.Answers) == 0 {
			return question("", "which")
		}
		return text("dropped " + string(about.Answers["which"]))
	}))
	p.tool(abi.Tool{Name: "around"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		r, err := op[abi.Result](ctx, c, abi.OpCall, abi.CallRequest{Tool: "drop", Input: json.RawMessage(`{}`)})
		if err != nil {
			return host.Output{}, err
		}
		return text(r.Content[0].Text)
	})
	return p
}

var (
	yes = map[string]json.RawMessage{invoke.ConfirmKey: json.RawMessage(`{"action":"accept","content":{"confirm":true}}`)}
	no  = map[string]json.RawMessage{invoke.ConfirmKey: json.RawMessage(`{"action":"decline"}`)}
)

// gated is a host whose tenants want to be asked.
func gated(t *testing.T) (h *harness, p *policy, ran *atomic.Int64) {
	p, ran = &policy{}, &atomic.Int64{}
	p.confirm.Store(true)
	return start(t, func(c *invoke.Config) { c.Policy = p }, demo(), guarded(ran)), p, ran
}

func askedFirst(t *testing.T, h *harness, ctx context.Context, r invoke.Request) string {
	t.Helper()
	a, err := h.Call(ctx, r, nil)
	if err != nil || a.InputRequired == nil {
		t.Fatalf("got %+v, %v; want the question", a, err)
	}
	if _, ok := a.InputRequired.Requests[invoke.ConfirmKey]; !ok {
		t.Fatalf("it asks %v", a.InputRequired.Requests)
	}
	return a.InputRequired.State
}

func TestDestructiveCallIsConfirmed(t *testing.T) {
	h, p, ran := gated(t)
	ann, r := as("acme", "ann"), taskRequest("drop")
	r.Input = json.RawMessage(`{"path":"a"}`)
	with := func(state string, answers map[string]json.RawMessage) invoke.Request {
		out := r
		out.State, out.Answers = state, answers
		return out
	}
	refused := func(t *testing.T, ctx context.Context, r invoke.Request, want abi.Code) {
		t.Helper()
		before := ran.Load()
		_, err := h.Call(ctx, r, nil)
		wantCode(t, err, want)
		if ran.Load() != before {
			t.Error("the tool has run")
		}
	}
	t.Run("a yes lets this call run, once", func(t *testing.T) {
		state := askedFirst(t, h, ann, r)
		a, err := h.Call(ann, with(state, yes), nil)
		if err != nil || a.Result == nil || ran.Load() != 1 {
			t.Fatalf("got %+v, %v after %d runs", a, err, ran.Load())
		}
		refused(t, ann, with(state, yes), abi.CodeInvalidArg)
	})
	t.Run("a no does not", func(t *testing.T) {
		refused(t, ann, with(askedFirst(t, h, ann, r), no), abi.CodeDeclined)
	})
	t.Run("nor does an accepted form whose box is empty", func(t *testing.T) {
		refused(t, ann, with(askedFirst(t, h, ann, r), map[string]json.RawMessage{
			invoke.ConfirmKey: json.RawMessage(`{"action":"accept","content":{"confirm":false}}`)}), abi.CodeDeclined)
	})
	t.Run("a yes that nobody asked for is asked again", func(t *testing.T) { askedFirst(t, h, ann, with("", yes)) })
	t.Run("a question without an answer is asked again", func(t *testing.T) {
		askedFirst(t, h, ann, with(askedFirst(t, h, ann, r), nil))
	})
	t.Run("a yes is good for these arguments alone", func(t *testing.T) {
		for _, other := range []string{`{"path":"b"}`, `{"path":"a","path":"b"}`, `{}`} {
			o := with(askedFirst(t, h, ann, r), yes)
			o.Input = json.RawMessage(other)
			refused(t, ann, o, abi.CodeInvalidArg)
		}
	})
	t.Run("and for this tool, this user and this key", func(t *testing.T) {
		o := with(askedFirst(t, h, ann, r), yes)
		o.Tool = "drop_asking"
		refused(t, ann, o, abi.CodeInvalidArg)
		refused(t, as("acme", "bob"), with(askedFirst(t, h, ann, r), yes), abi.CodeInvalidArg)
	})
	t.Run("a client that cannot be asked is refused, with what to do", func(t *testing.T) {
		for _, surface := range []string{"mcp", "rest", "cli"} {
			o := r
			o.Client, o.Surface = abi.Client{}, surface
			refused(t, ann, o, abi.CodeConfirmation)
			_, err := h.Call(ann, o, nil)
			if out := host.Outward(err); out.Hint == "" || out.Retryable {
				t.Errorf("%s is told %+v", surface, out)
			}
		}
	})
	t.Run("runs are refused, and there is no way round by another tool", func(t *testing.T) {
		before := ran.Load()
		_, err := h.Start(ann, invoke.Request{Tool: "drop", Input: r.Input, Surface: "rest", RequestID: "one"})
		wantCode(t, err, abi.CodeConfirmation)
		_, err = h.Start(ann, r)
		wantCode(t, err, abi.CodeConfirmation)
		_, err = h.Call(ann, taskRequest("around"), nil)
		wantCode(t, err, abi.CodeConfirmation)
		if ran.Load() != before {
			t.Error("the tool has run")
		}
	})
	t.Run("other tools are not asked for", func(t *testing.T) {
		a, err := h.Call(ann, taskRequest("write"), nil)
		if err != nil || a.Result == nil {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	t.Run("where the tenant does not want it nobody is asked", func(t *testing.T) {
		p.confirm.Store(false)
		defer p.confirm.Store(true)
		o := r
		o.Client = abi.Client{}
		a, err := h.Call(ann, o, nil)
		if err != nil || a.Result == nil {
			t.Errorf("got %+v, %v", a, err)
		}
	})
}

func TestConfirmedToolMayAskToo(t *testing.T) {
	h, _, ran := gated(t)
	ann, r := as("acme", "ann"), taskRequest("drop_asking")
	r.State, r.Answers = askedFirst(t, h, ann, r), yes
	a, err := h.Call(ann, r, nil)
	if err != nil || a.InputRequired == nil || a.InputRequired.Requests["which"].Method == "" {
		t.Fatalf("got %+v, %v; want the tool's own question", a, err)
	}
	r.State, r.Answers = a.InputRequired.State, map[string]json.RawMessage{"which": json.RawMessage(`{"it":1}`)}
	if a, err = h.Call(ann, r, nil); err != nil || a.Result == nil || ran.Load() != 2 {
		t.Fatalf("got %+v, %v", a, err)
	}
	t.Run("and the proof that it was confirmed is good once as well", func(t *testing.T) {
		_, err := h.Call(ann, r, nil)
		wantCode(t, err, abi.CodeInvalidArg)
	})
}

func TestDestructiveTaskIsConfirmedBeforeItBegins(t *testing.T) {
	h, _, ran := gated(t)
	ann, r := as("acme", "ann"), taskRequest("drop_asking")
	_, ask, err := h.StartTask(ann, r)
	if err != nil || ask == nil {
		t.Fatalf("got %v, %v; want the question", ask, err)
	}
	r.State, r.Answers = ask.State, yes
	id := startTask(t, h, ann, r).CallID
	if got := settled(t, h, ann, id); len(got.Questions) != 1 {
		t.Fatalf("it asks %v", got.Questions)
	}
	wantCode(t, h.AnswerTask(ann, id, map[string]json.RawMessage{"1-which": json.RawMessage(`{"it":1}`)}), "")
	var got invoke.Task
	for end := time.Now().Add(10 * time.Second); !got.Status.Ended() && time.Now().Before(end); {
		got = settled(t, h, ann, id)
	}
	if got.Status != invoke.StatusFinished || ran.Load() != 2 {
		t.Errorf("it is %s (%v) after %d runs", got.Status, got.Error, ran.Load())
	}
	t.Run("and not twice with one word", func(t *testing.T) {
		_, _, err := h.StartTask(ann, r)
		wantCode(t, err, abi.CodeInvalidArg)
	})
}

func TestRunThatWaitsMeetsANewPolicy(t *testing.T) {
	p, ran := &policy{}, &atomic.Int64{}
	h := start(t, func(c *invoke.Config) { c.Policy, c.MaxConcurrentPerTenant = p, 1 }, demo(), guarded(ran))
	ann := as("acme", "ann")
	first, err := h.Start(ann, invoke.Request{Tool: "wait"})
	wantCode(t, err, "")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if run, err := h.Run(ann, first.CallID); err == nil && run.Status == invoke.StatusRunning {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the first run does not run")
		}
	}
	second, err := h.Start(ann, invoke.Request{Tool: "drop", RequestID: "r"})
	wantCode(t, err, "")
	p.confirm.Store(true)
	if _, err := h.Cancel(ann, first.CallID); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		run, err := h.Run(ann, second.CallID)
		if err != nil || time.Now().After(end) {
			t.Fatalf("%+v, %v", run, err)
		}
		if run.Status.Ended() {
			if run.Error == nil || run.Error.Code != abi.CodeConfirmation || ran.Load() != 0 {
				t.Errorf("got %v after %d runs", run.Error, ran.Load())
			}
			return
		}
	}
}

func TestTaskIsAnsweredAndEndedAtOnce(t *testing.T) {
	h, ann := start(t, nil, asking()), as("acme", "ann")
	var all sync.WaitGroup
	for range 40 {
		id := startTask(t, h, ann, taskRequest("two")).CallID
		for _, key := range []string{"1-a", "1-b", "2-a", "1-a"} {
			all.Go(func() {
				for range 20 {
					if err := h.AnswerTask(ann, id, map[string]json.RawMessage{key: []byte(`{}`)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() {
			for range 20 {
				task, err := h.Task(ann, id)
				if err != nil || task.Status == invoke.StatusInputRequired && len(task.Questions) == 0 {
					t.Errorf("it is %s with no question, %v", task.Status, err)
				}
			}
			if err := h.CancelTask(ann, id); err != nil {
				t.Error(err)
			}
		})
		defer func() {
			if got := settled(t, h, ann, id); !got.Status.Ended() {
				t.Errorf("it is %s", got.Status)
			}
		}()
	}
	all.Wait()
}

func TestConfirmationIsSpentForGood(t *testing.T) {
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, ran := &policy{}, &atomic.Int64{}
	p.confirm.Store(true)
	strict := func(c *invoke.Config) { c.Policy = p }
	ann, r := as("acme", "ann"), taskRequest("drop")
	before := startOn(t, s, strict, guarded(ran))
	r.State, r.Answers = askedFirst(t, before, ann, r), yes
	if _, err := before.Call(ann, r, nil); err != nil {
		t.Fatal(err)
	}
	before.stop(t)
	after := startOn(t, s, strict, guarded(ran))
	defer after.stop(t)
	_, err = after.Call(ann, r, nil)
	wantCode(t, err, abi.CodeInvalidArg)
	if ran.Load() != 1 {
		t.Errorf("the tool ran %d times", ran.Load())
	}
}

func TestConfirmationEnds(t *testing.T) {
	p, ran := &policy{}, &atomic.Int64{}
	p.confirm.Store(true)
	now := &moving{}
	h := start(t, func(c *invoke.Config) { c.Policy, c.Clock = p, now }, guarded(ran))
	ann, r := as("acme", "ann"), taskRequest("drop")
	r.State, r.Answers = askedFirst(t, h, ann, r), yes
	now.hours.Add(2)
	_, err := h.Call(ann, r, nil)
	wantCode(t, err, abi.CodeInvalidArg)
	if ran.Load() != 0 {
		t.Error("the tool has run")
	}
}
