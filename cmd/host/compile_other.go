// Copyright 2026 The Gantry Authors.

//go:build !linux

package main

import "syscall"

// ownProgram is never started.
const ownProgram = ""

// compilesAside says whether modules are compiled in processes of their own. Elsewhere than on Linux
// nothing would hold such a process to its ceilings.
const compilesAside = false

func setCeilings(_, _ uint64) error { return nil }

func diesWithParent() *syscall.SysProcAttr { return nil }
