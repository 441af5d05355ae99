// Copyright 2026 The Gantry Authors.

// Package scaffold holds the files that a new plugin begins with: a tool, its test, its settings and
// a page about them. It returns them and writes none.
package scaffold

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/gantryhost/gantry/abi"
)

// sources are the files with NAME for the plugin's name. Their own names end in .txt, so that no Go
// tool takes them for packages of this module.
//
//go:embed files/*.txt
var sources embed.FS

// Files are the files of a new plugin by their names, all in one folder. The name has to be a plugin
// name; see abi.ValidPluginName.
func Files(name string) (map[string][]byte, error) {
	if !abi.ValidPluginName(name) {
		return nil, fmt.Errorf("%q is not a plugin name; use a small letter, then up to 63 of a-z, 0-9, _ and -", name)
	}
	entries, err := sources.ReadDir("files")
	if err != nil {
		return nil, fmt.Errorf("scaffold: %w", err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		text, err := sources.ReadFile(path.Join("files", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("scaffold: %w", err)
		}
		file := strings.ReplaceAll(strings.TrimSuffix(e.Name(), ".txt"), "NAME", name)
		files[file] = []byte(strings.ReplaceAll(string(text), "NAME", name))
	}
	return files, nil
}
