// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/gantryhost/gantry/host"
)

// loopTurns is how often the tight loop turns in one call.
const loopTurns = 5_000_000

// echoGuest is the echo in one language: on the contract, and of Extism's kind.
type echoGuest struct {
	language       string
	native, extism []byte
}

func (b *bench) echoGuests() ([]echoGuest, error) {
	native, err := b.build("echo")
	if err != nil {
		return nil, err
	}
	ext, err := b.build("extism")
	return []echoGuest{{"C", smallEcho(loopTurns), smallExtism()}, {"Go", native, ext}}, err
}

var sizes = []struct {
	name  string
	bytes int
}{{"20 B", 20}, {"1 kB", 1 << 10}, {"16 kB", 16 << 10}, {"256 kB", 256 << 10}}

// echoes compares a warm call with Extism's SDK, with the reset and, since Extism puts nothing back,
// without; and without the reset with wazero alone.
func echoes(b *bench) ([]row, error) {
	guests, err := b.echoGuests()
	if err != nil {
		return nil, err
	}
	var versusExtism, alike, versusBare []row
	for _, g := range guests {
		for _, size := range sizes {
			us, err := b.echo(g, bytes.Repeat([]byte("x"), size.bytes))
			if err != nil {
				return nil, fmt.Errorf("%s guest, %s: %w", g.language, size.name, err)
			}
			versusExtism = append(versusExtism, cheaper(fmt.Sprintf("echo %s, %s guest, call + reset, against Extism's Go SDK", size.name, g.language),
				"µs", us["ours"], us["extism"], 50))
			alike = append(alike, cheaper(fmt.Sprintf("echo %s, %s guest, reset excluded, against Extism's Go SDK", size.name, g.language),
				"µs", us["shared"], us["extism"], 50))
			versusBare = append(versusBare, dearer(fmt.Sprintf("echo %s, %s guest, reset excluded, against bare wazero", size.name, g.language),
				"µs", us["shared"], us["bare"], 3))
		}
	}
	return slices.Concat(versusExtism, alike, versusBare), nil
}

// echo returns microseconds by subject.
func (b *bench) echo(g echoGuest, input []byte) (map[string]float64, error) {
	ours, err := b.load(g.native, host.IsolationCall)
	if err != nil {
		return nil, err
	}
	shared, err := b.load(g.native, host.IsolationShared)
	if err != nil {
		return nil, err
	}
	alone, err := b.openBare(g.native, false)
	if err != nil {
		return nil, err
	}
	bare, err := alone.calling("bare", 0, input, input)
	if err != nil {
		return nil, err
	}
	ext, err := b.onExtism("extism", g.extism, input)
	if err != nil {
		return nil, err
	}
	return b.micro(b.calling("ours", ours, 0, input, input), b.calling("shared", shared, 0, input, input), bare, ext)
}

func (b *bench) micro(subjects ...subject) (map[string]float64, error) {
	took, err := b.contest.run(subjects...)
	for name := range took {
		took[name] /= 1000
	}
	return took, err
}

// fresh compares a call with its reset with a call on a new instance, of wazero alone and of Extism's
// SDK: as they are, and, as ours is, with a deadline that ends what runs away.
func fresh(b *bench) ([]row, error) {
	guests, err := b.echoGuests()
	if err != nil {
		return nil, err
	}
	var rows []row
	for i, g := range guests {
		more, err := b.renewals(g, []float64{100, 1000}[i])
		if err != nil {
			return nil, fmt.Errorf("%s guest: %w", g.language, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (b *bench) renewals(g echoGuest, target float64) ([]row, error) {
	input := bytes.Repeat([]byte("x"), 1<<10)
	ours, err := b.load(g.native, host.IsolationCall)
	if err != nil {
		return nil, err
	}
	baselines := []struct {
		wazero, extism string
		stoppable      bool
	}{
		{"bare wazero", "Extism's Go SDK", false},
		{"wazero with its own interruption", "Extism's Go SDK with a timeout", true},
	}
	subjects := []subject{b.calling("ours", ours, 0, input, input)}
	for _, base := range baselines {
		alone, err := b.openBare(g.native, base.stoppable)
		if err != nil {
			return nil, err
		}
		ext, err := b.renewingExtism(base.extism, g.extism, input, base.stoppable)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, alone.renewing(base.wazero, input), ext)
	}
	us, err := b.micro(subjects...)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, s := range subjects[1:] {
		rows = append(rows, cheaper(fmt.Sprintf("echo 1 kB, %s guest, call + reset, against a new instance + call of %s", g.language, s.name),
			"µs", us["ours"], us[s.name], target))
	}
	return rows, nil
}

// interruptible compares what interruption costs with unprotected wazero: ours and wazero's own.
func interruptible(b *bench) ([]row, error) {
	work, err := b.build("work")
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, s := range []struct {
		name   string
		wasm   []byte
		tool   int
		target float64
	}{
		{"a Go program (sha256, JSON, regexp, sort)", work, 0, 1.10},
		{"a tight loop", smallEcho(loopTurns), 1, 2.5},
	} {
		us, err := b.stopping(s.wasm, s.tool)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		stock := dearer(s.name+": wazero's own interruption", "ms", us["stock"]/1000, us["bare"]/1000, s.target)
		rows = append(rows, dearer(s.name+": interruptible", "ms", us["ours"]/1000, us["bare"]/1000, s.target), stock)
	}
	return rows, nil
}

func (b *bench) stopping(wasm []byte, tool int) (map[string]float64, error) {
	g, err := b.load(wasm, host.IsolationShared)
	if err != nil {
		return nil, err
	}
	subjects := []subject{b.calling("ours", g, tool, nil, nil)}
	for name, stoppable := range map[string]bool{"bare": false, "stock": true} {
		alone, err := b.openBare(wasm, stoppable)
		if err != nil {
			return nil, err
		}
		s, err := alone.calling(name, tool, nil, nil)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, s)
	}
	return b.micro(subjects...)
}
