// Copyright 2026 The Gantry Authors.

package memory_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/memory"
)

// TestMemoryAgreesWithAModel plays random changes of several users against maps: whatever happens to
// one, each sees exactly their own files, by reading, listing and searching.
func TestMemoryAgreesWithAModel(t *testing.T) {
	s := service(t, memory.Config{})
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		people := []*host.Principal{who(tenant(run, "a"), "ann"), who(tenant(run, "a"), ""), who(tenant(run, "b"), "ann")}
		m := &model{t: r, s: s, people: people, files: make([]map[string]string, len(people)), revs: map[string]uint64{}}
		for i := range m.files {
			m.files[i] = map[string]string{}
		}
		r.Repeat(map[string]func(*rapid.T){"write": m.write, "append": m.append, "delete": m.delete, "": m.check})
	})
}

func tenant(run int, name string) host.TenantID {
	return host.TenantID(fmt.Sprintf("t%d-%s", run, name))
}

type model struct {
	t      *rapid.T
	s      *memory.Service
	people []*host.Principal
	files  []map[string]string
	// revs are the last revisions seen of person/path, also of deleted files.
	revs map[string]uint64
}

func (m *model) draw(r *rapid.T) (i int, path, name string) {
	i = rapid.IntRange(0, len(m.people)-1).Draw(r, "person")
	path = rapid.StringMatching(`[abü](/[ab]|[ab])?`).Draw(r, "path")
	return i, path, fmt.Sprint(i, " ", path)
}

func text(r *rapid.T) string {
	if rapid.IntRange(0, 9).Draw(r, "long") == 0 {
		return strings.Repeat("long text\n", 900)
	}
	return rapid.StringMatching(`[a-c ü\n]{0,12}`).Draw(r, "text")
}

// grows checks that each revision is greater than all before it.
func (m *model) grows(r *rapid.T, name string, info abi.MemoryInfo, err error) {
	if err != nil {
		r.Fatal(err)
	}
	if info.Revision <= m.revs[name] {
		r.Fatalf("revision %d after %d", info.Revision, m.revs[name])
	}
	m.revs[name] = info.Revision
}

func (m *model) write(r *rapid.T) {
	i, path, name := m.draw(r)
	content := text(r)
	info, err := m.s.Write(m.t.Context(), m.people[i], abi.MemoryWrite{Path: path, Content: content})
	m.grows(r, name, info, err)
	m.files[i][path] = content
}

func (m *model) append(r *rapid.T) {
	i, path, name := m.draw(r)
	add := rapid.StringMatching(`[a-c\n]{0,4}`).Draw(r, "add")
	if len(m.files[i][path]) > 20_000 {
		return
	}
	info, err := m.s.Append(m.t.Context(), m.people[i], abi.MemoryAppend{Path: path, Content: add})
	m.grows(r, name, info, err)
	m.files[i][path] += add
}

func (m *model) delete(r *rapid.T) {
	i, path, _ := m.draw(r)
	err := m.s.Delete(m.t.Context(), m.people[i], abi.MemoryDelete{Path: path})
	if _, there := m.files[i][path]; there != (err == nil) || err != nil && host.CodeOf(err) != abi.CodeNotFound {
		r.Fatalf("there %t, deleted with %v", there, err)
	}
	delete(m.files[i], path)
}

func (m *model) check(r *rapid.T) {
	prefix := rapid.SampledFrom([]string{"", "a", "a/", "b", "ü"}).Draw(r, "prefix")
	limit := rapid.IntRange(1, 4).Draw(r, "limit")
	for i, p := range m.people {
		var want []string
		for _, path := range slices.Sorted(maps.Keys(m.files[i])) {
			if strings.HasPrefix(path, prefix) {
				want = append(want, path)
			}
			f, err := m.s.Read(m.t.Context(), p, abi.MemoryRead{Path: path})
			if err != nil || f.Content != m.files[i][path] {
				r.Fatalf("%d %s: read %d bytes, want %d; %v", i, path, len(f.Content), len(m.files[i][path]), err)
			}
		}
		var got []string
		for list := (abi.MemoryList{Prefix: prefix, Limit: limit}); ; {
			page, err := m.s.List(m.t.Context(), p, list)
			if err != nil || len(page.Entries) > limit {
				r.Fatalf("got %v, %v", page, err)
			}
			for _, e := range page.Entries {
				got = append(got, e.Path)
			}
			if list.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			r.Fatalf("below %q: listed %q, want %q", prefix, got, want)
		}
		m.checkSearch(r, i, prefix)
	}
}

func (m *model) checkSearch(r *rapid.T, i int, prefix string) {
	word := rapid.StringMatching(`[a-cü]{1,2}`).Draw(r, "word")
	want := map[string]bool{}
	for path, text := range m.files[i] {
		if strings.HasPrefix(path, prefix) && (strings.Contains(text, word) || strings.Contains(path, word)) {
			want[path] = true
		}
	}
	hits, err := m.s.Search(m.t.Context(), m.people[i], abi.MemorySearch{Query: strings.ToUpper(word), Prefix: prefix, Limit: 50})
	if err != nil || hits.Partial != "" || hits.More {
		r.Fatalf("got %+v, %v", hits, err)
	}
	for _, hit := range hits.Hits {
		if !want[hit.Path] {
			r.Fatalf("%q was found for %q", hit.Path, word)
		}
		delete(want, hit.Path)
	}
	if len(want) > 0 {
		r.Fatalf("%v were not found for %q", want, word)
	}
}
