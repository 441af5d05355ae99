// Copyright 2026 The Gantry Authors.

//go:build !linux

package runlog

import "os"

// mapped writes by system calls where blocks cannot be taken beforehand.
func mapped(f *os.File, _ int64) medium { return plainFile{f} }
