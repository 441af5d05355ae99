// Copyright 2026 The Gantry Authors.

package badgerstore

// Queued is how many writes wait for the committer.
func Queued(s *Store) int { return len(s.queue) }
