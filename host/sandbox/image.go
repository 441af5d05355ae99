// Copyright 2026 The Gantry Authors.

package sandbox

import "bytes"

// image is the state that every call of a guest begins with: its linear memory and mutable globals
// as they were once it was initialised. All instances of the guest share it; what a call wrote is
// put back from it. It does not change, and may be used from any number of goroutines.
type image struct {
	// size is how much linear memory there was. It is a multiple of the Wasm page.
	size    int64
	globals []uint64
	pages
}

// newImage takes a picture of a memory and keeps the globals.
func newImage(mem []byte, globals []uint64) (*image, error) {
	p, err := newPages(mem)
	if err != nil {
		return nil, err
	}
	return &image{size: int64(len(mem)), globals: globals, pages: p}, nil
}

// same tells whether a memory holds what the image does, byte for byte. It reads all of it.
func (im *image) same(mem []byte) bool { return bytes.Equal(mem, im.view()) }
