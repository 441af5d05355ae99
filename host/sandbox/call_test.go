// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestCallOfAGoGuest(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{})
	for _, tc := range []struct {
		name  string
		tool  int
		input string
		want  string
	}{
		{"echo answers its input", toolEcho, `{"a":1}`, `{"a":1}`},
		{"input longer than the guest's first buffer arrives whole", toolEcho, strings.Repeat("x", 100_000), strings.Repeat("x", 100_000)},
		{"there are no files and no environment, and the name is the only argument", toolFiles, "", "true guest 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := callTool(t.Context(), g, tc.tool, tc.input, nil)
			if err != nil || got != tc.want {
				t.Errorf("got %.50q, %v; want %.50q", got, err, tc.want)
			}
		})
	}
	t.Run("the clock is the real one", func(t *testing.T) {
		got, err := callTool(t.Context(), g, toolClock, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if sec, err := strconv.ParseInt(got, 10, 64); err != nil || time.Since(time.Unix(sec, 0)).Abs() > time.Hour {
			t.Errorf("the guest says %q", got)
		}
	})
	t.Run("log, stdout and stderr are lines of the plugin's log", func(t *testing.T) {
		var b border
		if _, err := callTool(t.Context(), g, toolTalk, "", &b); err != nil {
			t.Fatal(err)
		}
		want := []string{"8 a line", "0 to stdout", "0 and on", "4 to stderr"}
		if !slices.Equal(b.lines, want) {
			t.Errorf("got %q, want %q", b.lines, want)
		}
	})
	t.Run("events arrive in order", func(t *testing.T) {
		var b border
		if _, err := callTool(t.Context(), g, toolEmit, "abc", &b); err != nil {
			t.Fatal(err)
		}
		if want := []string{"0 abc", "0 abc", "0 abc"}; !slices.Equal(b.events, want) {
			t.Errorf("got %q, want %q", b.events, want)
		}
	})
	t.Run("usage counts", func(t *testing.T) {
		b := &border{op: func(context.Context, string, []byte) ([]byte, error) { return nil, nil }}
		_, u, err := g.Call(t.Context(), &host.GuestCall{Index: toolOp, Tenant: "a", Input: []byte("x y"), Border: b})
		if err != nil || u.Ops != 1 || u.Wall <= 0 || u.PeakBytes < pageBytes {
			t.Errorf("got %+v, %v", u, err)
		}
	})
}

func TestAnAnswerIsWrittenWhereThereIsRoom(t *testing.T) {
	g := load(t, newEngine(t, Config{}), echo().bytes(), host.Limits{})
	room := make([]byte, 0, 100)
	for n, inside := range map[int]bool{0: true, 1: true, 100: true, 101: false, 16 << 10: false} {
		input := bytes.Repeat([]byte{byte(n) | 1}, n)
		out, _, err := g.Call(t.Context(), &host.GuestCall{Input: input, Border: &border{}, Room: room})
		if err != nil || !bytes.Equal(out.Data, input) {
			t.Fatalf("%d bytes: %d came back: %v", n, len(out.Data), err)
		}
		if got := unsafe.SliceData(out.Data) == unsafe.SliceData(room); got != inside {
			t.Errorf("%d bytes: written to the room: %v", n, got)
		}
	}
}

