// Copyright 2026 The Gantry Authors.

package runner

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestLimits(t *testing.T) {
	t.Run("what no call can keep to is refused by its name", func(t *testing.T) {
		for field, l := range map[string]host.Limits{
			"wall": {Wall: -1}, "memory": {MemoryBytes: -1}, "output": {OutputBytes: -1}, "input": {InputBytes: -1},
			"ops": {Ops: -1}, "events": {Events: -1}, "concurrency": {Concurrency: -1},
			"between 64 KiB": {MemoryBytes: 1000}, "and 4 GiB": {MemoryBytes: 5 << 30},
		} {
			if err := CheckLimits("test", l); host.CodeOf(err) != abi.CodeInvalidArg || !strings.Contains(err.Error(), field) {
				t.Errorf("%+v: got %v, want %s", l, err, field)
			}
		}
	})
	t.Run("nothing and the most are taken", func(t *testing.T) {
		for _, l := range []host.Limits{{}, {MemoryBytes: 64 << 10, Fuel: 1}, {MemoryBytes: 4 << 30, Wall: time.Hour}} {
			if err := CheckLimits("test", l); err != nil {
				t.Errorf("%+v: %v", l, err)
			}
		}
	})
	t.Run("zero is the default, and memory is whole pages", func(t *testing.T) {
		d := host.Limits{Wall: 1, Fuel: 2, MemoryBytes: 3 * PageBytes, OutputBytes: 4, InputBytes: 5, Ops: 6, Events: 7, Concurrency: 8, EgressBytes: 9}
		if got := FillLimits(host.Limits{}, d); got != d {
			t.Errorf("got %+v", got)
		}
		own := host.Limits{Wall: 11, Fuel: 12, MemoryBytes: 13 * PageBytes, OutputBytes: 14, InputBytes: 15, Ops: 16, Events: 17, Concurrency: 18, EgressBytes: 19}
		want := own
		own.MemoryBytes += PageBytes - 1
		if got := FillLimits(own, d); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("sizes are told in the largest unit that is exact", func(t *testing.T) {
		for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1 KiB", 1025: "1025 bytes", 3 << 20: "3 MiB", 3<<20 + 1024: "3073 KiB"} {
			if got := Size(n); got != want {
				t.Errorf("%d: got %s, want %s", n, got, want)
			}
		}
	})
}

func TestBudget(t *testing.T) {
	t.Run("takes up to its limit and gives back", func(t *testing.T) {
		b := Budget{Limit: 100}
		if !b.Take(60) || !b.Take(40) || b.Take(1) || b.Used() != 100 {
			t.Fatalf("%d are used", b.Used())
		}
		b.Give(100)
		if b.Used() != 0 || b.Take(101) || b.Used() != 0 {
			t.Errorf("%d are used", b.Used())
		}
	})
	t.Run("reclaims as often as it helps", func(t *testing.T) {
		b, idle := Budget{Limit: 100}, 3
		b.Reclaim = func() bool {
			if idle == 0 {
				return false
			}
			idle--
			b.Give(10)
			return true
		}
		b.Take(100)
		if !b.Take(25) || idle != 0 || b.Used() != 95 || b.Take(6) {
			t.Errorf("%d are used, %d are idle", b.Used(), idle)
		}
	})
	t.Run("is never passed by many at once", func(t *testing.T) {
		b := Budget{Limit: 50}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 1000 {
					if b.Take(20) {
						b.Give(20)
					}
				}
			})
		}
		wg.Wait()
		if b.Used() != 0 {
			t.Errorf("%d are used", b.Used())
		}
	})
}

func TestSpace(t *testing.T) {
	const all = 64 << 20
	space, err := Reserve(all)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := Unreserve(space); err != nil {
			t.Error(err)
		}
	}()
	usable := int64(0)
	for _, c := range []struct{ size, want int64 }{
		{PageBytes, PageBytes}, {PageBytes, PageBytes}, {2 * PageBytes, 2*PageBytes + leastAhead},
		{leastAhead, 2*PageBytes + leastAhead}, {16 << 20, 18 << 20}, {all - PageBytes, all}, {all, all},
	} {
		if usable, err = Ready(space, usable, c.size); err != nil || usable != c.want {
			t.Fatalf("for %d: got %d, %v, want %d", c.size, usable, err, c.want)
		}
		if last := &space[c.size-1]; *last != 0 {
			t.Errorf("byte %d is %d before anybody wrote it", c.size-1, *last)
		}
	}
}

