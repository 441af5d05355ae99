// Copyright 2026 The Gantry Authors.

package skills

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Entry is a skill as SEP-2640 lists it. Files are all of its files, SKILL.md the first.
type Entry struct {
	URI         string
	Frontmatter map[string]any
	Files       []EntryFile
}

// EntryFile is one file of an Entry.
type EntryFile struct {
	URI, Digest string
	Size        int
}

// Serves tells whether a principal sees skills at all.
func (s *Service) Serves(p *host.Principal) bool {
	_, ok := mayRead(host.WithPrincipal(context.Background(), p))
	return ok
}

// Entries are the skills that the context's principal sees and that SEP-2640 has a name for, in
// order of their URIs. Its names have no underscore and no two hyphens side by side, which ids may:
// the skills of other ids are resources only.
func (s *Service) Entries(ctx context.Context) []Entry {
	var out []Entry
	for _, b := range s.shown(ctx) {
		if strings.Contains(b.ID, "_") || strings.Contains(b.ID, "--") || strings.HasSuffix(b.ID, "-") {
			continue
		}
		e := Entry{URI: uriOf(b.ID, manifestName), Frontmatter: b.frontmatter()}
		for _, f := range append([]File{b.manifest}, b.Files...) {
			e.Files = append(e.Files, EntryFile{URI: uriOf(b.ID, f.Path), Digest: f.Digest, Size: f.Size})
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.URI, b.URI) }) // ids sort otherwise: a hyphen comes before a slash
	return out
}

// Directory lists what lies right in a skill's folder, or in one below it, folders as
// inode/directory; abi.CodeNotFound for what is none of them.
func (s *Service) Directory(ctx context.Context, uri string) ([]abi.Resource, error) {
	missing := host.Errorf("skills.Directory", abi.CodeNotFound, "there is no folder %q here", clip(uri))
	id, dir, ok := parseURI(strings.TrimSuffix(uri, "/"))
	if !ok {
		return nil, missing
	}
	var found *book
	for _, b := range s.shown(ctx) {
		if b.ID == id {
			found = b
		}
	}
	if found == nil {
		return nil, missing
	}
	below := ""
	if dir != "" {
		below = dir + "/"
	}
	var out []abi.Resource
	last := ""
	for _, f := range append([]File{found.manifest}, found.Files...) {
		rest, in := strings.CutPrefix(f.Path, below)
		if !in {
			continue
		}
		if sub, _, deeper := strings.Cut(rest, "/"); !deeper {
			out = append(out, abi.Resource{URI: uriOf(id, f.Path), Name: path.Base(f.Path), MIMEType: mimeOf(f.Path, nil)})
		} else if sub != last {
			last = sub
			out = append(out, abi.Resource{URI: uriOf(id, below+sub), Name: sub, MIMEType: "inode/directory"})
		}
	}
	if len(out) == 0 {
		return nil, missing
	}
	return out, nil
}
