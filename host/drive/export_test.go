// Copyright 2026 The Gantry Authors.

package drive

import (
	"context"

	"github.com/blevesearch/bleve/v2/index/scorch"

	"github.com/gantryhost/gantry/host"
)

// OpenIndexes is how many indexes are open.
func (s *Service) OpenIndexes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// KeepOpen sets how many indexes may stay open unused; call it before anything else.
func (s *Service) KeepOpen(n int) { s.maxOpen = n }

// PanicInUse does what the library does when it reads a file that is damaged.
func (s *Service) PanicInUse(ctx context.Context, tenant host.TenantID) error {
	h, err := s.shelf(tenant)
	if err != nil {
		return err
	}
	return h.current(ctx, func(*scorch.IndexSnapshot) error { panic("index out of range") })
}
