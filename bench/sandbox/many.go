// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// namesLike is the name that is written into the guests' manifests, and patched here.
const namesLike = "bench-0000"

func named(wasm []byte, n int) (name string, patched []byte) {
	name = fmt.Sprintf("bench-%04d", n)
	return name, bytes.ReplaceAll(wasm, []byte(namesLike), []byte(name))
}

// fill makes a folder for a host, with n plugins in it that differ in their names.
func (b *bench) fill(label string, wasm []byte, n int) (string, error) {
	dir := filepath.Join(b.dir, label)
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		return "", err
	}
	for i := range n {
		name, patched := named(wasm, i)
		if err := os.WriteFile(filepath.Join(dir, "plugins", name+".wasm"), patched, 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// boots starts the host of a folder in a process of its own: once to fill its caches, and then as
// often as there are rounds. It returns medians.
func (b *bench) boots(dir string) (told, error) {
	if _, err := b.boot(dir); err != nil {
		return told{}, err
	}
	var ready, resident, one, all []float64
	for range min(b.contest.rounds, 5) {
		t, err := b.boot(dir)
		if err != nil {
			return told{}, err
		}
		ready, resident = append(ready, t.ReadyMS), append(resident, t.ResidentMB)
		one, all = append(one, t.OneNS), append(all, t.AllNS)
	}
	return told{median(ready), median(resident), median(one), median(all)}, nil
}

func (b *bench) boot(dir string) (t told, err error) {
	self, err := os.Executable()
	if err != nil {
		return t, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childWindow+"="+b.contest.window.String())
	cmd.Stderr = os.Stderr
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return t, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return t, err
	}
	dec := json.NewDecoder(lines)
	var ready bool
	err = dec.Decode(&ready)
	took := time.Since(start)
	if err == nil {
		err = dec.Decode(&t)
	}
	t.ReadyMS = float64(took.Microseconds()) / 1000
	return t, errors.Join(err, cmd.Wait())
}

// many measures hosts with many plugins.
func many(b *bench) ([]row, error) {
	goEcho, err := b.build("echo")
	if err != nil {
		return nil, err
	}
	large, small, smallWasm := 95, 1000, smallEcho(loopTurns)
	if b.quick {
		large = 10
	}
	of := map[string]told{}
	for _, f := range []struct {
		label string
		wasm  []byte
		n     int
	}{{"go", goEcho, large}, {"one", smallWasm, 1}, {"thousand", smallWasm, small}} {
		dir, err := b.fill(f.label, f.wasm, f.n)
		if err != nil {
			return nil, err
		}
		if of[f.label], err = b.boots(dir); err != nil {
			return nil, fmt.Errorf("%d plugins: %w", f.n, err)
		}
	}
	goes, one, thousand := of["go"], of["one"], of["thousand"]
	return []row{
		within(fmt.Sprintf("%d Go plugins: process start to ready, warm cache", large), "ms", goes.ReadyMS, 300),
		within(fmt.Sprintf("%d Go plugins: resident when ready", large), "MB", goes.ResidentMB, 100),
		within(fmt.Sprintf("%d C plugins: process start to ready, warm cache", small), "ms", thousand.ReadyMS, 300),
		within(fmt.Sprintf("%d C plugins: resident when ready", small), "MB", thousand.ResidentMB, 100),
		cheaper(fmt.Sprintf("calls of one plugin among %d, against one alone (throughput)", small), "µs", thousand.OneNS/1000, one.OneNS/1000, 0.9),
		cheaper(fmt.Sprintf("calls of %d plugins in turn, against one alone (throughput)", small), "µs", thousand.AllNS/1000, one.OneNS/1000, 0.9),
	}, nil
}

// reloads measures from a plugin's file being replaced to the first answer of its new version, which
// was compiled before.
func reloads(b *bench) ([]row, error) {
	var versions [][]byte
	for _, v := range []string{"1", "2"} {
		wasm, err := b.build("echo", "version="+v)
		if err != nil {
			return nil, err
		}
		versions = append(versions, wasm)
	}
	dir, err := b.fill("reload", versions[0], 1)
	if err != nil {
		return nil, err
	}
	h, err := openHost(dir)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var took []float64
	for n := range 2 + 2*b.contest.rounds {
		ms, err := h.replace(versions[(n+1)%2], string("21"[n%2]))
		if err != nil {
			return nil, err
		}
		if n >= 2 { // both were compiled by then
			took = append(took, ms)
		}
	}
	return []row{within("hot reload, Go guest: file written to the new version's answer", "ms", median(took), 200)}, nil
}

// replace writes a module in place of the first plugin and waits for an answer of its version.
func (h *smallHost) replace(wasm []byte, version string) (ms float64, err error) {
	name, patched := named(wasm, 0)
	file := filepath.Join(h.dir, "plugins", name+".wasm")
	aside := filepath.Join(h.dir, "next")
	if err := os.WriteFile(aside, patched, 0o600); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := os.Rename(aside, file); err != nil {
		return 0, err
	}
	for time.Since(start) < time.Minute {
		answer, err := h.call(context.Background(), name+"_version", nil)
		if err != nil {
			return 0, err
		}
		if string(answer) == version {
			return float64(time.Since(start).Microseconds()) / 1000, nil
		}
		time.Sleep(time.Millisecond)
	}
	return 0, fmt.Errorf("version %s does not answer a minute after its file was written", version)
}
