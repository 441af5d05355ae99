// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gantryhost/gantry/abi"
)

// manifests keeps what plugins said of themselves, one file for each digest, contract version and
// preparation. It keeps nothing where dir is empty.
type manifests struct{ dir string }

func validDigest(d string) bool {
	hex, ok := strings.CutPrefix(d, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

func (m manifests) path(digest string) string {
	return filepath.Join(m.dir, fmt.Sprintf("%s-abi%d-%s.json", strings.TrimPrefix(digest, "sha256:"), abi.Version, preparation))
}

// get returns the kept manifest, or nil. A file that does not hold a valid manifest counts as none:
// the plugin is asked again and the file replaced.
func (m manifests) get(digest string) *abi.Manifest {
	if m.dir == "" {
		return nil
	}
	data, err := os.ReadFile(m.path(digest))
	if err != nil {
		return nil
	}
	out, err := abi.ParseManifest(data)
	if err != nil {
		return nil
	}
	return out
}

// put keeps a manifest. It is written aside and renamed, so a reader never sees half of it.
func (m manifests) put(digest string, data []byte) error {
	if m.dir == "" {
		return nil
	}
	return writeAside(m.dir, m.path(digest), data)
}
