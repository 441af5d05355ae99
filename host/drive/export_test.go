// Copyright 2026 The Gantry Authors.

package drive

// OpenIndexes is how many indexes are open.
func (s *Service) OpenIndexes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
