// Copyright 2026 The Gantry Authors.

// Package skills keeps a tenant's skills: instructions for a model about one kind of work, with the
// scripts and references that belong to them (seed 000). A skill comes from a form or from a folder
// with a SKILL.md, and goes out as a document at skill://{id} with its files below it.
//
// It runs no script and calls no connector, and it knows neither HTTP nor MCP: it hands out
// documents, and the protocol in host/mcp serves them. Who may write is for its callers to decide.
package skills

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// The bounds of a skill. Those of files are the ones that SEP-2640 asks servers to keep to.
const (
	MaxPromptBytes      = 256 << 10
	MaxDescriptionRunes = 1024
	MaxNameRunes        = 128
	MaxFrontBytes       = 16 << 10
	MaxFiles            = 511 // and SKILL.md
	MaxFileBytes        = 2 << 20
	MaxBytes            = 15 << 20 // of all files of a skill; with SKILL.md it stays below 16 MiB
)

const (
	defaultMaxSkills   = 200
	defaultTenantBytes = 256 << 20
)

// Config is what a Service is made of.
type Config struct {
	// Store keeps the skills. It has to be one that syncs its writes.
	Store store.Store
	// OnChange is told, after each change, here or through another handle on the store, whose skills
	// are not what they were, and the URIs of the documents with another content. It is called from
	// any goroutine, before the change returns where it was made here. Nil for nobody.
	OnChange func(tenant host.TenantID, uris []string)
	// MaxSkills bounds the skills of a tenant. 0 means 200.
	MaxSkills int
	// TenantBytes bounds the prompts and files of a tenant's skills. 0 means 256 MiB.
	TenantBytes int64
	// Clock tells when a skill was changed; nil is the machine's.
	Clock host.Clock
	// Logger hears of changes, by id; nil for silence.
	Logger *slog.Logger
}

// Skill is a skill without the bodies of its files.
type Skill struct {
	ID string `json:"id"`
	// Name is for people; the id where nobody gave one.
	Name         string `json:"name"`
	Description  string `json:"description"`
	SystemPrompt string `json:"system_prompt,omitempty"`
	// Service is the connector that the skill works with; "" for none. It need not be there yet.
	Service       string         `json:"service,omitempty"`
	Enabled       bool           `json:"enabled"`
	License       string         `json:"license,omitempty"`
	Compatibility string         `json:"compatibility,omitempty"`
	AllowedTools  string         `json:"allowed_tools,omitempty"`
	Metadata      map[string]any `json:"metadata,omitempty"`
	Files         []File         `json:"files,omitempty"`
	CreatedAt     time.Time      `json:"created_at"`
	UpdatedAt     time.Time      `json:"updated_at"`
	// Revision is another with each change, for If-Match and the like.
	Revision uint64 `json:"revision"`
}

// File is one file of a skill, without its body.
type File struct {
	// Path is relative, with slashes, such as scripts/report.py.
	Path string `json:"path"`
	Size int    `json:"size"`
	// Digest is "sha256:" and the hex of the body's hash.
	Digest     string `json:"digest"`
	Executable bool   `json:"executable,omitempty"`
}

// record is a Skill as it is stored.
type record struct {
	Skill
	// Front is the head of the SKILL.md the skill came with; see manifest.
	Front string `json:"front,omitempty"`
	// Blobs are where the files' bodies are, by the files' order.
	Blobs []string `json:"blobs,omitempty"`
}

func skillsOf(tenant host.TenantID) store.Key { return store.Key{"skills", string(tenant)} }

func recordKey(tenant host.TenantID, id string) store.Key { return append(skillsOf(tenant), id) }

// Service keeps skills. All methods may be called concurrently.
type Service struct {
	cfg    Config
	store  store.Store
	clock  host.Clock
	log    *slog.Logger
	cancel context.CancelFunc
	done   sync.WaitGroup

	telling  sync.Mutex // so that a change has been told of when it returns, whoever was first to see it
	creating sync.Mutex // so that the bounds of a tenant are held by creations side by side
	loading  sync.Mutex // held while a shelf is read, so that an older one never replaces a newer
	mu       sync.RWMutex
	shelves  map[host.TenantID]*shelf
}

// New makes a service and starts what keeps it true to changes made elsewhere; Close ends it.
func New(c Config) (*Service, error) {
	const op = "skills.New"
	switch {
	case c.Store == nil:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store is missing")
	case c.MaxSkills < 0 || c.TenantBytes < 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "MaxSkills and TenantBytes cannot be negative")
	}
	if c.MaxSkills == 0 {
		c.MaxSkills = defaultMaxSkills
	}
	if c.TenantBytes == 0 {
		c.TenantBytes = defaultTenantBytes
	}
	s := &Service{cfg: c, store: c.Store, clock: c.Clock, log: c.Logger, shelves: map[host.TenantID]*shelf{}}
	if s.clock == nil {
		s.clock = host.SystemClock{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	events, err := s.store.Watch(ctx, store.Key{"skills"})
	if err != nil {
		cancel()
		return nil, err
	}
	s.done.Go(func() { s.follow(ctx, events) })
	return s, nil
}

// Close ends the service's goroutine; the store stays open. A second Close does nothing.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}
