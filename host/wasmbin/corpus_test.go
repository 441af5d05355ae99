// Copyright 2026 The Gantry Authors.

package wasmbin_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/host/wasmbin"
)

// corpus calls f with every module of the runtime's own tests, some 8,000 files.
func corpus(t testing.TB, f func(path string, data []byte)) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			n++
			f(path, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 5_000 {
		t.Fatalf("found %d modules; the test would prove little", n)
	}
}

func TestRoundTripOfEveryModuleOfTheRuntimesTests(t *testing.T) {
	all := wasmbin.Settings{Features: wasmbin.AllFeatures}
	var same, shorter, refused int
	corpus(t, func(path string, data []byte) {
		m, err := wasmbin.Decode(data, all)
		if err != nil {
			refused++
			return
		}
		out := m.Append(nil)
		if bytes.Equal(out, data) {
			same++
			return
		}
		shorter++
		again, err := wasmbin.Decode(out, all)
		switch {
		case len(out) >= len(data):
			t.Errorf("%s: written anew it is not shorter, and not the same", path)
		case err != nil:
			t.Errorf("%s: written anew it is refused: %v", path, err)
		case !bytes.Equal(again.Append(nil), out):
			t.Errorf("%s: written twice it changes", path)
		case !reflect.DeepEqual(shape(m), shape(again)):
			t.Errorf("%s: written anew it is another module", path)
		}
	})
	t.Logf("%d the same byte for byte, %d shorter, %d refused", same, shorter, refused)
	if same < 4_000 {
		t.Errorf("only %d modules came back byte for byte", same)
	}
}

// shape is the module without where things lay in the file.
func shape(m *wasmbin.Module) *wasmbin.Module {
	for i := range m.Codes {
		m.Codes[i].At = 0
	}
	return m
}
