// Copyright 2026 The Gantry Authors.

package skills

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Draft is a skill to be made. Skill's Files, times and Revision do not count.
type Draft struct {
	Skill
	Bodies []Body `json:"bodies,omitempty"`
	front  string
}

// ReadDraft makes a draft of a folder, switched on. The error names the file, and the line where
// there is one.
func ReadDraft(f *Folder) (*Draft, error) {
	k, head, err := parseManifest(f.Manifest)
	if err != nil {
		return nil, err
	}
	k.Enabled = true
	return &Draft{Skill: k, Bodies: f.Files, front: head}, nil
}

// Edit says what is to be another. Nil stays as it is.
type Edit struct {
	Name          *string `json:"name,omitempty"`
	Description   *string `json:"description,omitempty"`
	SystemPrompt  *string `json:"system_prompt,omitempty"`
	Service       *string `json:"service,omitempty"`
	License       *string `json:"license,omitempty"`
	Compatibility *string `json:"compatibility,omitempty"`
	AllowedTools  *string `json:"allowed_tools,omitempty"`
	Enabled       *bool   `json:"enabled,omitempty"`
	// Metadata replaces all of it.
	Metadata *map[string]any `json:"metadata,omitempty"`
	// Put adds or replaces files, Remove takes them away; a path that is not there is CodeNotFound.
	Put    []Body   `json:"put,omitempty"`
	Remove []string `json:"remove,omitempty"`
	// IfRevision is the revision the skill must have; 0 for any.
	IfRevision uint64 `json:"if_revision,omitempty"`
}

// Create makes a skill. One that is there already is abi.CodeConflict.
func (s *Service) Create(ctx context.Context, tenant host.TenantID, d *Draft) (Skill, error) {
	return s.create(ctx, "skills.Create", tenant, d)
}

func (s *Service) create(ctx context.Context, op string, tenant host.TenantID, d *Draft) (Skill, error) {
	r, err := s.recordOf(op, tenant, d)
	if err != nil {
		return Skill{}, err
	}
	s.creating.Lock()
	defer s.creating.Unlock()
	if _, _, err := s.lookup(ctx, tenant, r.ID); err == nil {
		return Skill{}, host.Errorf(op, abi.CodeConflict, "there is a skill %q already", r.ID).
			WithHint("edit it, delete it first, or import with replace")
	} else if host.CodeOf(err) != abi.CodeNotFound {
		return Skill{}, err
	}
	if err := s.fits(ctx, op, tenant, r, true); err != nil {
		return Skill{}, err
	}
	r.CreatedAt, r.UpdatedAt = s.now(), s.now()
	return s.commit(ctx, op, tenant, change{now: r, bodies: d.Bodies})
}

// recordOf checks a draft and makes a record of it, its bodies not yet stored.
func (s *Service) recordOf(op string, tenant host.TenantID, d *Draft) (*record, error) {
	if !tenant.Valid() {
		return nil, bad(op, "tenant: %q is not a tenant id", clip(string(tenant)))
	}
	r := &record{Skill: d.Skill, Front: d.front}
	r.Files, r.Revision = nil, 0
	sortBodies(d.Bodies)
	for i := range d.Bodies {
		r.Files = append(r.Files, d.Bodies[i].file())
	}
	r.Blobs = make([]string, len(r.Files))
	return r, r.settle(op)
}

// settle gives fields their plain form and checks everything.
func (r *record) settle(op string) (err error) {
	r.SystemPrompt = strings.TrimLeft(r.SystemPrompt, "\r\n")
	if r.Name = strings.TrimSpace(r.Name); r.Name == "" {
		r.Name = r.ID
	}
	if r.Metadata, err = plainMetadata(op, r.Metadata); err != nil {
		return err
	}
	if err := r.check(op); err != nil {
		return err
	}
	if n := len(r.newFront()); n > MaxFrontBytes {
		return host.Errorf(op, abi.CodeLimit, "metadata: all fields but system_prompt have %d bytes in %s; at most %d are allowed",
			n, manifestName, MaxFrontBytes)
	}
	return checkFiles(op, r.Files)
}

