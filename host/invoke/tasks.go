// Copyright 2026 The Gantry Authors.

package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Task is a run that its client comes back for (SEP-2663), as its owner may see it.
type Task struct {
	Run
	// UpdatedAt is when the status last changed.
	UpdatedAt time.Time
	// Message is the last of its progress, "" where it has told of none.
	Message string
	// Questions are what the task waits for, with StatusInputRequired alone. A key is never used
	// for two questions of one task.
	Questions map[string]abi.InputRequest
	// TTL is how long, from its creation, the task is kept at least.
	TTL time.Duration
}

// StartTask starts a run as a task: it is in the store before StartTask returns, and it may ask its
// client while it runs. Where a question comes before the task, such as that for a person's
// confirmation, there is no task yet and ask is set; the same request with Answers and State goes on
// from there. Otherwise it is as Start.
func (p *Pipeline) StartTask(ctx context.Context, r Request) (task Task, ask *abi.InputRequired, err error) {
	run, ask, err := p.start(ctx, r, true)
	if ask != nil || err != nil {
		return Task{}, ask, err
	}
	return Task{Run: run, UpdatedAt: run.CreatedAt, TTL: p.cfg.RunTTL}, nil, nil
}

func noTask(op, id string) error {
	return host.Errorf(op, abi.CodeNotFound, "there is no task %q here", clip(id)).
		WithHint("a task is kept for a while after its end, for the one who started it; check taskId")
}

// seekTask is seek for tasks alone.
func (p *Pipeline) seekTask(ctx context.Context, op, id string) (who *host.Principal, live *run, rec *record, err error) {
	who, live, rec, err = p.seek(ctx, op, id)
	switch {
	case host.CodeOf(err) == abi.CodeNotFound:
		err = noTask(op, id)
	case err == nil && !ownerAndKind(live, rec).Task:
		err = noTask(op, id)
	}
	return who, live, rec, err
}

// Task tells where a task stands. Rights are as for Run; a run that is no task is CodeNotFound.
func (p *Pipeline) Task(ctx context.Context, id string) (Task, error) {
	who, live, rec, err := p.seekTask(ctx, "invoke.Task", id)
	if err != nil {
		return Task{}, err
	}
	t := Task{TTL: p.cfg.RunTTL}
	if live == nil {
		s, err := p.unpack(ctx, who.Tenant, rec)
		t.Run, t.UpdatedAt, t.Message = rec.Run, rec.EndedAt, s.message()
		return t, err
	}
	live.mu.Lock()
	defer live.mu.Unlock()
	t.Run, t.UpdatedAt, t.Message = live.rec.Run, live.updated, live.log.message()
	if t.Status == StatusInputRequired {
		t.Questions = maps.Clone(live.waiting.open)
	}
	return t, nil
}

// AnswerTask gives a task what it waits for, by the keys of its questions. It goes on when it has
// all; what it does not wait for, any more or at all, is ignored. Only the owner may answer: an
// administrator sees the task but is not the person it asks.
func (p *Pipeline) AnswerTask(ctx context.Context, id string, answers map[string]json.RawMessage) error {
	const op = "invoke.AnswerTask"
	who, live, rec, err := p.seekTask(ctx, op, id)
	switch {
	case err != nil:
		return err
	case ownerAndKind(live, rec).Owner != ownerOf(who):
		return noTask(op, id)
	case live == nil:
		return nil
	}
	live.mu.Lock()
	defer live.mu.Unlock()
	if live.waiting == nil || live.decided {
		return nil
	}
	if err := live.waiting.take(answers); err != nil {
		return err
	}
	live.updated = p.now()
	if len(live.waiting.open) == 0 {
		live.rec.Status = StatusPending
	}
	return nil
}

// CancelTask ends a task, as Cancel ends a run.
func (p *Pipeline) CancelTask(ctx context.Context, id string) error {
	const op = "invoke.CancelTask"
	if _, _, _, err := p.seekTask(ctx, op, id); err != nil {
		return err
	}
	_, err := p.Cancel(ctx, id)
	return err
}

// maxRounds bounds how often a task may ask.
const maxRounds = 10

