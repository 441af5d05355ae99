// Copyright 2026 The Gantry Authors.

package skills

import (
	"context"
	"time"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// changed reads a tenant's skills anew and tells of what is another. A tenant that nobody has asked
// for has nobody to tell.
func (s *Service) changed(ctx context.Context, tenant host.TenantID) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.loading.Lock()
	old := s.known(tenant)
	if old == nil {
		s.loading.Unlock()
		return
	}
	now, err := s.load(ctx, tenant)
	if err != nil {
		s.mu.Lock()
		delete(s.shelves, tenant) // who asks next reads it
		s.mu.Unlock()
		s.log.Error("the skills cannot be read", "tenant", tenant, "err", err)
	}
	s.loading.Unlock()
	uris, differ := news(old, now)
	if (differ || err != nil) && s.cfg.OnChange != nil {
		s.cfg.OnChange(tenant, uris)
	}
}

// news compares two shelves: the documents that are there in both with another content, and whether
// anything at all is another.
func news(old, now *shelf) (uris []string, differ bool) {
	if now == nil {
		return nil, true
	}
	differ = len(old.books) != len(now.books)
	for _, b := range now.books {
		was := old.find(b.ID)
		if was != nil && was.Revision == b.Revision {
			continue
		}
		differ = true
		if was != nil && was.Enabled && b.Enabled {
			uris = append(uris, bookNews(was, b)...)
		}
	}
	return uris, differ
}

func bookNews(was, b *book) []string {
	uris := []string{uriOf(b.ID, "")}
	if was.manifest.Digest != b.manifest.Digest {
		uris = append(uris, uriOf(b.ID, manifestName))
	}
	had := map[string]string{}
	for _, f := range was.Files {
		had[f.Path] = f.Digest
	}
	for _, f := range b.Files {
		if d, ok := had[f.Path]; ok && d != f.Digest {
			uris = append(uris, uriOf(b.ID, f.Path))
		}
	}
	return uris
}

// follow hears of changes that were made through another handle on the store. Those made here are
// known before.
func (s *Service) follow(ctx context.Context, events <-chan store.Event) {
	for {
		for e := range events {
			if len(e.Key) == 3 && s.isNews(e) {
				s.changed(ctx, host.TenantID(e.Key[1]))
			}
		}
		for {
			if ctx.Err() != nil {
				return
			}
			var err error
			if events, err = s.store.Watch(ctx, store.Key{"skills"}); err == nil {
				break
			}
			s.log.Warn("changes of skills are not seen; trying again", "err", err)
			if !pause(ctx, time.Second) {
				return
			}
		}
		// What was missed in between cannot be known.
		for _, tenant := range s.tenants() {
			s.changed(ctx, tenant)
		}
	}
}

func (s *Service) isNews(e store.Event) bool {
	b := s.known(host.TenantID(e.Key[1])).find(e.Key[2])
	if e.Deleted {
		return b != nil
	}
	return b == nil || b.Revision < e.Rev
}

func (s *Service) tenants() []host.TenantID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]host.TenantID, 0, len(s.shelves))
	for t := range s.shelves {
		out = append(out, t)
	}
	return out
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