func TestOps(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{Ops: 3})
	t.Run("a response comes back", func(t *testing.T) {
		b := &border{op: func(_ context.Context, name string, req []byte) ([]byte, error) {
			return []byte(name + "!" + string(req)), nil
		}}
		got, err := callTool(t.Context(), g, toolOp, "kv.get some request", b)
		if err != nil || got != "kv.get!some request" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("an error is told to the guest with code and hint, and the call goes on", func(t *testing.T) {
		b := &border{op: func(context.Context, string, []byte) ([]byte, error) {
			return nil, host.Errorf("x", abi.CodeForbidden, "not granted").WithHint("grant it")
		}}
		_, err := callTool(t.Context(), g, toolOp, "fetch {}", b)
		var told *abi.Error
		if !errors.As(err, &told) || told.Code != abi.CodeForbidden || told.Message != "not granted" || told.Hint != "grant it" {
			t.Errorf("got %#v", err)
		}
	})
	t.Run("a stranger's error stays inside", func(t *testing.T) {
		b := &border{op: func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("secret path") }}
		_, err := callTool(t.Context(), g, toolOp, "fetch {}", b)
		wantCode(t, err, abi.CodeInternal)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the guest was told %q", err)
		}
	})
	t.Run("a panic of the host ends the call as INTERNAL and not the process", func(t *testing.T) {
		b := &border{op: func(context.Context, string, []byte) ([]byte, error) { panic("boom") }}
		_, err := callTool(t.Context(), g, toolOp, "fetch {}", b)
		wantCode(t, err, abi.CodeInternal)
	})
	t.Run("a sleeping operation ends with the caller", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &border{op: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		_, err := callTool(ctx, g, toolOp, "fetch {}", b)
		wantCode(t, err, abi.CodeCancelled)
	})
	t.Run("a sleeping operation ends at the deadline", func(t *testing.T) {
		b := &border{op: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		_, _, err := g.Call(t.Context(), &host.GuestCall{Index: toolOp, Input: []byte("x"), Border: b, Limits: host.Limits{Wall: 20 * time.Millisecond}})
		wantCode(t, err, abi.CodeDeadline)
	})
	t.Run("the operation's context carries the caller's values and the call's deadline", func(t *testing.T) {
		type key struct{}
		b := &border{op: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			if _, ok := ctx.Deadline(); !ok || ctx.Value(key{}) != "v" {
				return nil, errors.New("no")
			}
			return nil, nil
		}}
		if _, err := callTool(context.WithValue(t.Context(), key{}, "v"), g, toolOp, "x", b); err != nil {
			t.Error(err)
		}
	})
	t.Run("operations beyond the limit end the call", func(t *testing.T) {
		a := load(t, g.engine, tool(i32c(0), i32c(0), i32c(0), i32c(0), call(fnOp), drop,
			i32c(0), i32c(0), i32c(0), i32c(0), call(fnOp), drop, i32c(2)).bytes(), host.Limits{Ops: 1})
		_, err := callTool(t.Context(), a, 0, "", nil)
		wantCode(t, err, abi.CodeLimit)
		if !strings.Contains(host.Outward(err).Hint, "limits: ops: in guest.yaml") {
			t.Errorf("hint %q", host.Outward(err).Hint)
		}
	})
}

func TestHowCallsEnd(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{})
	for _, tc := range []struct {
		name  string
		tool  int
		input string
		code  abi.Code
		text  string
	}{
		{"a Go panic says its message", toolPanic, "12", abi.CodeTrap, "index out of range [2] with length 0"},
		{"an exit says its code", toolExit, "", abi.CodeTrap, "exit_code(3)"},
		{"the plugin's own error comes through", toolFail, `{"code":"OPENAI_ERROR","message":"no"}`, "OPENAI_ERROR", "no"},
		{"an error that is no JSON breaks the contract", toolFail, "oops", abi.CodeContract, "not the JSON"},
		{"an error with a bad code breaks the contract", toolFail, `{"code":"a b"}`, abi.CodeContract, `"a b"`},
		{"an empty structured answer breaks the contract", toolSilent, "", abi.CodeContract, "set no output"},
		{"an unknown kind breaks the contract", toolStrange, "", abi.CodeContract, "77"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := callTool(t.Context(), g, tc.tool, tc.input, nil)
			wantCode(t, err, tc.code)
			if !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %q, want %q in it", err, tc.text)
			}
			if tc.code != abi.CodeTrap {
				return
			}
			if err := errors.Unwrap(err); err == nil {
				t.Error("the cause for the log is missing")
			}
		})
	}
	t.Run("after all that it still serves", func(t *testing.T) {
		if got, err := callTool(t.Context(), g, toolEcho, "x", nil); got != "x" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestInterruption(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{})
	for name, tool := range map[string]int{"a loop": toolLoop, "a sleep": toolSleep} {
		t.Run(name+" ends at the wall limit", func(t *testing.T) {
			_, _, err := g.Call(t.Context(), &host.GuestCall{Index: tool, Border: &border{}, Limits: host.Limits{Wall: 30 * time.Millisecond}})
			wantCode(t, err, abi.CodeDeadline)
			if out := host.Outward(err); !strings.Contains(out.Message, "30ms") || !strings.Contains(out.Hint, "limits: wall:") {
				t.Errorf("got %+v", out)
			}
		})
		t.Run(name+" ends at the caller's deadline", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			_, err := callTool(ctx, g, tool, "", nil)
			wantCode(t, err, abi.CodeDeadline)
		})
		t.Run(name+" ends when the caller gives up", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
			_, err := callTool(ctx, g, tool, "", nil)
			wantCode(t, err, abi.CodeCancelled)
		})
	}
	t.Run("an interrupted instance is put back", func(t *testing.T) {
		if s := g.stats(); s.Instances != 1 || s.Idle != 1 {
			t.Errorf("got %+v, want one instance, and idle", s)
		}
	})
	t.Run("a caller that has given up before is refused", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := callTool(ctx, g, toolEcho, "", nil)
		wantCode(t, err, abi.CodeCancelled)
	})
}

