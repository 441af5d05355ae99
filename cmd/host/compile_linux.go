// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// ownProgram is this very program, also where its file was replaced since it was started.
const ownProgram = "/proc/self/exe"

// compilesAside says whether modules are compiled in processes of their own.
const compilesAside = true

// setCeilings bounds what this process may still use. Its data is bounded and not its address space:
// Go's runtime reserves far more of that than it ever uses.
func setCeilings(cpuSeconds, memory uint64) error {
	used, err := dataBytes()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		what int
		most uint64
	}{
		{syscall.RLIMIT_CPU, cpuSeconds}, {syscall.RLIMIT_DATA, used + memory}, {syscall.RLIMIT_CORE, 0},
	} {
		if err := syscall.Setrlimit(l.what, &syscall.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("setting a ceiling: %w", err)
		}
	}
	return nil
}

// dataBytes is what the kernel counts as this process's data now.
func dataBytes() (uint64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident, shared, code, lib uint64
	var data string
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared, &code, &lib, &data); err != nil {
		return 0, fmt.Errorf("/proc/self/statm: %w", err)
	}
	n, err := strconv.ParseUint(data, 10, 50)
	return n * uint64(os.Getpagesize()), err
}

// diesWithParent ends a process when the thread that started it has ended.
func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
