// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestWhatWasRefusedIsNotRunAgainAtOnce(t *testing.T) {
	e := newEngine(t, Config{})
	m := tool(i32c(2))
	m.data = `{"abi":1,"name":"asm","tools":[{"name":""}]}`
	wasm := m.bytes()
	art := Artifact{Name: "asm", Digest: digestOf(wasm), Wasm: wasm}
	refused := func(lim host.Limits, compiles int64, hint bool) {
		t.Helper()
		art.Limits = lim
		_, _, err := e.Load(t.Context(), art)
		wantCode(t, err, abi.CodeContract)
		out := host.Outward(err)
		if got := strings.Contains(out.Hint, "refused a moment ago"); got != hint {
			t.Errorf("got the hint %q", out.Hint)
		}
		if got := e.Stats().Totals.Compiles; got != compiles {
			t.Errorf("it was compiled %d times, want %d", got, compiles)
		}
	}
	refused(host.Limits{}, 1, false)
	refused(host.Limits{}, 1, true)
	refused(host.Limits{Wall: time.Minute - 1}, 2, false) // under other limits it may be let in
	refused(host.Limits{}, 2, true)
}

func TestRefusals(t *testing.T) {
	now := time.Now()
	as := func(i int) refusedAs { return refusedAs{digest: fmt.Sprint(i)} }
	t.Run("are forgotten after a moment", func(t *testing.T) {
		var r refusals
		r.note(as(1), host.Errorf("test", abi.CodeLimit, "too much").WithHint("less"), now)
		if err := r.get(as(1), now.Add(refusedFor-1)); host.CodeOf(err) != abi.CodeLimit || !strings.HasPrefix(host.Outward(err).Hint, "less; ") {
			t.Errorf("got %v", err)
		}
		if err := r.get(as(1), now.Add(refusedFor)); err != nil {
			t.Errorf("got %v", err)
		}
		if err := r.get(as(2), now); err != nil {
			t.Errorf("another module got %v", err)
		}
	})
	t.Run("do not keep what the host may be to blame for", func(t *testing.T) {
		var r refusals
		for _, err := range []error{host.Errorf("test", abi.CodeBusy, "full"), host.Errorf("test", abi.CodeTrap, "crash"), t.Context().Err(), fmt.Errorf("disk")} {
			if r.note(as(1), err, now); r.get(as(1), now) != nil {
				t.Errorf("%v was remembered", err)
			}
		}
	})
	t.Run("are not more than there is room for", func(t *testing.T) {
		var r refusals
		for i := range 3 * maxRefused {
			r.note(as(i), host.Errorf("test", abi.CodeLimit, "too much"), now)
			if len(r.said) > maxRefused || r.get(as(i), now) == nil {
				t.Fatalf("%d are remembered", len(r.said))
			}
		}
	})
}
