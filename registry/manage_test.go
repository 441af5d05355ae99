// Copyright 2026 The Gantry Authors.

package registry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

func (h *house) install(name string, wasm []byte) (registry.Status, error) {
	return h.Install(context.Background(), name, wasm, registry.Ask)
}

// rollback goes back and says what is served then.
func (h *house) rollback(name, digest string) registry.Status {
	h.t.Helper()
	s, err := h.Rollback(context.Background(), name, digest)
	if err != nil {
		h.t.Fatalf("rollback to %q: %v", digest, err)
	}
	return s
}

func wantErr(t *testing.T, err error, code abi.Code, text string) {
	t.Helper()
	if host.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("got  %s %v\nwant %s …%s…", host.CodeOf(err), err, code, text)
	}
}

func TestInstall(t *testing.T) {
	h := open(t, registry.Config{Embedded: embedded("llm.wasm", string(module("llm", "built in")))})
	path := filepath.Join(h.cfg.Dir, "text.wasm")
	t.Run("it is served when it returns", func(t *testing.T) {
		s, err := h.install("text", module("text", "v1"))
		if err != nil || s.State != registry.StateServing || s.Version != "v1" || s.Source != path || len(s.Tools) != 1 {
			t.Errorf("got %+v, %v", s, err)
		}
		h.want("text_do", "v1")
	})
	t.Run("the folder holds it, so a look changes nothing", func(t *testing.T) {
		h.rescan()
		if got := h.status("text").Generation; got != 1 {
			t.Errorf("got generation %d", got)
		}
	})
	t.Run("a broken module leaves file and service as they were", func(t *testing.T) {
		_, err := h.install("text", []byte("{"))
		wantErr(t, err, abi.CodeContract, "the module is cut off; build it again")
		_, err = h.install("text", module("other", "v1"))
		wantErr(t, err, abi.CodeContract, `the module calls itself "other"`)
		if data, err := os.ReadFile(path); err != nil || string(data) != string(module("text", "v1")) {
			t.Errorf("the file is %q, %v", data, err)
		}
		h.want("text_do", "v1")
		h.wantState("text", registry.StateServing, "")
	})
	t.Run("a name that is taken is a conflict, and nothing is written", func(t *testing.T) {
		_, err := h.install("copy", module("copy", "v1", "text_do"))
		wantErr(t, err, abi.CodeConflict, `already served by plugin text`)
		if _, err := os.Stat(filepath.Join(h.cfg.Dir, "copy.wasm")); !os.IsNotExist(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a name that is none", func(t *testing.T) {
		for _, name := range []string{"", "../text", "A", ".x"} {
			_, err := h.install(name, module("text", "v1"))
			wantErr(t, err, abi.CodeInvalidArg, "is not a plugin name")
		}
		_, err := h.install("text", nil)
		wantErr(t, err, abi.CodeInvalidArg, "the module is empty")
	})
	t.Run("over an embedded plugin it wins, and removed gives way", func(t *testing.T) {
		if _, err := h.install("llm", module("llm", "mine")); err != nil {
			t.Fatal(err)
		}
		h.want("llm_do", "mine")
		if err := h.Remove(context.Background(), "llm"); err != nil {
			t.Fatal(err)
		}
		h.want("llm_do", "built in")
		wantErr(t, h.Remove(context.Background(), "llm"), abi.CodeConflict, "built into the host")
	})
	t.Run("removed, it is gone", func(t *testing.T) {
		if err := h.Remove(context.Background(), "text"); err != nil {
			t.Fatal(err)
		}
		h.want("text_do", "")
		wantErr(t, h.Remove(context.Background(), "text"), abi.CodeNotFound, `no plugin "text"`)
		wantErr(t, h.Remove(context.Background(), "../text"), abi.CodeNotFound, "no plugin")
	})
	t.Run("disabled, it is only written", func(t *testing.T) {
		h.put("text.yaml", "disabled: true")
		if s, err := h.install("text", module("text", "v2")); err != nil || s.State != registry.StateDisabled {
			t.Errorf("got %+v, %v", s, err)
		}
		h.put("text.yaml", "")
		h.want("text_do", "v2")
	})
}

func TestWithoutAFolderNothingIsInstalled(t *testing.T) {
	l := &fakeLoader{}
	r, err := registry.Open(registry.Config{Loader: l, Logger: quiet(), Embedded: embedded("text.wasm", string(module("text", "v1")))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(context.Background()) }()
	_, err = r.Install(context.Background(), "text", module("text", "v2"), registry.Ask)
	wantErr(t, err, abi.CodeUnavailable, "no plugins folder")
	if err := r.Rescan(context.Background()); err != nil || len(r.Snapshot().Plugins()) != 1 {
		t.Errorf("got %v, %d plugins", err, len(r.Snapshot().Plugins()))
	}
	wantErr(t, r.Remove(context.Background(), "text"), abi.CodeConflict, "built into the host")
}

func TestRollback(t *testing.T) {
	h := open(t, registry.Config{})
	for i := 1; i <= 3; i++ {
		h.put("text.wasm", string(module("text", fmt.Sprintf("v%d", i))))
	}
	first := h.status("text").Versions[0]
	t.Run("without a digest goes one back, and one more", func(t *testing.T) {
		if s := h.rollback("text", ""); s.Version != "v2" || s.State != registry.StatePinned {
			t.Errorf("got %+v", s)
		}
		h.rollback("text", "")
		h.want("text_do", "v1")
		_, err := h.Rollback(context.Background(), "text", "")
		wantErr(t, err, abi.CodeNotFound, "no version of text from before this one is kept")
		h.want("text_do", "v1")
	})
	t.Run("a look at the folder does not end it, nor do settings", func(t *testing.T) {
		h.put("text.yaml", "limits: {ops: 3}")
		h.want("text_do", "v1")
		if s := h.status("text"); s.State != registry.StatePinned || s.Limits.Ops != 3 || len(s.Versions) != 3 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("nor does a restart", func(t *testing.T) {
		h = h.reopen()
		h.want("text_do", "v1")
		h.wantState("text", registry.StatePinned, "")
	})
	t.Run("latest ends it", func(t *testing.T) {
		if s := h.rollback("text", registry.Latest); s.Version != "v3" || s.State != registry.StateServing {
			t.Errorf("got %+v", s)
		}
		h = h.reopen()
		h.want("text_do", "v3")
	})
	t.Run("a digest, or its beginning, names a version", func(t *testing.T) {
		if s := h.rollback("text", first.Digest); s.Version != "v1" || s.Digest != first.Digest {
			t.Errorf("got %+v", s)
		}
		h.rollback("text", registry.Latest)
		h.rollback("text", strings.TrimPrefix(first.Digest, "sha256:")[:8])
		h.want("text_do", "v1")
		for _, bad := range []string{"sha256:", "abc", "ffffffffffff", "../../x"} {
			_, err := h.Rollback(context.Background(), "text", bad)
			wantErr(t, err, abi.CodeNotFound, "no kept version of text has the digest")
		}
	})
	t.Run("a broken new file does not end it", func(t *testing.T) {
		h.put("text.wasm", "broken")
		h.want("text_do", "v1")
		h.wantState("text", registry.StatePinned, "cut off")
	})
	t.Run("a new file does", func(t *testing.T) {
		h.put("text.wasm", string(module("text", "v4")))
		h.want("text_do", "v4")
		h.wantState("text", registry.StateServing, "")
		h = h.reopen()
		h.want("text_do", "v4")
	})
	t.Run("of what is not there", func(t *testing.T) {
		_, err := h.Rollback(context.Background(), "nobody", "")
		wantErr(t, err, abi.CodeNotFound, `no plugin "nobody"`)
	})
}

func TestRollbackReachesTheEmbeddedVersion(t *testing.T) {
	h := open(t, registry.Config{Embedded: embedded(
		"text.wasm", string(module("text", "built in")), "text.yaml", "grants: {kv: true}")})
	h.put("text.wasm", string(module("text", "mine")))
	h.rollback("text", "")
	h.want("text_do", "built in")
	if s := h.status("text"); !s.Granted.KV || s.Source != registry.SourceEmbedded {
		t.Errorf("got %+v", s)
	}
}

func TestTheHistoryIsBounded(t *testing.T) {
	h := open(t, registry.Config{})
	for i := range 9 {
		h.put("text.wasm", string(module("text", fmt.Sprintf("v%d", i))))
	}
	s := h.status("text")
	var got []string
	for _, v := range s.Versions {
		got = append(got, v.Version)
	}
	if want := "v4 v5 v6 v7 v8"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	files, err := filepath.Glob(filepath.Join(h.cfg.HistoryDir, "text", "*"))
	if err != nil || len(files) != 6 {
		t.Errorf("the history holds %v, %v; want 5 modules and an index", files, err)
	}
	t.Run("an old file put back is the newest again", func(t *testing.T) {
		h.put("text.wasm", string(module("text", "v6")))
		if v := h.status("text").Versions; len(v) != 5 || v[4].Version != "v6" || v[3].Version != "v8" {
			t.Errorf("got %+v", v)
		}
		h.rollback("text", "")
		h.want("text_do", "v8")
	})
}

func TestARestartWritesNothing(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "v1")))
	index := filepath.Join(h.cfg.HistoryDir, "text", "index.json")
	before, err := os.Stat(index)
	if err != nil {
		t.Fatal(err)
	}
	h = h.reopen()
	h.want("text_do", "v1")
	// A file that was written again is another file, since it is renamed into place.
	if after, err := os.Stat(index); err != nil || !os.SameFile(before, after) {
		t.Errorf("the index was written again: %v", err)
	}
}

func TestADamagedHistory(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "v1")))
	h.put("text.wasm", string(module("text", "v2")))
	t.Run("a damaged module is never served", func(t *testing.T) {
		old := strings.TrimPrefix(h.status("text").Versions[0].Digest, "sha256:")
		path := filepath.Join(h.cfg.HistoryDir, "text", old+".wasm")
		if err := os.WriteFile(path, module("text", "evil"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := h.Rollback(context.Background(), "text", "")
		wantErr(t, err, abi.CodeNotFound, "is damaged on disk")
		h.want("text_do", "v2")
	})
	t.Run("a damaged index costs the history, not the plugin", func(t *testing.T) {
		for _, data := range []string{"{", `{"versions":[{"digest":"sha256:../../x"}]}`, `{"pin":{"digest":"x","over":"y"}}`} {
			path := filepath.Join(h.cfg.HistoryDir, "text", "index.json")
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			h = h.reopen()
			h.want("text_do", "v2")
			if v := h.status("text").Versions; len(v) != 1 {
				t.Errorf("got %+v", v)
			}
		}
	})
}

func TestARestartBesideABrokenFileServesTheLastGoodVersion(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "v1")))
	h.put("text.wasm", string(module("text", "v2")))
	h.put("text.wasm", "broken")
	h = h.reopen()
	h.want("text_do", "v2")
	h.wantState("text", registry.StateServing, "cut off")
	h.rescan()
	h.want("text_do", "v2")
	if v := h.status("text").Versions; len(v) != 2 {
		t.Errorf("got %+v", v)
	}
	h.put("text.wasm", string(module("text", "v3")))
	h.want("text_do", "v3")
	h.wantState("text", registry.StateServing, "")
}
