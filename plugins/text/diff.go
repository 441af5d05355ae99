// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"strings"

	"github.com/gantryhost/gantry/pdk"
)

const diffDoc = "Compare two texts line by line and return a unified diff (as diff -u and git write it), with counts of " +
	"added and removed lines. The diff is empty where the texts are equal. At most 50,000 lines each."

const maxDiffLines = 50_000

type diffIn struct {
	Before  string `json:"before" doc:"The old text"`
	After   string `json:"after" doc:"The new text"`
	Context int    `json:"context,omitempty" doc:"Unchanged lines to show around each change" minimum:"0" maximum:"100" default:"3"`
	From    string `json:"from,omitempty" doc:"Name of the old text in the header" default:"before" maxLength:"200"`
	To      string `json:"to,omitempty" doc:"Name of the new text in the header" default:"after" maxLength:"200"`
}

type diffOut struct {
	Diff    string `json:"diff" doc:"The unified diff, empty where nothing differs"`
	Added   int    `json:"added" doc:"Lines only in the new text"`
	Removed int    `json:"removed" doc:"Lines only in the old text"`
	Equal   bool   `json:"equal" doc:"Whether the texts are the same"`
}

func diffTexts(_ *pdk.Context, in diffIn) (diffOut, error) {
	a, b := splitLines(in.Before), splitLines(in.After)
	switch {
	case len(a) > maxDiffLines:
		return diffOut{}, pdk.Invalid("before", "it has %d lines; give at most %d", len(a), maxDiffLines)
	case len(b) > maxDiffLines:
		return diffOut{}, pdk.Invalid("after", "it has %d lines; give at most %d", len(b), maxDiffLines)
	}
	script := compare(a, b)
	out := diffOut{Equal: in.Before == in.After}
	for _, e := range script {
		switch e.op {
		case '+':
			out.Added++
		case '-':
			out.Removed++
		}
	}
	if !out.Equal {
		out.Diff = unified(script, in)
	}
	return out, nil
}

// splitLines keeps the line ends: a last line without one is a line of its own kind.
func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// edit is one line of a script from one text to the other: op is ' ', '-' or '+'.
type edit struct {
	op   byte
	line string
}

// unified writes a script in hunks.
func unified(script []edit, in diffIn) string {
	var sb strings.Builder
	fmt.Fprintf(&sb, "--- %s\n+++ %s\n", header(in.From), header(in.To))
	oldLine, newLine, at := 1, 1, 0 // at is how far the line numbers have been counted
	for _, h := range hunks(script, in.Context) {
		for ; at < h.start; at++ {
			oldLine++
			newLine++
		}
		var oldCount, newCount int
		for _, e := range script[h.start:h.end] {
			if e.op != '+' {
				oldCount++
			}
			if e.op != '-' {
				newCount++
			}
		}
		fmt.Fprintf(&sb, "@@ -%s +%s @@\n", span(oldLine, oldCount), span(newLine, newCount))
		for _, e := range script[h.start:h.end] {
			sb.WriteByte(e.op)
			sb.WriteString(e.line)
			if !strings.HasSuffix(e.line, "\n") {
				sb.WriteString("\n\\ No newline at end of file\n")
			}
		}
		oldLine, newLine, at = oldLine+oldCount, newLine+newCount, h.end
	}
	return sb.String()
}

// header keeps a name from breaking the header's line.
func header(name string) string { return strings.Join(strings.Fields(name), " ") }

func span(line, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", line-1) // by convention the line before
	case 1:
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, count)
}

// hunk is a stretch of a script; between hunks there are only unchanged lines.
type hunk struct{ start, end int }

func hunks(script []edit, context int) []hunk {
	var out []hunk
	for i, e := range script {
		if e.op == ' ' {
			continue
		}
		start, end := max(0, i-context), min(len(script), i+1+context)
		if n := len(out); n > 0 && start <= out[n-1].end {
			out[n-1].end = end
		} else {
			out = append(out, hunk{start, end})
		}
	}
	return out
}