func TestDiscard(t *testing.T) {
	space, err := Reserve(4 * PageBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := Unreserve(space); err != nil {
			t.Error(err)
		}
	}()
	if _, err := Ready(space, 0, 3*PageBytes); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * PageBytes {
		space[i] = 1
	}
	if err := errors.Join(Discard(space[PageBytes:3*PageBytes]), Discard(space[:0])); err != nil {
		t.Fatal(err)
	}
	for i, b := range space[:3*PageBytes] {
		if want := i < PageBytes; (b == 1) != want {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	space[2*PageBytes] = 1 // it stays usable
}

func TestLine(t *testing.T) {
	t.Run("a line is a copy in UTF-8", func(t *testing.T) {
		from := []byte("a\xffb")
		_, got := Line(1, abi.LogInfo, from)
		from[0] = 'x'
		if string(got) != "a\uFFFDb" {
			t.Errorf("got %q", got)
		}
		if _, got := Line(1, abi.LogInfo, nil); got == nil || len(got) != 0 {
			t.Errorf("an empty line became %v", got)
		}
	})
	t.Run("a long line is cut", func(t *testing.T) {
		_, got := Line(1, abi.LogInfo, bytes.Repeat([]byte("x"), MaxLineBytes+1))
		if len(got) > MaxLineBytes+20 || !strings.HasSuffix(string(got), "x… (cut)") {
			t.Errorf("got %d bytes", len(got))
		}
	})
	t.Run("the last line says that it is", func(t *testing.T) {
		level, got := Line(MaxLines, abi.LogInfo, []byte("x"))
		if level != abi.LogWarn || !strings.Contains(string(got), "dropped") {
			t.Errorf("got %d %q", level, got)
		}
		if _, got := Line(MaxLines+1, abi.LogInfo, []byte("x")); got != nil {
			t.Errorf("got %q after the last", got)
		}
	})
}

func written(pieces ...string) []string {
	var s Splitter
	var out []string
	for _, p := range pieces {
		for line := range s.Lines([]byte(p)) {
			out = append(out, string(line))
		}
	}
	if line := s.Rest(); len(line) > 0 {
		out = append(out, string(line))
	}
	return out
}

func TestSplitter(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"one\ntwo\n"}, []string{"one", "two"}},
		{[]string{"o", "ne\nt", "", "wo"}, []string{"one", "two"}},
		{[]string{"\n\n", "x\n\n"}, []string{"x"}},
		{[]string{strings.Repeat("x", 3*MaxLineBytes), "more\ny"}, []string{strings.Repeat("x", MaxLineBytes+1), "y"}},
	} {
		if got := written(c.in...); !slices.Equal(got, c.want) {
			t.Errorf("%.20q: got %.40q, want %.40q", c.in, got, c.want)
		}
	}
	t.Run("what is asked to stop goes on with the next", func(t *testing.T) {
		var s Splitter
		for range s.Lines([]byte("one\ntwo\n")) {
			break
		}
		if got := s.Rest(); len(got) != 0 {
			t.Errorf("%q is left", got)
		}
	})
}

func TestCrashOf(t *testing.T) {
	for line, want := range map[string]string{
		"panic: no\xff": "panic: no\uFFFD", "thread 'main' panicked": "thread 'main' panicked", "all is well": "", "": "",
		"abort" + strings.Repeat("x", 1000): "abort" + strings.Repeat("x", 495),
	} {
		if got := CrashOf([]byte(line)); got != want {
			t.Errorf("%.20q: got %.40q", line, got)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo"), 2)
	f.Add([]byte("\n\xff\n"), 0)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		at = min(max(at, 0), len(data))
		got := written(string(data[:at]), string(data[at:]))
		if whole := written(string(data)); !slices.Equal(got, whole) {
			t.Fatalf("cut at %d: %q, whole: %q", at, got, whole)
		}
		for n, line := range got {
			if strings.Contains(line, "\n") || line == "" || len(line) > MaxLineBytes+1 {
				t.Fatalf("line %d: %q", n, line)
			}
			if _, out := Line(n+1, abi.LogInfo, []byte(line)); !utf8.Valid(out) || len(out) > 3*MaxLineBytes+20 {
				t.Fatalf("line %d is logged as %q", n, out)
			}
		}
	})
}