// converse calls the tool until it asks nothing more. A run that is no task has nobody to ask.
func (p *Pipeline) converse(ctx context.Context, who *host.Principal, r *run, a attempt) (*Answer, error) {
	const op = "invoke.run"
	for round := 1; ; round++ {
		answer, err := p.perform(ctx, who, r, a)
		switch {
		case err != nil || answer.InputRequired == nil:
			return answer, err
		case !r.rec.Task:
			return nil, host.Errorf(op, abi.CodeClientCapability, "the tool %s asks its caller something, which a run cannot answer", a.request.Tool).
				WithHint("call it over MCP")
		case round > maxRounds:
			return nil, host.Errorf(op, abi.CodeLimit, "%s asked its client %d times; that is the limit", a.request.Tool, maxRounds)
		}
		next := *a.cleared
		next.state = answer.InputRequired.State
		if next.answers, err = p.park(ctx, r, newWaiting(answer.InputRequired, round)); err != nil {
			return nil, err
		}
		a.cleared = &next
	}
}

// park lets a task wait for its answers. It takes none of the tenant's places meanwhile.
func (p *Pipeline) park(ctx context.Context, r *run, w *waiting) (map[string]json.RawMessage, error) {
	r.await(w, p.now())
	defer func() { r.await(nil, p.now()) }()
	if p.draining.Load() {
		return nil, errInterrupted()
	}
	late := time.NewTimer(p.cfg.StateTTL)
	defer late.Stop()
	select {
	case <-w.complete:
		return w.answers, nil
	case <-late.C:
		return nil, host.Errorf("invoke.run", abi.CodeDeadline, "nobody answered the task's questions within %s", p.cfg.StateTTL)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// await sets what the run waits for, nil for nothing any more. Its status says that it waits as long
// as a question is open, and not longer.
func (r *run) await(w *waiting, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = w
	switch {
	case r.decided:
	case w != nil && len(w.open) > 0:
		r.rec.Status, r.updated = StatusInputRequired, now
	case r.rec.Status == StatusInputRequired:
		r.rec.Status, r.updated = StatusPending, now
	}
}

// interruptWaiting ends the tasks that wait for answers: a host that stops would wait with them.
func (p *Pipeline) interruptWaiting() {
	for _, r := range p.runs.choose(func(_ runID, r *run) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.waiting != nil
	}) {
		p.stop(r, errInterrupted())
	}
}

// waiting is what a task has asked; the run's mutex guards it.
type waiting struct {
	open     map[string]abi.InputRequest // by the keys that its client knows
	own      map[string]string           // the tool's key for each of those
	answers  map[string]json.RawMessage  // by the tool's keys
	complete chan struct{}
}

// newWaiting gives each question a key that no other round of the task has.
func newWaiting(ask *abi.InputRequired, round int) *waiting {
	w := &waiting{open: map[string]abi.InputRequest{}, own: map[string]string{},
		answers: map[string]json.RawMessage{}, complete: make(chan struct{})}
	for key, q := range ask.Requests {
		told := fmt.Sprintf("%d-%s", round, key)
		w.open[told], w.own[told] = q, key
	}
	if len(w.open) == 0 {
		close(w.complete)
	}
	return w
}

// take keeps the answers to what is open, all or, where one is no object, none.
func (w *waiting) take(answers map[string]json.RawMessage) error {
	for key, a := range answers {
		if _, open := w.open[key]; open && !bytes.HasPrefix(bytes.TrimSpace(a), []byte("{")) {
			return host.Errorf("invoke.AnswerTask", abi.CodeInvalidArg, "inputResponses[%q] has to be an object, the result of the request", clip(key))
		}
	}
	before := len(w.open)
	for key, a := range answers {
		if _, open := w.open[key]; open {
			w.answers[w.own[key]] = a
			delete(w.open, key)
		}
	}
	if before > 0 && len(w.open) == 0 {
		close(w.complete)
	}
	return nil
}

// message is the last progress that had words.
func (s *script) message() string {
	for i := len(s.Progress) - 1; i >= 0; i-- {
		if m := s.Progress[i].Message; m != "" {
			return m
		}
	}
	return ""
}

func (l *eventLog) message() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.script.message()
}
