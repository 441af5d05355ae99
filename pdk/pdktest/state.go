// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

// file is one file of the plugin's folder.
type file struct {
	data     []byte
	modified time.Time
}

// WriteFile puts a file into the plugin's folder.
func (h *Host) WriteFile(name string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[path.Clean(name)] = file{slices.Clone(data), time.Now()}
}

// File is the content of a file in the plugin's folder, and whether there is one.
func (h *Host) File(name string) ([]byte, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, ok := h.files[path.Clean(name)]
	return slices.Clone(f.data), ok
}

// clean checks a path and the right to it, and returns its one spelling ("." for the folder).
func (c *call) clean(name string, write bool) (string, error) {
	if g := c.h.Grants; g != nil {
		if g.Files == "" {
			return "", forbidden("files", "files: read")
		}
		if write && g.Files != abi.FilesWrite {
			return "", forbidden("change files", "files: write")
		}
	}
	p := path.Clean(name)
	if strings.HasPrefix(p, "/") || p == ".." || strings.HasPrefix(p, "../") || strings.ContainsAny(p, "\\\x00") {
		return "", pdk.Invalid("path", "%q leads out of the plugin's folder; use a relative path with slashes", name)
	}
	return p, nil
}

func noFile(name string) error { return pdk.Errorf(abi.CodeNotFound, "no file %q", name) }

func (c *call) fileRead(req abi.FileRequest) (*abi.FileData, error) {
	name, err := c.clean(req.Path, false)
	if err != nil {
		return nil, err
	}
	data, ok := c.h.File(name)
	if !ok {
		return nil, noFile(name)
	}
	return &abi.FileData{Data: data}, nil
}

func (c *call) fileWrite(req abi.FileWrite) (*abi.FileInfo, error) {
	name, err := c.clean(req.Path, true)
	if err != nil {
		return nil, err
	}
	if name == "." {
		return nil, pdk.Invalid("path", "it is the plugin's folder; name a file in it")
	}
	c.h.WriteFile(name, req.Data)
	return c.stat(name)
}

func (c *call) stat(name string) (*abi.FileInfo, error) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if f, ok := c.h.files[name]; ok {
		return &abi.FileInfo{Name: path.Base(name), Size: int64(len(f.data)), Modified: f.modified.UTC().Format(time.RFC3339)}, nil
	}
	if name == "." {
		return &abi.FileInfo{Name: ".", Dir: true}, nil
	}
	for other, f := range c.h.files {
		if strings.HasPrefix(other, name+"/") {
			return &abi.FileInfo{Name: path.Base(name), Dir: true, Modified: f.modified.UTC().Format(time.RFC3339)}, nil
		}
	}
	return nil, noFile(name)
}

func (c *call) fileStat(req abi.FileRequest) (*abi.FileInfo, error) {
	name, err := c.clean(req.Path, false)
	if err != nil {
		return nil, err
	}
	return c.stat(name)
}

func (c *call) fileList(req abi.FileRequest) (*abi.FileList, error) {
	dir, err := c.clean(req.Path, false)
	if err != nil {
		return nil, err
	}
	info, err := c.stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.Dir {
		return nil, pdk.Invalid("path", "%q is a file; list a folder", dir)
	}
	out := &abi.FileList{Entries: []abi.FileInfo{}}
	for _, name := range c.h.children(dir) {
		info, err := c.stat(path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, *info)
	}
	return out, nil
}

func (h *Host) children(dir string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for name := range h.files {
		if dir != "." {
			rest, ok := strings.CutPrefix(name, dir+"/")
			if !ok {
				continue
			}
			name = rest
		}
		name, _, _ = strings.Cut(name, "/")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *call) fileDelete(req abi.FileRequest) (nothing, error) {
	name, err := c.clean(req.Path, true)
	if err != nil {
		return nothing{}, err
	}
	info, err := c.stat(name)
	switch {
	case err != nil:
		return nothing{}, err
	case info.Dir:
		return nothing{}, pdk.Errorf(abi.CodeConflict, "the folder %q is not empty", name)
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	delete(c.h.files, name)
	return nothing{}, nil
}

// entry is one entry of the plugin's key-value space.
type entry struct {
	value    []byte
	revision uint64
	ends     time.Time
}

// look finds a live entry; h.mu is held.
func (h *Host) look(key string) (entry, bool) {
	e, ok := h.kv[key]
	if ok && !e.ends.IsZero() && time.Now().After(e.ends) {
		return entry{}, false
	}
	return e, ok
}

func (c *call) kvAllowed(key string) error {
	if g := c.h.Grants; g != nil && !g.KV {
		return forbidden("a key-value space", "kv: true")
	}
	if len(key) < 1 || len(key) > 512 {
		return pdk.Invalid("key", "it has %d bytes; give 1 to 512", len(key))
	}
	return nil
}

func (c *call) kvGet(req abi.KVRequest) (*abi.KVEntry, error) {
	if err := c.kvAllowed(req.Key); err != nil {
		return nil, err
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	e, ok := c.h.look(req.Key)
	if !ok {
		return nil, pdk.Errorf(abi.CodeNotFound, "no entry %q", req.Key)
	}
	return &abi.KVEntry{Key: req.Key, Value: e.value, Revision: e.revision}, nil
}

func (c *call) kvPut(req abi.KVPut) (*abi.KVEntry, error) {
	if err := c.kvAllowed(req.Key); err != nil {
		return nil, err
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	old, _ := c.h.look(req.Key)
	if req.IfRevision != nil && *req.IfRevision != old.revision {
		return nil, pdk.Errorf(abi.CodeConflict, "entry %q has revision %d, not %d", req.Key, old.revision, *req.IfRevision)
	}
	c.h.rev++
	e := entry{value: slices.Clone(req.Value), revision: c.h.rev}
	if req.TTLMS > 0 {
		e.ends = time.Now().Add(time.Duration(req.TTLMS) * time.Millisecond)
	}
	c.h.kv[req.Key] = e
	return &abi.KVEntry{Key: req.Key, Revision: e.revision}, nil
}

func (c *call) kvDelete(req abi.KVRequest) (nothing, error) {
	if err := c.kvAllowed(req.Key); err != nil {
		return nothing{}, err
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	delete(c.h.kv, req.Key)
	return nothing{}, nil
}

func (c *call) kvList(req abi.KVList) (*abi.KVPage, error) {
	if err := c.kvAllowed("-"); err != nil {
		return nil, err
	}
	limit := req.Limit
	switch {
	case limit < 0 || limit > 1000:
		return nil, pdk.Invalid("limit", "%d is not 1 to 1000", limit)
	case limit == 0:
		limit = 100
	}
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	var keys []string
	for key := range c.h.kv {
		if _, live := c.h.look(key); live && strings.HasPrefix(key, req.Prefix) && key > req.Cursor {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	page := &abi.KVPage{Entries: []abi.KVEntry{}}
	if len(keys) > limit {
		keys, page.Next = keys[:limit], keys[limit-1]
	}
	for _, key := range keys {
		page.Entries = append(page.Entries, abi.KVEntry{Key: key, Revision: c.h.kv[key].revision})
	}
	return page, nil
}
