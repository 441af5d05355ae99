// Copyright 2026 The Gantry Authors.

package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
)

// keepVersions is how many versions of a plugin the history holds.
const keepVersions = 5

// Version is one build of a plugin that was served.
type Version struct {
	Digest string `json:"digest"`
	// Version is what the manifest said of itself.
	Version string `json:"version,omitempty"`
	// Source is where the build came from when it was first served.
	Source string `json:"source"`
	// ServedAt is when it last became the newest version; a rollback to it does not count.
	ServedAt time.Time `json:"served_at"`
	// Wants is what it asked for; nil where that was not noted.
	Wants *abi.Rights `json:"wants,omitempty"`
}

// pin holds a plugin at an older version. It is made over the build its source had, and ends when
// the source holds a build that is neither of the two.
type pin struct {
	Digest string `json:"digest"`
	Over   string `json:"over"`
}

// record is a plugin's index file: its versions, oldest first, and the pin, nil where there is none.
type record struct {
	Versions []Version `json:"versions"`
	Pin      *pin      `json:"pin,omitempty"`
}

// history is the folder of served versions: NAME/<hex>.wasm and NAME/index.json. The zero value
// keeps nothing on disk. A plugin's files are touched by one goroutine at a time.
//
// Embedded builds are listed but not copied: the program holds them anyway, and copying them would
// make a first start slow.
type history struct {
	dir string
}

func (h history) module(name, digest string) string {
	return filepath.Join(h.dir, name, strings.TrimPrefix(digest, "sha256:")+".wasm")
}

func (h history) index(name string) string { return filepath.Join(h.dir, name, "index.json") }

// load returns the record of a plugin, an empty one where nothing was kept. An index that does not
// parse is an error; the plugin is served all the same.
func (h history) load(name string) (record, error) {
	var rec record
	if h.dir == "" {
		return rec, nil
	}
	data, err := os.ReadFile(h.index(name))
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &rec)
	}
	if err == nil {
		err = rec.check()
	}
	if err != nil {
		return record{}, fmt.Errorf("history of %s: %w", name, err)
	}
	return rec, nil
}

// check keeps a damaged index from naming files outside the history.
func (rec *record) check() error {
	for _, v := range rec.Versions {
		if !validDigest(v.Digest) {
			return fmt.Errorf("index.json: %q is not a digest", v.Digest)
		}
	}
	if rec.Pin != nil && !validDigest(rec.Pin.Digest) {
		return fmt.Errorf("index.json: pin: %q is not a digest", rec.Pin.Digest)
	}
	return nil
}

func validDigest(d string) bool {
	digits, ok := strings.CutPrefix(d, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// add makes v the newest version and drops the oldest over the bound; the pinned one stays.
func (rec record) add(v Version) record {
	out := record{Pin: rec.Pin}
	for _, old := range rec.Versions {
		if old.Digest != v.Digest {
			out.Versions = append(out.Versions, old)
		}
	}
	out.Versions = append(out.Versions, v)
	for i := 0; len(out.Versions) > keepVersions; {
		if out.Pin != nil && out.Versions[i].Digest == out.Pin.Digest {
			i++
			continue
		}
		out.Versions = slices.Delete(out.Versions, i, i+1)
	}
	return out
}

// find resolves what an operator typed: a digest, or at least 6 digits of its beginning.
func (rec *record) find(digest string) (Version, bool) {
	want := strings.TrimPrefix(digest, "sha256:")
	var found []Version
	for _, v := range rec.Versions {
		if len(want) >= 6 && strings.HasPrefix(strings.TrimPrefix(v.Digest, "sha256:"), want) {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		return Version{}, false
	}
	return found[0], true
}

// before is the version that was served before the given one.
func (rec *record) before(digest string) (Version, bool) {
	i := slices.IndexFunc(rec.Versions, func(v Version) bool { return v.Digest == digest })
	if i < 1 {
		return Version{}, false
	}
	return rec.Versions[i-1], true
}

// save writes the index and removes the modules it does not list. A durable one is on the disk when
// it returns: a rollback is a person's word, a list of versions is not.
func (h history) save(name string, rec record, durable bool) error {
	if h.dir == "" {
		return nil
	}
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return fmt.Errorf("history of %s: %w", name, err)
	}
	if err := os.MkdirAll(filepath.Dir(h.index(name)), 0o700); err != nil {
		return fmt.Errorf("history of %s: %w", name, err)
	}
	if err := writeFile(h.index(name), append(data, '\n'), writeOptions{0o600, durable}); err != nil {
		return fmt.Errorf("history of %s: %w", name, err)
	}
	return h.prune(name, rec)
}

func (h history) prune(name string, rec record) error {
	entries, err := os.ReadDir(filepath.Join(h.dir, name))
	if err != nil {
		return fmt.Errorf("history of %s: %w", name, err)
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".wasm")
		listed := slices.ContainsFunc(rec.Versions, func(v Version) bool { return v.Digest == "sha256:"+digits })
		if ok && !listed {
			err = errors.Join(err, os.Remove(filepath.Join(h.dir, name, e.Name())))
		}
	}
	return err
}

// keep copies a module; one that is there already, whole, is left as it is. It does not wait for the disk:
// read sees by the digest what a power cut has left half-written.
func (h history) keep(name, digest string, wasm []byte) error {
	if h.dir == "" {
		return nil
	}
	path := h.module(name, digest)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(wasm)) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("history of %s: %w", name, err)
	}
	if err := writeFile(path, wasm, writeOptions{mode: 0o600}); err != nil {
		return fmt.Errorf("history of %s: %w", name, err)
	}
	return nil
}

// read returns a kept module, and an error for one whose bytes are not those that were served.
func (h history) read(name, digest string) ([]byte, error) {
	if h.dir == "" {
		return nil, errors.New("this host keeps no versions")
	}
	wasm, err := os.ReadFile(h.module(name, digest))
	if err != nil {
		return nil, fmt.Errorf("the version %s is not kept any more: %w", short(digest), err)
	}
	if digestOf(wasm) != digest {
		return nil, fmt.Errorf("the kept version %s is damaged on disk", short(digest))
	}
	return wasm, nil
}

// writeFile puts a file in place whole or not at all. The name it writes to first begins with a
// dot, so that a folder being watched does not see it.
func writeFile(path string, data []byte, o writeOptions) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	_, err = f.Write(data)
	if o.durable && err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Chmod(o.mode), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

type writeOptions struct {
	mode    os.FileMode
	durable bool
}

// short is a digest for people.
func short(digest string) string {
	return strings.TrimPrefix(digest, "sha256:")[:min(12, len(strings.TrimPrefix(digest, "sha256:")))]
}

// A release of a plugin is told by its manifest.
func versionOf(p *Plugin, m *abi.Manifest) Version {
	return Version{Digest: p.Digest, Version: m.Version, Source: p.Source, ServedAt: p.LoadedAt, Wants: &m.Wants}
}

// newest tells whether the digest is that of the newest version.
func (rec *record) newest(digest string) bool {
	return len(rec.Versions) > 0 && rec.Versions[len(rec.Versions)-1].Digest == digest
}
