// Copyright 2026 The Gantry Authors.

package registry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

// TestHammerSwapsUnderLoad replaces a plugin again and again, by every way there is, while callers
// never pause. No call may miss the plugin, meet a closed guest, or see an older version than it saw
// before it began.
func TestHammerSwapsUnderLoad(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "0000")))
	stop := make(chan struct{})
	var calls, failed atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for last := ""; ; {
				select {
				case <-stop:
					return
				default:
				}
				got, err := call(h.Registry)
				if calls.Add(1); err != nil || got < last {
					failed.Add(1)
					t.Errorf("got %q after %q: %v", got, last, err)
					return
				}
				last = got
			}
		})
	}
	const swaps = 60
	for i := 1; i <= swaps; i++ {
		wasm := module("text", fmt.Sprintf("%04d", i))
		switch i % 3 {
		case 0:
			h.put("text.wasm", string(wasm))
		case 1:
			h.put("text.wasm", "broken", "text.yaml", fmt.Sprintf("limits: {ops: %d}", i))
			h.put("text.wasm", string(wasm))
		default:
			if _, err := h.Install(context.Background(), "text", wasm, registry.Ask); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	callers.Wait()
	if calls.Load() < swaps || failed.Load() != 0 {
		t.Errorf("%d of %d calls failed", failed.Load(), calls.Load())
	}
	eventually(t, "every old generation is closed", func() bool { return h.loader.open() == 1 })
	h.want("text_do", fmt.Sprintf("%04d", swaps))
}

// call is one call by tool, and every other by plugin as prompts and resources do it.
func call(r *registry.Registry) (string, error) {
	_, g, release, ok := r.Acquire(host.DefaultTenant, "text_do")
	if !ok {
		return "", fmt.Errorf("the tool is gone")
	}
	defer release()
	for {
		p, found := r.Snapshot().Plugin("text")
		if !found {
			return "", fmt.Errorf("the plugin is gone")
		}
		if held, let, ok := r.Hold(p); ok {
			_, _, err := held.Call(context.Background(), &host.GuestCall{Entry: host.EntryPrompt})
			let()
			if err != nil {
				return "", err
			}
			break
		}
	}
	out, _, err := g.Call(context.Background(), &host.GuestCall{})
	return string(out.Data), err
}

func TestAnOldCallEndsOnItsOwnGeneration(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "v1")))
	ref, g, release, _ := h.Acquire(host.DefaultTenant, "text_do")
	h.put("text.wasm", string(module("text", "v2")))
	h.want("text_do", "v2")
	out, _, err := g.Call(context.Background(), &host.GuestCall{})
	if err != nil || string(out.Data) != "v1" || ref.Plugin.InFlight() != 1 || h.status("text").InFlight != 0 {
		t.Errorf("got %q, %v, %d in flight on the old, %d on the new", out.Data, err, ref.Plugin.InFlight(), h.status("text").InFlight)
	}
	if h.loader.open() != 2 {
		t.Error("the old guest was closed under its call")
	}
	if _, _, ok := h.Hold(ref.Plugin); ok {
		t.Error("a retired generation let another call in")
	}
	release()
	eventually(t, "the old guest is closed", func() bool { return h.loader.open() == 1 })
}

// watched is a registry that watches, with a pause short enough for tests.
func watched(t *testing.T, poll time.Duration) *house {
	return open(t, registry.Config{Debounce: 20 * time.Millisecond, Poll: poll})
}

func TestTheFolderIsWatched(t *testing.T) {
	h := watched(t, time.Hour) // notices alone
	t.Run("a new file is served", func(t *testing.T) {
		h.write("text.wasm", module("text", "v1"))
		eventually(t, "v1", func() bool { return h.answer("text_do") == "v1" })
	})
	t.Run("one written in pieces is served when it is whole", func(t *testing.T) {
		whole := module("text", "v2")
		path := filepath.Join(h.cfg.Dir, "text.wasm")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		for i := 0; i < len(whole); i += 16 {
			if _, err := f.Write(whole[i:min(i+16, len(whole))]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
			if got := h.answer("text_do"); got == "" {
				t.Fatal("the plugin left while its file was written")
			}
		}
		eventually(t, "v2", func() bool { return h.answer("text_do") == "v2" })
	})
	t.Run("a writer that pauses is refused, not given up", func(t *testing.T) {
		whole := module("text", "v3")
		h.write("text.wasm", whole[:20])
		eventually(t, "the half is refused", func() bool { return h.status("text").Reason != "" })
		h.want("text_do", "v2")
		h.write("text.wasm", whole)
		eventually(t, "v3", func() bool { return h.answer("text_do") == "v3" && h.status("text").Reason == "" })
	})
	t.Run("one renamed into place is served", func(t *testing.T) {
		h.write(".text.wasm.tmp", module("text", "v4"))
		h.rename(".text.wasm.tmp", "text.wasm")
		eventually(t, "v4", func() bool { return h.answer("text_do") == "v4" })
	})
	t.Run("one with the old size and time is seen", func(t *testing.T) {
		path := filepath.Join(h.cfg.Dir, "text.wasm")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		h.write("text.wasm", module("text", "v5"))
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "v5", func() bool { return h.answer("text_do") == "v5" })
	})
	t.Run("settings alone are seen", func(t *testing.T) {
		h.write("text.yaml", []byte("prefix: my_"))
		eventually(t, "the prefix", func() bool { return h.answer("my_text_do") == "v5" })
	})
	t.Run("deleted, it leaves", func(t *testing.T) {
		h.remove("text.wasm")
		eventually(t, "the plugin is gone", func() bool { return h.answer("my_text_do") == "" })
	})
}