// Import makes a skill, or with replace makes an existing one what the draft is. A skill that is
// replaced stays switched on or off as it was.
func (s *Service) Import(ctx context.Context, tenant host.TenantID, d *Draft, replace bool) (Skill, error) {
	const op = "skills.Import"
	for {
		old, rev, err := s.lookup(ctx, tenant, d.ID)
		if !replace || host.CodeOf(err) == abi.CodeNotFound || host.CodeOf(err) == abi.CodeInvalidArg {
			return s.create(ctx, op, tenant, d)
		}
		if err != nil {
			return Skill{}, err
		}
		r, err := s.recordOf(op, tenant, d)
		if err != nil {
			return Skill{}, err
		}
		if err := s.fits(ctx, op, tenant, r, false); err != nil {
			return Skill{}, err
		}
		r.Enabled, r.CreatedAt, r.UpdatedAt = old.Enabled, old.CreatedAt, s.now()
		k, err := s.commit(ctx, op, tenant, change{now: r, was: old, rev: rev, bodies: d.Bodies})
		if host.CodeOf(err) != abi.CodeConflict {
			return k, err
		}
	}
}

// Update changes a skill. An IfRevision that does not hold is abi.CodeConflict; without one, two
// changes side by side are both made, one after the other. An edit that changes nothing writes
// nothing.
func (s *Service) Update(ctx context.Context, tenant host.TenantID, id string, e Edit) (Skill, error) {
	const op = "skills.Update"
	for {
		old, rev, err := s.lookup(ctx, tenant, id)
		if err != nil {
			return Skill{}, err
		}
		if e.IfRevision != 0 && e.IfRevision != rev {
			return Skill{}, host.Errorf(op, abi.CodeConflict, "skill %q does not have revision %d any more; it has %d", id, e.IfRevision, rev).
				WithHint("read it again and decide anew")
		}
		r := old.clone()
		bodies, err := r.apply(op, &e)
		if err != nil {
			return Skill{}, err
		}
		if err := r.settle(op); err != nil {
			return Skill{}, err
		}
		if same(r, old) {
			k := old.Skill
			k.Revision = rev
			return k, nil
		}
		if err := s.fits(ctx, op, tenant, r, false); err != nil {
			return Skill{}, err
		}
		r.UpdatedAt = s.now()
		k, err := s.commit(ctx, op, tenant, change{now: r, was: old, rev: rev, bodies: bodies})
		if host.CodeOf(err) != abi.CodeConflict || e.IfRevision != 0 {
			return k, err
		}
	}
}

func (r *record) clone() *record {
	c := *r
	c.Files, c.Blobs = slices.Clone(r.Files), slices.Clone(r.Blobs)
	return &c
}

