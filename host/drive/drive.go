// Copyright 2026 The Gantry Authors.

// Package drive is each tenant's knowledge base ("Drive"): documents that are put there as text,
// Markdown or HTML, listed and read by path, and found by what they say. It answers the operations
// abi.OpDriveSearch, OpDriveRead and OpDriveList.
//
// The store holds the truth. Beside it each tenant has a full-text index in a folder of its own,
// which is derived from the store: it is opened at first use, brought up to date by a goroutine of
// its own, closed when idle, and made anew when it is missing, damaged or of another version. A
// search sees every document that was acknowledged before it began.
//
// It knows no owners or permissions within a tenant, keeps no earlier versions, and reads no formats
// but text: who has PDFs converts them first.
package drive

import (
	"context"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// The bounds of a document.
const (
	MaxPathBytes  = 512
	MaxPathParts  = 32
	MaxTitleBytes = 512
	MaxTags       = 32
	MaxTagBytes   = 64
	// MaxTextBytes bounds what is put, and the text made of it.
	MaxTextBytes = 4 << 20
)

// Config is what a Service is made of.
type Config struct {
	// Store keeps the documents.
	Store store.Store
	// Dir holds the indexes, a folder for each tenant. It is made at first use, and nothing in it is
	// missed when it is deleted while no host runs.
	Dir string
	// MaxDocuments and MaxBytes bound what a tenant keeps. 0 means 10,000 and 256 MiB, negative no bound.
	MaxDocuments int64
	MaxBytes     int64
	// IdleAfter closes an index that was not used for so long; 0 means two minutes.
	IdleAfter time.Duration
	// Logger gets what goes wrong with an index; nil is slog.Default.
	Logger *slog.Logger
}

// The quotas of a tenant where Config names none.
const (
	DefaultDocuments = 10_000
	DefaultBytes     = 256 << 20
)

const (
	defaultIdle = 2 * time.Minute
	// maxOpen is how many indexes stay open though nobody uses them just now.
	maxOpen = 32
)

// Service keeps and finds documents. It is safe for concurrent use; writes of one tenant follow one
// another.
type Service struct {
	store    store.Store
	dir      string
	docs     int64
	bytes    int64
	idle     time.Duration
	maxOpen  int
	log      *slog.Logger
	words    words
	queue    analysisQueue
	indexing chan struct{} // one batch at a time: it is what takes memory
	searches chan struct{}

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	shelves map[host.TenantID]*shelf
	open    map[*indexer]struct{}
}

// New makes a Service. It opens nothing and starts nothing until a tenant is served.
func New(c Config) (*Service, error) {
	const op = "drive.New"
	if c.Store == nil || c.Dir == "" {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store or Dir is missing")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Dir: %w", err)
	}
	s := &Service{
		store: c.Store, dir: dir, docs: c.MaxDocuments, bytes: c.MaxBytes, idle: c.IdleAfter, maxOpen: maxOpen, log: c.Logger,
		shelves: map[host.TenantID]*shelf{}, open: map[*indexer]struct{}{},
		indexing: make(chan struct{}, 1), searches: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
	}
	if s.docs == 0 {
		s.docs = DefaultDocuments
	}
	if s.bytes == 0 {
		s.bytes = DefaultBytes
	}
	if s.idle <= 0 {
		s.idle = defaultIdle
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close closes the indexes. What they had not taken in yet they take in when they are opened again.
// Calls after it fail with abi.CodeUnavailable. Closing twice is no error.
func (s *Service) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// shelf returns what is known of a tenant's documents in this process.
func (s *Service) shelf(t host.TenantID) (*shelf, error) {
	const op = "drive"
	if !t.Valid() {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "tenant: %q is not a tenant id", t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, host.Errorf(op, abi.CodeUnavailable, "the host is stopping")
	}
	h := s.shelves[t]
	if h == nil {
		h = &shelf{s: s, tenant: t, dir: filepath.Join(s.dir, string(t)), dirty: map[string]struct{}{}}
		s.shelves[t] = h
	}
	return h, nil
}
