// Copyright 2026 The Gantry Authors.

// Package files gives each plugin a folder of its own for each tenant: the operations
// abi.OpFileRead, OpFileWrite, OpFileList, OpFileStat and OpFileDelete.
//
// Every access goes through an os.Root that is opened on that folder, so that neither "..", nor an
// absolute path, nor a symbolic link, nor a rename in the middle leads out of it. Writes are atomic
// and on the disk before they are answered.
//
// It knows no permissions or owners inside a folder, makes no links, and watches nothing.
package files

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Config is what a Service is made of.
type Config struct {
	// Root is the folder that holds the tenants' folders; it is made where it is missing.
	Root string
	// QuotaBytes bounds the files of one plugin for one tenant. 0 means 256 MiB, negative no bound.
	QuotaBytes int64
	// MaxFiles bounds the number of files and folders likewise. 0 means 10,000, negative no bound.
	MaxFiles int
}

const (
	// MaxFileBytes bounds one file.
	MaxFileBytes = 16 << 20
	// maxRequest is room for such a file in base64, and for a path with every byte escaped.
	maxRequest      = MaxFileBytes/3*4 + 6*MaxPathBytes + 1024
	defaultQuota    = 256 << 20
	defaultMaxFiles = 10_000
)

// Service answers the file operations. It is safe for concurrent use; writes of one plugin for one
// tenant follow one another.
type Service struct {
	root     string
	quota    int64
	maxFiles int64

	mu     sync.Mutex
	spaces map[string]*space
}

// New makes a Service.
func New(c Config) (*Service, error) {
	const op = "files.New"
	if c.Root == "" {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Root is missing")
	}
	root, err := filepath.Abs(c.Root)
	if err == nil {
		err = os.MkdirAll(root, 0o700)
	}
	if err != nil {
		return nil, host.Errorf(op, abi.CodeUnavailable, "Root %q cannot be made: %w", c.Root, err)
	}
	s := &Service{root: root, quota: c.QuotaBytes, maxFiles: int64(c.MaxFiles), spaces: map[string]*space{}}
	if s.quota == 0 {
		s.quota = defaultQuota
	}
	if s.maxFiles == 0 {
		s.maxFiles = defaultMaxFiles
	}
	return s, nil
}

// Ops are the operations, for the pipeline.
func (s *Service) Ops() host.Ops {
	return host.Ops{
		abi.OpFileRead:   operation(s, abi.FilesRead, read),
		abi.OpFileList:   operation(s, abi.FilesRead, list),
		abi.OpFileStat:   operation(s, abi.FilesRead, stat),
		abi.OpFileWrite:  operation(s, abi.FilesWrite, write),
		abi.OpFileDelete: operation(s, abi.FilesWrite, remove),
	}
}

// folder is one plugin's folder for one tenant, open for one operation.
type folder struct {
	*os.Root
	*space
}

// operation wraps a typed answer to an operation: the right, the request's JSON, the folder, the
// answer's JSON.
func operation[In, Out any](s *Service, right string, f func(folder, In) (Out, error)) host.OpFunc {
	const op = "files"
	return func(ctx context.Context, call *host.CallInfo, req []byte) ([]byte, error) {
		if err := permit(call, right); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, host.E(op, host.CodeOf(err), err)
		}
		if len(req) > maxRequest { // not even looked at
			return nil, host.Errorf(op, abi.CodeLimit, "the request has %d bytes; a file may have %d", len(req), MaxFileBytes)
		}
		var in In
		if err := json.Unmarshal(req, &in); err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "the request is not the JSON expected: %w", err)
		}
		fo, err := s.open(call)
		if err != nil {
			return nil, err
		}
		defer fo.Close()
		out, err := f(fo, in)
		if err != nil {
			return nil, err
		}
		data, err := json.Marshal(out)
		if err != nil {
			return nil, host.E(op, abi.CodeInternal, err)
		}
		return data, nil
	}
}

func permit(call *host.CallInfo, right string) error {
	const op = "files"
	have := ""
	if call.Granted != nil {
		have = call.Granted.Files
	}
	switch {
	case have != abi.FilesWrite && have != right:
		return host.Errorf(op, abi.CodeForbidden, "plugin %s has no right to %s files", call.Plugin, right).
			WithHint("add to %s.yaml: grants: {files: %s}", call.Plugin, right)
	case call.Principal == nil || !call.Principal.Tenant.Valid() || !abi.ValidPluginName(call.Plugin):
		return host.Errorf(op, abi.CodeInternal, "the call has no tenant or no plugin")
	}
	return nil
}

// open opens the folder, which is made at its first use. Root, tenant and plugin are the host's own
// words, so they are joined plainly; what the guest says comes after.
func (s *Service) open(call *host.CallInfo) (folder, error) {
	dir := filepath.Join(s.root, string(call.Principal.Tenant), call.Plugin)
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			root, err = os.OpenRoot(dir)
		}
	}
	if err != nil {
		return folder{}, host.Errorf("files.open", abi.CodeInternal, "the folder of plugin %s cannot be opened: %w", call.Plugin, err)
	}
	return folder{Root: root, space: s.space(dir)}, nil
}

func (s *Service) space(dir string) *space {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.spaces[dir]
	if sp == nil {
		sp = &space{quota: s.quota, maxFiles: s.maxFiles}
		s.spaces[dir] = sp
	}
	return sp
}
