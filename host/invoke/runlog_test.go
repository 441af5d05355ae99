// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// elsewhere is a pipeline that has only what the store of h has.
func elsewhere(t *testing.T, h *harness, plugins ...*plugin) *harness {
	t.Helper()
	if err := h.log.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	other := startOn(t, h.store, nil, plugins...)
	t.Cleanup(func() { other.stop(t) })
	return other
}

func TestARunWithoutARequestIDIsKeptWhole(t *testing.T) {
	big := strings.Repeat("äöü\n\"", 1<<15)
	p := demo()
	p.tool(abi.Tool{Name: "big"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		_ = c.Border.Emit(ctx, abi.EventPartial, []byte("begins"))
		return text(big)
	})
	p.tool(abi.Tool{Name: "blocks"}, func(context.Context, *host.GuestCall) (host.Output, error) {
		return host.Output{Kind: abi.OutputResult, Data: []byte(`{"content":[{"type":"text","text":"a"},{"type":"image","data":"AAE=","mime_type":"image/png"}],"structured":{"a": 1}}`)}, nil
	})
	h := start(t, nil, p)
	ctx := as("acme", "ann")
	for tool, input := range map[string]string{"echo": `{"text":"hi <you> é"}`, "stream": `{"N":20}`, "fail": `{}`, "blocks": `{}`, "big": `{}`} {
		t.Run(tool, func(t *testing.T) {
			id := begin(t, h, ctx, invoke.Request{Tool: tool, Input: json.RawMessage(input), SessionID: "s", Metadata: json.RawMessage(`{"m": 1}`)}).CallID
			if id[14] != '7' {
				t.Errorf("its id is %s, which does not begin with its time", id)
			}
			told := read(t, h, ctx, id, 0)
			want := ended(t, h, ctx, id)
			other := elsewhere(t, h, p)
			got := ended(t, other, ctx, id)
			if words1, words2 := jsonOf(t, got), jsonOf(t, want); words1 != words2 {
				t.Errorf("kept: %.300s\nwant: %.300s", words1, words2)
			}
			if kept := read(t, other, ctx, id, 0); fmt.Sprint(words(kept)) != fmt.Sprint(words(told)) {
				t.Errorf("%d events are kept, %d were told", len(kept), len(told))
			}
			if after := read(t, other, ctx, id, uint64(len(told)-1)); len(after) != 1 || jsonOf(t, after[0]) != jsonOf(t, told[len(told)-1]) {
				t.Errorf("after all but one: %v", words(after))
			}
			for who, stranger := range map[string]context.Context{"another user": as("acme", "bob"), "another tenant": as("other", "ann")} {
				_, err := other.Run(stranger, id)
				if host.CodeOf(err) != abi.CodeNotFound {
					t.Errorf("%s sees it: %v", who, err)
				}
			}
		})
	}
	t.Run("an id that nobody gave", func(t *testing.T) {
		_, err := h.Run(ctx, "01234567-0123-7123-8123-0123456789ab")
		wantCode(t, err, abi.CodeNotFound)
		_, err = h.Run(ctx, "xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx")
		wantCode(t, err, abi.CodeNotFound)
	})
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// fullLog is a log that takes nothing while full is set.
type fullLog struct {
	invoke.RunLog
	full atomic.Bool
}

func (l *fullLog) Begin(t host.TenantID, id string, run []byte) error {
	if l.full.Load() {
		return host.Errorf("fullLog.Begin", abi.CodeUnavailable, "the disk is full")
	}
	return l.RunLog.Begin(t, id, run)
}

func (l *fullLog) End(t host.TenantID, id string, run []byte) error {
	if l.full.Load() {
		return host.Errorf("fullLog.End", abi.CodeUnavailable, "the disk is full")
	}
	return l.RunLog.End(t, id, run)
}

func TestALogThatTakesNothing(t *testing.T) {
	var n atomic.Int64
	inside, leave := make(chan struct{}), make(chan struct{})
	p := (&plugin{manifest: abi.Manifest{Name: "count"}}).tool(abi.Tool{Name: "count"}, counted(&n, echo))
	p.tool(abi.Tool{Name: "slow"}, func(context.Context, *host.GuestCall) (host.Output, error) {
		close(inside)
		<-leave
		return text("slow")
	})
	full := &fullLog{}
	h := start(t, func(c *invoke.Config) { full.RunLog = c.Log; c.Log = full; c.MaxRunsPerTenant = 2 }, p)
	ctx := as("acme", "ann")
	slow := begin(t, h, ctx, invoke.Request{Tool: "slow"}).CallID
	<-inside
	full.full.Store(true)
	t.Run("lets no run begin, and keeps no place for it", func(t *testing.T) {
		for range 3 {
			_, err := h.Start(ctx, invoke.Request{Tool: "count"})
			wantCode(t, err, abi.CodeUnavailable)
		}
		if n.Load() != 0 {
			t.Error("it was executed")
		}
	})
	t.Run("is no reason to keep a run's end from its caller", func(t *testing.T) {
		close(leave)
		if events := read(t, h, ctx, slow, 0); len(events) != 1 || events[0].Text != "slow" {
			t.Errorf("got %v", words(events))
		}
	})
	t.Run("lets runs begin when it takes them again", func(t *testing.T) {
		full.full.Store(false)
		if r := ended(t, h, ctx, begin(t, h, ctx, invoke.Request{Tool: "count"}).CallID); r.Status != invoke.StatusFinished {
			t.Errorf("got %+v", r)
		}
	})
}

func TestRunsOfTheLogThatWereUnderWay(t *testing.T) {
	// A second pipeline on the log of the first, which still runs, is a host after a kill.
	h := start(t, nil, demo())
	ctx := as("acme", "ann")
	asked := begin(t, h, ctx, invoke.Request{Tool: "wait"}).CallID
	unasked := begin(t, h, ctx, invoke.Request{Tool: "wait"}).CallID
	next := startOn(t, h.store, func(c *invoke.Config) { c.Log = h.log }, demo())
	defer next.stop(t)
	r := ended(t, next, ctx, asked)
	if r.Status != invoke.StatusError || r.Error.Code != abi.CodeInterrupted || r.EndedAt.IsZero() {
		t.Errorf("got %+v", r)
	}
	if n, err := next.Recover(context.Background()); n != 1 || err != nil {
		t.Errorf("Recover found %d, %v; want the one that nobody asked for", n, err)
	}
	events := read(t, next, ctx, unasked, 0)
	if len(events) != 1 || events[0].Type != invoke.EventError || events[0].Error.Code != abi.CodeInterrupted {
		t.Errorf("got %v", words(events))
	}
	if again := ended(t, next, ctx, asked); !again.EndedAt.Equal(r.EndedAt) {
		t.Errorf("it ended at %s, and then at %s", r.EndedAt, again.EndedAt)
	}
	if n, err := next.Recover(context.Background()); n != 0 || err != nil {
		t.Errorf("Recover found %d again, %v", n, err)
	}
}
