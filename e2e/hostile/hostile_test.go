// Copyright 2026 The Gantry Authors.

//go:build e2e

package hostile

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/e2e/gantrytest"
	"github.com/gantryhost/gantry/host/sandbox/hostile"
)

// patience is what a call may take beyond its limit, the way over HTTP included, on a busy machine.
const patience = 5 * time.Second

// settings is the file beside a shape; its tool is then NAME_run.
func settings(s *hostile.Shape, name string) []byte {
	wall := 10 * time.Second
	if s.Code == "DEADLINE_EXCEEDED" {
		wall = hostile.Wall
	}
	out := fmt.Appendf(nil, "prefix: %s_\nlimits:\n  wall: %v\n", name, wall)
	for name, v := range map[string]int64{"fuel": int64(s.Limits.Fuel), "memory": s.Limits.MemoryBytes, "ops": int64(s.Limits.Ops)} {
		if v > 0 {
			out = fmt.Appendf(out, "  %s: %d\n", name, v)
		}
	}
	return out
}

func TestRunawaysAndTheRest(t *testing.T) {
	h := gantrytest.New(t)
	var shapes []hostile.Shape
	for _, s := range hostile.Shapes() {
		// Which operations wait is not the plugin's to choose here, and over HTTP arguments are JSON.
		if s.AtLoad || s.Waits || s.Input > 0 {
			continue
		}
		name := fmt.Sprintf("h%d", len(shapes))
		h.Put(name+".yaml", settings(&s, name))
		h.Put(name+".wasm", s.Wasm(name))
		shapes = append(shapes, s)
	}
	if len(shapes) < 25 {
		t.Fatalf("%d shapes; some went missing", len(shapes))
	}
	h.Start()
	key := h.Token("--scopes", "read:tools,write:tools")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { keepHashing(t, gantrytest.NewCaller(h.URL, key), stop) })
	c := gantrytest.NewCaller(h.URL, key)
	for i, s := range shapes {
		t.Run(s.Name, func(t *testing.T) {
			start := time.Now()
			text, failed, err := c.CallTool(fmt.Sprintf("h%d_run", i), map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			if !failed || !strings.Contains(text, s.Text) {
				t.Errorf("got %q (error: %v), want %q", text, failed, s.Text)
			}
			if took := time.Since(start); took > hostile.Wall+patience {
				t.Errorf("it took %v", took)
			}
		})
	}
	close(stop)
	wg.Wait()
}

// keepHashing calls a shipped plugin until stop; each call has to be right.
func keepHashing(t *testing.T, c *gantrytest.Caller, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			t.Logf("%d calls of another plugin", n)
			if n == 0 {
				t.Error("the other plugin was never called")
			}
			return
		default:
		}
		text, failed, err := c.CallTool("text_hash", map[string]any{"text": "hello"})
		if err != nil || failed || !strings.Contains(text, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824") {
			t.Errorf("another plugin: got %q (error: %v), %v", text, failed, err)
			return
		}
	}
}

func TestBombsAreRefusedAndTheRestIsServed(t *testing.T) {
	h := gantrytest.New(t)
	h.Start()
	c := gantrytest.NewCaller(h.URL, h.Token("--scopes", "read:tools,write:tools"))
	n := 0
	for _, s := range hostile.Shapes() {
		if !s.AtLoad || s.Code != "LIMIT_EXCEEDED" {
			continue
		}
		name := fmt.Sprintf("bomb%d", n)
		n++
		t.Run(s.Name, func(t *testing.T) {
			h.Put(name+".wasm", s.Wasm(name))
			deadline := time.Now().Add(20 * time.Second)
			for {
				out, err := h.CLI("plugin", "list", "--json")
				if strings.Contains(out, s.Text) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the list does not say %q: %s %v", s.Text, out, err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			if text, failed, err := c.CallTool("text_hash", map[string]any{"text": "hello"}); err != nil || failed {
				t.Errorf("another plugin: got %q, %v", text, err)
			}
		})
	}
	if n == 0 {
		t.Error("there are no bombs")
	}
}