func (h *house) rename(from, to string) {
	h.t.Helper()
	if err := os.Rename(filepath.Join(h.cfg.Dir, from), filepath.Join(h.cfg.Dir, to)); err != nil {
		h.t.Fatal(err)
	}
}

func TestAFileThatIsReplacedByDeletingItFirstNeverLeaves(t *testing.T) {
	// The file is back long before a file that is gone counts as gone.
	h := open(t, registry.Config{Debounce: 5 * time.Second, Poll: 5 * time.Millisecond})
	h.put("text.wasm", string(module("text", "v1")))
	var gone atomic.Bool
	cancel := h.Subscribe(func(c registry.Change) { gone.Store(gone.Load() || c.To == nil) })
	defer cancel()
	h.remove("text.wasm")
	time.Sleep(50 * time.Millisecond) // several looks
	h.want("text_do", "v1")
	h.put("text.wasm", string(module("text", "v2")))
	h.want("text_do", "v2")
	if gone.Load() {
		t.Error("the plugin left in between")
	}
}

func TestWithoutNoticesTheFolderIsPolled(t *testing.T) {
	h := watched(t, 10*time.Millisecond)
	h.put("text.wasm", string(module("text", "v1")))
	t.Run("a folder that is taken away leaves everything served", func(t *testing.T) {
		if err := os.Rename(h.cfg.Dir, h.cfg.Dir+".away"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the folder is a problem", func() bool { return len(h.Problems()) == 1 && h.Problems()[0].Plugin == "" })
		h.want("text_do", "v1")
	})
	t.Run("another in its place is watched", func(t *testing.T) {
		if err := os.Mkdir(h.cfg.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		h.write("text.wasm", module("text", "v2"))
		eventually(t, "v2", func() bool { return h.answer("text_do") == "v2" && len(h.Problems()) == 0 })
		h.write("text.wasm", module("text", "v3"))
		eventually(t, "v3", func() bool { return h.answer("text_do") == "v3" })
	})
}

func TestWhatIsNoPluginFile(t *testing.T) {
	h := open(t, registry.Config{})
	outside := filepath.Join(t.TempDir(), "secret.wasm")
	for path, data := range map[string][]byte{
		outside:                                  module("out", "v1"),
		filepath.Join(h.cfg.Dir, ".hidden.wasm"): module("hidden", "v1"),
		filepath.Join(h.cfg.Dir, "a.wasm~"):      module("a", "v1"),
		filepath.Join(h.cfg.Dir, "My Tool.wasm"): module("mine", "v1"),
		filepath.Join(h.cfg.Dir, "late.yml"):     []byte("disabled: true"),
		filepath.Join(h.cfg.Dir, "alone.yaml"):   []byte("disabled: true"),
		filepath.Join(h.cfg.Dir, "..data.wasm"):  module("linked", "v1"),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(h.cfg.Dir, "folder.wasm"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"out.wasm": outside, "linked.wasm": "..data.wasm", "dangling.wasm": "nothing"} {
		if err := os.Symlink(to, filepath.Join(h.cfg.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	h.rescan()
	h.want("linked_do", "v1")
	h.wantState("out", registry.StateRefused, "out.wasm cannot be read")
	h.wantState("My Tool", registry.StateRefused, `"My Tool" is not a plugin name`)
	h.wantState("late", registry.StateRefused, "settings files end in .yaml, so rename it")
	h.wantState("alone", registry.StateAbsent, "alone.yaml is here, but there is no alone.wasm")
	if got := len(h.Statuses()); got != 5 {
		t.Errorf("%d files were taken for plugins', want 5: %+v", got, h.Statuses())
	}
	if got := len(h.Problems()); got != 3 {
		t.Errorf("%d problems, want 3", got)
	}
}

func TestAModuleOverTheLimitSaysWhich(t *testing.T) {
	h := open(t, registry.Config{MaxModuleBytes: 200})
	h.put("text.wasm", string(make([]byte, 201)))
	h.wantState("text", registry.StateRefused, "text.wasm has 201 bytes; at most 200 are allowed")
	if _, err := h.Install(context.Background(), "text", make([]byte, 201), registry.Ask); host.CodeOf(err) != abi.CodeLimit {
		t.Errorf("got %v", err)
	}
}
