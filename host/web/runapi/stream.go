// Copyright 2026 The Gantry Authors.

package runapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/web"
)

// The data of the events. Text is there also when it is empty: clients read it from each.
type (
	partialData struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	progressData struct {
		Type string `json:"type"`
		abi.Progress
	}
	finalData struct {
		Type string `json:"type"`
		Text string `json:"text"`
		// Structured is the tool's structured result, Content its blocks where they are more than
		// the text.
		Structured json.RawMessage `json:"structured,omitempty"`
		Content    []abi.Content   `json:"content,omitempty"`
		IsError    bool            `json:"is_error,omitempty"`
	}
	errorData struct {
		Type      string          `json:"type,omitempty"`
		Code      string          `json:"code"`
		Status    int             `json:"status,omitempty"`
		Message   string          `json:"message"`
		Retryable bool            `json:"retryable"`
		Hint      string          `json:"hint,omitempty"`
		Details   json.RawMessage `json:"details,omitempty"`
	}
	closedData struct {
		Type        string `json:"type"`
		Reason      string `json:"reason"`
		Message     string `json:"message"`
		LastEventID string `json:"last_event_id"`
	}
)

func errorOf(e *abi.Error) *errorData {
	if e == nil {
		return nil
	}
	row := eventRow(e.Code)
	return &errorData{Code: row.Code, Status: row.Status, Message: e.Message, Retryable: e.Retryable, Hint: e.Hint, Details: e.Details}
}

// stream answers with the events of a run. One that has ended and has nothing new for the caller is
// 204: it keeps a browser's EventSource from asking again for ever.
func (a *api) stream(c *web.Ctx) error {
	id, err := callID(c)
	if err != nil {
		return err
	}
	after, err := lastEventID(c)
	if err != nil {
		return err
	}
	events, err := a.Pipeline.Events(c.Context(), id, after)
	if err != nil {
		return callError(id, err)
	}
	p := &pump{events: events, last: after, limit: a.StreamLimit}
	whole, err := p.gather(c.Context(), a.over)
	switch {
	case err != nil:
		events.Close()
		return err
	case !whole:
		return web.Stream(c, web.StreamOptions{Limit: a.StreamLimit, Done: events.Close}, p.run)
	}
	events.Close()
	return p.answer(c)
}

// lastEventID is where to begin: the header, which wins, or the query parameter.
func lastEventID(c *web.Ctx) (uint64, error) {
	field, v := "Last-Event-ID", c.Header("Last-Event-ID")
	if v == "" {
		field, v = "last_event_id", c.Query("last_event_id")
	}
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil {
		return 0, host.Errorf("runapi.stream", abi.CodeInvalidArg, "%s: has to be the id of an event of this call, a number", field)
	}
	return n, nil
}

// pump carries events from the pipeline to one client.
type pump struct {
	events invoke.Stream
	ready  []invoke.Event // read, and not yet sent
	size   int            // of what was read for gather
	last   uint64
	limit  time.Duration
}

// The bounds of what gather reads: what a run says within so long, in so many events, with so much text.
const (
	gatherTime   = 5 * time.Millisecond
	gatherEvents = 64
	gatherText   = 64 << 10
)

// gather reads what the run has said and is about to say. It is whole where that is all: most runs
// have ended when their stream is asked for, and an answer at once costs half of a stream. What is there
// already is read with a context that is over, which needs no timer.
func (p *pump) gather(ctx, over context.Context) (whole bool, err error) {
	if whole, err := p.collect(over); whole || err != nil {
		return whole, err
	}
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	return p.collect(ctx)
}

// collect reads until the bounds of gather, the end of ctx or that of the events, and tells whether it
// was the last.
func (p *pump) collect(ctx context.Context) (whole bool, err error) {
	for p.size < gatherText && len(p.ready) < gatherEvents {
		ev, err := p.events.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil && ctx.Err() != nil:
			return false, nil // there is more to come
		case err != nil:
			return false, err
		}
		p.ready = append(p.ready, ev)
		if isLast(&ev) {
			return true, nil
		}
		p.size += len(ev.Text)
	}
	return false, nil
}