func same(a, b *record) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// apply makes the edit in the record and returns the bodies that are to be stored.
func (r *record) apply(op string, e *Edit) ([]Body, error) {
	for _, f := range []struct {
		to   *string
		from *string
	}{
		{&r.Name, e.Name}, {&r.Description, e.Description}, {&r.SystemPrompt, e.SystemPrompt}, {&r.Service, e.Service},
		{&r.License, e.License}, {&r.Compatibility, e.Compatibility}, {&r.AllowedTools, e.AllowedTools},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if e.Enabled != nil {
		r.Enabled = *e.Enabled
	}
	if e.Metadata != nil {
		r.Metadata = *e.Metadata
	}
	for _, p := range e.Remove {
		i := r.find(p)
		if i < 0 {
			return nil, host.Errorf(op, abi.CodeNotFound, "skill %q has no file %q", r.ID, clip(p))
		}
		r.Files, r.Blobs = slices.Delete(r.Files, i, i+1), slices.Delete(r.Blobs, i, i+1)
	}
	var bodies []Body
	for _, b := range e.Put {
		f, i := b.file(), r.find(b.Path)
		if i >= 0 && r.Files[i] == f {
			continue // it has the same body already
		}
		if i < 0 {
			i, _ = slices.BinarySearchFunc(r.Files, b.Path, func(f File, p string) int { return strings.Compare(f.Path, p) })
			r.Files, r.Blobs = slices.Insert(r.Files, i, f), slices.Insert(r.Blobs, i, "")
		}
		r.Files[i], r.Blobs[i] = f, ""
		bodies = append(bodies, b)
	}
	return bodies, nil
}

func (r *record) find(p string) int {
	return slices.IndexFunc(r.Files, func(f File) bool { return f.Path == p })
}

// fits holds a skill against what its tenant may have in all.
func (s *Service) fits(ctx context.Context, op string, tenant host.TenantID, r *record, isNew bool) error {
	shelf, err := s.shelf(ctx, tenant)
	if err != nil {
		return err
	}
	if isNew && len(shelf.books) >= s.cfg.MaxSkills {
		return host.Errorf(op, abi.CodeLimit, "the tenant has %d skills, its limit", len(shelf.books)).WithHint("delete one that is not needed")
	}
	total := r.weight()
	for _, b := range shelf.books {
		if b.ID != r.ID {
			total += b.weight
		}
	}
	if total > s.cfg.TenantBytes {
		return host.Errorf(op, abi.CodeLimit, "with this skill the tenant's would have %d bytes; its limit is %d", total, s.cfg.TenantBytes)
	}
	return nil
}

func (r *record) weight() int64 {
	n := int64(len(r.SystemPrompt) + len(r.Front))
	for _, f := range r.Files {
		n += int64(f.Size)
	}
	return n
}

// change is one write: the record, the one it takes the place of (nil for none) with its revision,
// and the bodies that are new.
type change struct {
	now, was *record
	rev      uint64
	bodies   []Body
}

// commit stores the bodies, then the record, and tells of it.
func (s *Service) commit(ctx context.Context, op string, tenant host.TenantID, c change) (Skill, error) {
	id := c.now.ID
	rev, err := s.write(ctx, op, tenant, c)
	if err != nil {
		// The bodies may be there and the record not.
		s.dropBlobs(context.WithoutCancel(ctx), tenant, id, func(blob string) bool {
			return slices.Contains(c.now.Blobs, blob) && (c.was == nil || !slices.Contains(c.was.Blobs, blob))
		})
		return Skill{}, err
	}
	ctx = context.WithoutCancel(ctx)
	if c.was == nil || !slices.Equal(c.now.Blobs, c.was.Blobs) {
		now := s.now()
		s.dropBlobs(ctx, tenant, id, func(blob string) bool {
			return !slices.Contains(c.now.Blobs, blob) && (c.was != nil && slices.Contains(c.was.Blobs, blob) || orphaned(blob, now))
		})
	}
	s.log.Info("skill written", "tenant", tenant, "skill", id, "revision", rev, "enabled", c.now.Enabled)
	s.changed(ctx, tenant)
	k := c.now.Skill
	k.Revision = rev
	return k, nil
}

func (s *Service) write(ctx context.Context, op string, tenant host.TenantID, c change) (uint64, error) {
	for _, b := range c.bodies {
		blob, err := s.putBlob(ctx, tenant, c.now.ID, b.Data)
		if err != nil {
			return 0, err
		}
		c.now.Blobs[c.now.find(b.Path)] = blob
	}
	c.now.Revision = 0 // the store knows it
	value, err := json.Marshal(c.now)
	if err != nil {
		return 0, host.E(op, abi.CodeInternal, err)
	}
	rev, err := s.store.Put(ctx, recordKey(tenant, c.now.ID), value, store.PutOptions{Expect: c.rev})
	if host.CodeOf(err) == abi.CodeConflict {
		return 0, host.Errorf(op, abi.CodeConflict, "skill %q was changed meanwhile", c.now.ID).WithHint("read it again and decide anew")
	}
	return rev, err
}

// Delete takes a skill and its files away. One that is not there is abi.CodeNotFound, one that has
// another revision than ifRevision (0 for any) abi.CodeConflict.
func (s *Service) Delete(ctx context.Context, tenant host.TenantID, id string, ifRevision uint64) error {
	const op = "skills.Delete"
	for {
		old, rev, err := s.lookup(ctx, tenant, id)
		if err != nil {
			return err
		}
		if ifRevision != 0 && ifRevision != rev {
			return host.Errorf(op, abi.CodeConflict, "skill %q does not have revision %d any more; it has %d", id, ifRevision, rev)
		}
		err = s.store.Delete(ctx, recordKey(tenant, id), rev)
		if host.CodeOf(err) == abi.CodeConflict {
			continue // someone else changed it meanwhile
		}
		if err != nil {
			return err
		}
		ctx = context.WithoutCancel(ctx)
		now := s.now()
		s.dropBlobs(ctx, tenant, id, func(blob string) bool { return slices.Contains(old.Blobs, blob) || orphaned(blob, now) })
		s.log.Info("skill deleted", "tenant", tenant, "skill", id)
		s.changed(ctx, tenant)
		return nil
	}
}
