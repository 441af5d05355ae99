// Copyright 2026 The Gantry Authors.

package keys

// Cached is how many tokens the service has ready.
func Cached(s *Service) int {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	return len(s.cache.byDigest)
}
