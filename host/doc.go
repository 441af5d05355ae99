// Copyright 2026 The Gantry Authors.

// Package host holds the words that every part of the host needs: who asks (Principal), how a
// failure is told (Error), how a loaded plugin is called (Guest), how a service answers a guest's
// operation (OpFunc) and what time it is (Clock).
//
// It has no logic of its own and opens nothing. Services live in the packages below it, surfaces
// in host/web, and cmd/host joins them.
package host