func TestLimits(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{MemoryBytes: 24 << 20, OutputBytes: 1000, InputBytes: 2000, Events: 5})
	for _, tc := range []struct {
		name, input, field, text string
		tool                     int
	}{
		{"arguments over the limit are refused", strings.Repeat("x", 2001), "input", "2001 bytes", toolEcho},
		{"an answer over the limit ends the call", strings.Repeat("x", 1001), "output", "1001 bytes", toolEcho},
		{"an event over the limit ends the call", strings.Repeat("x", 1001), "output", "an event of 1001 bytes", toolEmit},
		{"too many events end the call", "123456", "events", "too many events", toolEmit},
		{"memory over the limit ends the call", "", "memory", "24 MiB", toolHoard},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := callTool(t.Context(), g, tc.tool, tc.input, nil)
			wantCode(t, err, abi.CodeLimit)
			out := host.Outward(err)
			if !strings.Contains(out.Message, tc.text) || out.Hint != "raise limits: "+tc.field+": in guest.yaml" {
				t.Errorf("got %q, hint %q", out.Message, out.Hint)
			}
		})
	}
	t.Run("exactly at the limit is allowed", func(t *testing.T) {
		in := strings.Repeat("x", 1000)
		if got, err := callTool(t.Context(), g, toolEcho, in, nil); err != nil || got != in {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
	t.Run("the memory budget of the host ends the call as BUSY", func(t *testing.T) {
		g := loadGo(t, Config{MemoryBudget: 24 << 20}, host.Limits{MemoryBytes: 64 << 20})
		_, err := callTool(t.Context(), g, toolHoard, "", nil)
		wantCode(t, err, abi.CodeBusy)
	})
	t.Run("idle instances of other plugins make room in the budget", func(t *testing.T) {
		e := newEngine(t, Config{MemoryBudget: 3 * pageBytes})
		body := tool(i32c(2))
		body.memory = [2]int{2, -1}
		a := load(t, e, body.bytes(), host.Limits{})
		body.data += " "
		b := load(t, e, body.bytes(), host.Limits{})
		for _, g := range []*guest{a, b, a, b} {
			if _, err := callTool(t.Context(), g, 0, "", nil); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("negative limits are refused", func(t *testing.T) {
		_, err := New(Config{Defaults: host.Limits{Wall: -1}})
		wantCode(t, err, abi.CodeInvalidArg)
	})
	t.Run("an event that the border refuses ends the call with its error", func(t *testing.T) {
		b := &border{emit: func() error { return host.Errorf("x", abi.CodeConflict, "gone") }}
		_, err := callTool(t.Context(), g, toolEmit, "a", b)
		wantCode(t, err, abi.CodeConflict)
	})
}