func isLast(ev *invoke.Event) bool {
	return ev.Type == invoke.EventFinal || ev.Type == invoke.EventError
}

// answer sends a stream that is wholly there.
func (p *pump) answer(c *web.Ctx) error {
	if len(p.ready) == 0 {
		c.NoContent()
		return nil
	}
	out := make([]web.Event, 0, len(p.ready))
	for i := range p.ready {
		ev, ok, err := frame(&p.ready[i])
		if err != nil {
			return err
		}
		if ok {
			out = append(out, ev)
		}
	}
	web.Events(c, out)
	return nil
}

func (p *pump) run(w *web.EventWriter) error {
	for {
		ev, err := p.next(w.Context())
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case w.Context().Err() != nil:
			return p.sayClosed(w)
		case err != nil:
			return err
		}
		p.last = ev.Seq
		out, ok, err := frame(&ev)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := w.Send(out); err != nil {
			return nil //nolint:nilerr // the client is gone, which is its right
		}
		if isLast(&ev) {
			return nil
		}
	}
}

func (p *pump) next(ctx context.Context) (invoke.Event, error) {
	if len(p.ready) > 0 {
		ev := p.ready[0]
		p.ready = p.ready[1:]
		return ev, nil
	}
	return p.events.Next(ctx)
}

// frame is an event as it is sent; false for one that this surface does not tell.
func frame(ev *invoke.Event) (web.Event, bool, error) {
	name, data := wordEvent(ev)
	var line []byte
	var err error
	switch d := data.(type) {
	case nil:
		return web.Event{}, false, nil
	case *finalData:
		line, err = d.line()
	default:
		line, err = marshal(data)
	}
	return web.Event{ID: strconv.FormatUint(ev.Seq, 10), Type: name, Data: line}, true, err
}

// sayClosed tells why the stream ends before the run.
func (p *pump) sayClosed(w *web.EventWriter) error {
	last := strconv.FormatUint(p.last, 10)
	d := closedData{Type: "closed", LastEventID: last}
	switch context.Cause(w.Context()) {
	case web.ErrStreamLimit:
		d.Reason = "stream_limit"
		d.Message = fmt.Sprintf("a stream stays open for %s; the call goes on: open another with Last-Event-ID %s", p.limit, last)
	case web.ErrStopping:
		d.Reason = "host_stopping"
		d.Message = "the host is stopping; open another stream with Last-Event-ID " + last + " when it is back"
	default:
		return nil // the client has left
	}
	line, err := marshal(d)
	if err != nil {
		return err
	}
	_ = w.Send(web.Event{Type: "closed", Data: line}) // the client may leave meanwhile
	return nil
}

// wordEvent is an event in this surface's words; nil for one it does not tell.
func wordEvent(ev *invoke.Event) (string, any) {
	switch ev.Type {
	case invoke.EventPartial:
		return "partial", partialData{"partial", ev.Text}
	case invoke.EventProgress:
		if ev.Progress == nil {
			return "", nil
		}
		return "progress", progressData{"progress", *ev.Progress}
	case invoke.EventFinal:
		return "final", finalOf(ev)
	case invoke.EventError:
		e := ev.Error
		if e == nil {
			e = host.Outward(host.Errorf("runapi.stream", abi.CodeInternal, "an error event without an error"))
		}
		d := errorOf(e)
		d.Type = "error"
		if e.Code == abi.CodeCancelled {
			d.Type, d.Status = "cancelled", 0
		}
		return d.Type, d
	}
	return "", nil
}

func finalOf(ev *invoke.Event) *finalData {
	d := &finalData{Type: "final", Text: ev.Text}
	if r := ev.Result; r != nil {
		d.Structured, d.IsError = r.Structured, r.IsError
		if len(r.Content) > 1 || len(r.Content) == 1 && r.Content[0].Type != abi.ContentText {
			d.Content = r.Content
		}
	}
	return d
}

// marshal writes JSON on one line, as the reader of a data line needs it.
func marshal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, host.E("runapi.marshal", abi.CodeInternal, err)
	}
	return data, nil
}
