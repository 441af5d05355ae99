// Copyright 2026 The Gantry Authors.

package plugins_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/host/egress"
	"github.com/gantryhost/gantry/registry"
)

// TestShippedSettingsAreGood reads each plugin's own settings as the host does, without and with
// the variables set that they name.
func TestShippedSettingsAreGood(t *testing.T) {
	files, err := filepath.Glob("*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %v, %v; the test would prove nothing", files, err)
	}
	for _, file := range files {
		if filepath.Dir(file) == "dist" {
			continue // what the Makefile copied
		}
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); name != filepath.Dir(file) {
			t.Errorf("%s: the settings have to be named after their folder", file)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, lookup := range map[string]func(string) (string, bool){
			"by default":             func(string) (string, bool) { return "", false },
			"with an own API server": func(string) (string, bool) { return "http://127.0.0.1:11434/v1", true },
		} {
			s, err := registry.ParseSettings(data, lookup)
			if err != nil {
				t.Errorf("%s %s: %v", file, what, err)
				continue
			}
			if err := egress.CheckRights(&s.Grants); err != nil {
				t.Errorf("%s %s: grants: %v", file, what, err)
			}
		}
	}
}
