// Copyright 2026 The Gantry Authors.

package skills

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Millisecond) }

// lookup returns the stored record and its revision; abi.CodeNotFound where there is none.
func (s *Service) lookup(ctx context.Context, tenant host.TenantID, id string) (*record, uint64, error) {
	const op = "skills.lookup"
	if !tenant.Valid() {
		return nil, 0, bad(op, "tenant: %q is not a tenant id", clip(string(tenant)))
	}
	missing := host.Errorf(op, abi.CodeNotFound, "there is no skill %q", clip(id)).WithHint("list the skills to see their ids")
	if !ValidID(id) {
		return nil, 0, missing
	}
	rec, err := s.store.Get(ctx, recordKey(tenant, id))
	if host.CodeOf(err) == abi.CodeNotFound {
		return nil, 0, missing
	}
	if err != nil {
		return nil, 0, err
	}
	r, err := decode(rec)
	return r, rec.Rev, err
}

func decode(rec store.Record) (*record, error) {
	const op = "skills.decode"
	var r record
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return nil, host.Errorf(op, abi.CodeInternal, "skill %s cannot be read: %w", rec.Key, err)
	}
	if len(r.Blobs) != len(r.Files) || r.ID != rec.Key[len(rec.Key)-1] {
		return nil, host.Errorf(op, abi.CodeInternal, "skill %s is not whole", rec.Key)
	}
	r.Revision = rec.Rev
	return &r, nil
}

// Get returns a skill, switched on or not; abi.CodeNotFound where there is none.
func (s *Service) Get(ctx context.Context, tenant host.TenantID, id string) (Skill, error) {
	r, _, err := s.lookup(ctx, tenant, id)
	if err != nil {
		return Skill{}, err
	}
	return r.Skill, nil
}

// List returns a tenant's skills in order of their ids, switched on or not, without their prompts.
func (s *Service) List(ctx context.Context, tenant host.TenantID) ([]Skill, error) {
	if !tenant.Valid() {
		return nil, bad("skills.List", "tenant: %q is not a tenant id", clip(string(tenant)))
	}
	shelf, err := s.shelf(ctx, tenant)
	if err != nil {
		return nil, err
	}
	out := make([]Skill, len(shelf.books))
	for i, b := range shelf.books {
		out[i] = b.Skill
	}
	return out, nil
}

// File returns the body of a file, or SKILL.md as it is exported, of a skill that is switched on or not.
func (s *Service) File(ctx context.Context, tenant host.TenantID, id, path string) (Body, error) {
	const op = "skills.File"
	// A body can go between the record and it; then the record is another too.
	for try := 0; ; try++ {
		r, _, err := s.lookup(ctx, tenant, id)
		if err != nil {
			return Body{}, err
		}
		if path == manifestName {
			return Body{Path: path, Data: []byte(r.manifest())}, nil
		}
		i := r.find(path)
		if i < 0 {
			return Body{}, host.Errorf(op, abi.CodeNotFound, "skill %q has no file %q", id, clip(path))
		}
		data, err := s.body(ctx, tenant, r, i)
		if host.CodeOf(err) == abi.CodeNotFound && try < 3 {
			continue
		}
		if err != nil {
			return Body{}, host.Errorf(op, abi.CodeInternal, "reading %s of skill %s: %w", r.Files[i].Path, id, err)
		}
		return Body{Path: path, Data: data, Executable: r.Files[i].Executable}, nil
	}
}

// Export returns a skill as the folder it is: what Import makes the same skill of.
func (s *Service) Export(ctx context.Context, tenant host.TenantID, id string) (*Folder, Skill, error) {
	const op = "skills.Export"
	for try := 0; ; try++ {
		r, _, err := s.lookup(ctx, tenant, id)
		if err != nil {
			return nil, Skill{}, err
		}
		out := &Folder{Manifest: r.manifest(), Files: make([]Body, len(r.Files))}
		err = nil
		for i, f := range r.Files {
			out.Files[i] = Body{Path: f.Path, Executable: f.Executable}
			if out.Files[i].Data, err = s.body(ctx, tenant, r, i); err != nil {
				break
			}
		}
		if host.CodeOf(err) == abi.CodeNotFound && try < 3 {
			continue
		}
		if err != nil {
			return nil, Skill{}, host.Errorf(op, abi.CodeInternal, "reading the files of skill %s: %w", id, err)
		}
		return out, r.Skill, nil
	}
}

// shelf is what is known of a tenant's skills without reading the store: everything but the texts.
// It is never changed, only replaced.
type shelf struct {
	books []*book // in order of their ids
}

// book is one skill of a shelf: without its prompt, with what its SKILL.md would be.
type book struct {
	Skill
	manifest File
	weight   int64
}

func (sh *shelf) find(id string) *book {
	if sh == nil {
		return nil
	}
	i := slices.IndexFunc(sh.books, func(b *book) bool { return b.ID == id })
	if i < 0 {
		return nil
	}
	return sh.books[i]
}

func (s *Service) known(tenant host.TenantID) *shelf {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.shelves[tenant]
}

// shelf returns a tenant's skills, read from the store at the first time.
func (s *Service) shelf(ctx context.Context, tenant host.TenantID) (*shelf, error) {
	if sh := s.known(tenant); sh != nil {
		return sh, nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if sh := s.known(tenant); sh != nil {
		return sh, nil
	}
	return s.load(ctx, tenant)
}

// load reads a tenant's skills and keeps them; s.loading is held.
func (s *Service) load(ctx context.Context, tenant host.TenantID) (*shelf, error) {
	sh := &shelf{books: []*book{}}
	for cursor := ""; ; {
		page, err := s.store.List(ctx, skillsOf(tenant), cursor, 0)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			r, err := decode(rec)
			if err != nil {
				s.log.Error("a skill is left out", "tenant", tenant, "err", err)
				continue
			}
			text := []byte(r.manifest())
			b := &book{Skill: r.Skill, manifest: File{Path: manifestName, Size: len(text), Digest: digest(text)}, weight: r.weight()}
			b.SystemPrompt = ""
			sh.books = append(sh.books, b)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	s.mu.Lock()
	s.shelves[tenant] = sh
	s.mu.Unlock()
	return sh, nil
}
