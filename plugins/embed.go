// Copyright 2026 The Gantry Authors.

// Package plugins holds the plugins that come inside the binary: each folder below is one plugin,
// written on the pdk like anybody else's, and the Makefile builds them into dist.
//
// It runs nothing and lists nothing: the registry reads the file system it embeds.
package plugins

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// FS returns the built plugins: NAME.wasm and, where a plugin has settings of its own, NAME.yaml.
// It is empty in a binary that was built without the Makefile.
func FS() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return embed.FS{} // cannot happen: the folder is part of the embed pattern
	}
	return sub
}
