// Copyright 2026 The Gantry Authors.

// Package pdktest is an in-memory host for the tests of a plugin: it calls the plugin's functions in
// the test's own process, as plain Go, so that go test, its debugger and its race detector work.
//
//	func TestHash(t *testing.T) {
//		h := pdktest.New(t)
//		res := h.Call("hash", map[string]any{"text": "hello"})
//		var out struct{ Hex string }
//		res.Decode(&out)
//	}
//
// It keeps what a plugin may rely on: inputs are checked, rights are enforced where Host.Grants is
// set, answers are encoded and decoded as they would be at the border. It does not run Wasm, bound
// time or memory, check addresses behind names, or keep state between programs.
package pdktest
