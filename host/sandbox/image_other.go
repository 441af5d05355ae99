// Copyright 2026 The Gantry Authors.

//go:build !linux

package sandbox

import "slices"

// pages is an image's memory as a plain copy: elsewhere than on Linux every call's reset copies it.
type pages struct{ whole []byte }

func newPages(mem []byte) (pages, error) { return pages{slices.Clone(mem)}, nil }

func (p *pages) view() []byte { return p.whole }

func (p *pages) mapOver(mem []byte, _ *scanner) error { copy(mem, p.whole); return nil }

func (p *pages) release() error { p.whole = nil; return nil }

func (p *pages) drop(mem []byte) error { copy(mem, p.whole); return nil }

// scanner has nothing to scan here.
type scanner struct{}

func newScanner() *scanner { return &scanner{} }

// restore puts back all of mem.
func (im *image) restore(mem []byte, _ *scanner) (int, error) { return copy(mem, im.whole), nil }
