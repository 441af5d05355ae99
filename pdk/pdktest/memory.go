// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

// memo is one file of the user's memory.
type memo struct {
	content  string
	revision uint64
	modified time.Time
}

func (m memo) info(name string) abi.MemoryInfo {
	return abi.MemoryInfo{Path: name, Size: int64(len(m.content)), Revision: m.revision, Modified: m.modified.UTC().Format(time.RFC3339)}
}

// Remember puts a file into the memory of the test's user. A test host has that one user; its search
// knows plain words.
func (h *Host) Remember(name, content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keep(memoryPath(name), content)
}

// Remembered is the content of a file of the user's memory, and whether there is one.
func (h *Host) Remembered(name string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, ok := h.memory[memoryPath(name)]
	return m.content, ok
}

// keep writes a file; h.mu is held.
func (h *Host) keep(name, content string) abi.MemoryInfo {
	if h.memory == nil {
		h.memory = map[string]memo{}
	}
	h.rev++
	h.memory[name] = memo{content, h.rev, time.Now()}
	return h.memory[name].info(name)
}

func memoryPath(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// memoryName checks the right to the memory and a file's path, and returns the path's one spelling.
func (c *call) memoryName(name string, write bool) (string, error) {
	if err := c.memoryAllowed(write); err != nil {
		return "", err
	}
	if len(name) > 512 || slices.Contains(strings.Split(name, "/"), "..") || strings.ContainsAny(name, "\\\x00") || strings.HasSuffix(name, "/") {
		return "", pdk.Invalid("path", "%q is no path of a file; write parts with slashes between", name)
	}
	p := memoryPath(name)
	if p == "" {
		return "", pdk.Invalid("path", "it is empty")
	}
	return p, nil
}

func (c *call) memoryAllowed(write bool) error {
	g := c.h.Grants
	switch {
	case g == nil || g.Memory == abi.MemoryRightWrite:
		return nil
	case g.Memory == "":
		return forbidden("memory", "memory: read")
	case write:
		return forbidden("change memory", "memory: write")
	}
	return nil
}

func noMemory(name string) *pdk.Error {
	return pdk.Errorf(abi.CodeNotFound, "there is no file %q in memory", name)
}

func (c *call) memoryRead(req abi.MemoryRead) (*abi.MemoryFile, error) {
	name, err := c.memoryName(req.Path, false)
	if err != nil {
		return nil, err
	}
	c.h.mu.Lock()
	m, ok := c.h.memory[name]
	c.h.mu.Unlock()
	switch size := int64(len(m.content)); {
	case !ok:
		return nil, noMemory(name)
	case req.Offset < 0 || req.Offset > size:
		return nil, pdk.Invalid("offset", "%d is not in the file; it has %d bytes", req.Offset, size)
	case req.Limit < 0:
		return nil, pdk.Invalid("limit", "%d is negative", req.Limit)
	}
	start, end := wholeRune(m.content, int(req.Offset)), len(m.content)
	if req.Limit > 0 && int64(start)+req.Limit < int64(end) {
		end = max(wholeRune(m.content, start+int(req.Limit)), start)
	}
	out := &abi.MemoryFile{MemoryInfo: m.info(name), Content: m.content[start:end], Offset: int64(start)}
	if end < len(m.content) {
		out.Next = int64(end)
	}
	return out, nil
}

func (c *call) memoryReadMany(req abi.MemoryReadMany) (*abi.MemoryFiles, error) {
	if n := len(req.Paths); n < 1 || n > abi.MaxMemoryPaths {
		return nil, pdk.Invalid("paths", "there are %d; give 1 to %d", n, abi.MaxMemoryPaths)
	}
	room := req.Limit
	if room == 0 {
		room = 1 << 20
	}
	out := &abi.MemoryFiles{Files: []abi.MemoryResult{}}
	for _, name := range req.Paths {
		r := abi.MemoryResult{Path: name}
		f, err := c.memoryRead(abi.MemoryRead{Path: name})
		switch {
		case err != nil:
			if !errors.As(err, &r.Error) {
				return nil, err
			}
		case f.Size > room:
			r.Error = pdk.Errorf(abi.CodeLimit, "%q has %d bytes, and %d are left", name, f.Size, room)
		default:
			r.File, room = f, room-f.Size
		}
		out.Files = append(out.Files, r)
	}
	return out, nil
}

// memories are the paths that begin with prefix, in order; h.mu is held.
func (h *Host) memories(prefix string) []string {
	var names []string
	for name := range h.memory {
		if strings.HasPrefix(name, strings.TrimLeft(prefix, "/")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (c *call) memoryList(req abi.MemoryList) (*abi.MemoryPage, error) {
	if err := c.memoryAllowed(false); err != nil {
		return nil, err
	}
	if req.Limit < 0 || req.Limit > 1000 {
		return nil, pdk.Invalid("limit", "%d is not 1 to 1000", req.Limit)
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	names := c.h.memories(req.Prefix)
	from, to, next, err := pageOf(len(names), req.Cursor, req.Limit, 100)
	if err != nil {
		return nil, err
	}
	page := &abi.MemoryPage{Entries: []abi.MemoryInfo{}, Next: next}
	for _, name := range names[from:to] {
		page.Entries = append(page.Entries, c.h.memory[name].info(name))
	}
	return page, nil
}

// expects tells whether the file has the revision wanted; h.mu is held.
func (h *Host) expects(name string, want *uint64) error {
	if have := h.memory[name].revision; want != nil && *want != have {
		return pdk.With(pdk.Errorf(abi.CodeConflict, "file %q has revision %d, not %d", name, have, *want),
			pdk.More{Details: map[string]any{"path": name, "revision": have}})
	}
	return nil
}

func (c *call) memoryWrite(req abi.MemoryWrite) (*abi.MemoryInfo, error) {
	name, err := c.memoryName(req.Path, true)
	if err != nil {
		return nil, err
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if err := c.h.expects(name, req.IfRevision); err != nil {
		return nil, err
	}
	info := c.h.keep(name, req.Content)
	return &info, nil
}

func (c *call) memoryAppend(req abi.MemoryAppend) (*abi.MemoryInfo, error) {
	name, err := c.memoryName(req.Path, true)
	if err != nil {
		return nil, err
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if err := c.h.expects(name, req.IfRevision); err != nil {
		return nil, err
	}
	text := c.h.memory[name].content
	if req.NewLine && text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	info := c.h.keep(name, text+req.Content)
	return &info, nil
}

func (c *call) memoryDelete(req abi.MemoryDelete) (nothing, error) {
	name, err := c.memoryName(req.Path, true)
	if err != nil {
		return nothing{}, err
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if err := c.h.expects(name, req.IfRevision); err != nil {
		return nothing{}, err
	}
	if _, ok := c.h.memory[name]; !ok {
		return nothing{}, noMemory(name)
	}
	delete(c.h.memory, name)
	return nothing{}, nil
}

func (c *call) memorySearch(req abi.MemorySearch) (*abi.MemoryHits, error) {
	if err := c.memoryAllowed(false); err != nil {
		return nil, err
	}
	words := strings.Fields(strings.ToLower(req.Query))
	switch {
	case len(words) == 0:
		return nil, pdk.Invalid("query", "it has no words")
	case req.Limit < 0 || req.Limit > 50:
		return nil, pdk.Invalid("limit", "%d is not 1 to 50", req.Limit)
	case req.Limit == 0:
		req.Limit = 10
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	hits := &abi.MemoryHits{Hits: []abi.MemoryHit{}}
	for _, name := range c.h.memories(req.Prefix) {
		m := c.h.memory[name]
		if !hasAll(name+"\n"+m.content, words) {
			continue
		}
		if hits.More = len(hits.Hits) == req.Limit; hits.More {
			break
		}
		hits.Hits = append(hits.Hits, m.hit(name, words))
	}
	return hits, nil
}

func hasAll(text string, words []string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// hit is the file with the first lines that have a word.
func (m memo) hit(name string, words []string) abi.MemoryHit {
	hit := abi.MemoryHit{MemoryInfo: m.info(name)}
	for i, line := range strings.Split(m.content, "\n") {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(line), w) }) {
			if hit.Matches++; hit.Matches <= 3 {
				hit.Lines = append(hit.Lines, abi.MemoryLine{Line: i + 1, Text: line})
			}
		}
	}
	return hit
}
