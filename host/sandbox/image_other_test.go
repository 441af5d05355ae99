// Copyright 2026 The Gantry Authors.

//go:build !linux

package sandbox

import "testing"

func eachTracking(t *testing.T, test func(t *testing.T, s *scanner)) { test(t, newScanner()) }

func (s *scanner) dropsAll() bool { return true }
