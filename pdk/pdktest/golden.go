// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// update is there in every test program that imports this package: go test -update.
var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// Update tells whether the test was started with -update, for golden files of your own.
func Update() bool { return *update }

// Manifest compares what the plugin says of itself with testdata/manifest.json, so that a change of
// a name or a schema shows in review; go test -update writes the file.
func Manifest(t testing.TB) {
	t.Helper()
	data, err := json.Marshal(New(t).Manifest())
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := json.Indent(&buf, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	buf.WriteByte('\n')
	Golden(t, filepath.Join("testdata", "manifest.json"), buf.Bytes())
}

// Golden compares got with the file at path; go test -update writes it.
func Golden(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the plugin says now; look at the difference, then go test -update\ngot:\n%s", path, got)
	}
}
