// Copyright 2026 The Gantry Authors.

// Package mcp speaks the Model Context Protocol over Streamable HTTP, in both of its eras on one
// URL: the sessions of 2024-11-05 to 2025-11-25, and the single requests of 2026-07-28. It is the
// home of the official Go SDK, and adds what a host with many tenants needs around it: a view for
// each kind of caller, sessions that stay with their owner, and guards.
//
// It does not authenticate (the caller puts a principal into the request's context), nor hold the
// Host header against the names of this host, which the edge does; it runs no tool itself (the
// pipeline does), and it listens on nothing.
package mcp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/crew"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/registry"
)

// Pipeline is what the protocol asks of the host. Every method finds the principal in the context
// and answers for it alone. All may be called concurrently.
type Pipeline interface {
	// Call runs a tool, as invoke.Pipeline does.
	Call(ctx context.Context, r invoke.Request, sink invoke.Sink) (*invoke.Answer, error)
	// Prompt renders the prompt named by r.Tool; exactly one of the answers is set.
	Prompt(ctx context.Context, r invoke.Request) (*abi.PromptResult, *abi.InputRequired, error)
	// Read reads the document at uri.
	Read(ctx context.Context, uri string) (*abi.ReadResult, error)
	// Complete proposes values; a plugin that has none to propose answers an empty list.
	Complete(ctx context.Context, r *abi.CompleteRequest) (*abi.CompleteResult, error)
	// Tools, Prompts, Resources and Templates list what the principal may see. The slices are only read.
	Tools(ctx context.Context) []registry.ToolRef
	Prompts(ctx context.Context) []registry.PromptRef
	Resources(ctx context.Context) []registry.ResourceRef
	Templates(ctx context.Context) []registry.TemplateRef
}

// The defaults of a Config.
const (
	defaultName             = "gantry"
	defaultSessionTimeout   = 4 * time.Hour
	defaultSleepAfter       = time.Minute
	defaultAskTimeout       = 5 * time.Minute
	defaultMaxBodyBytes     = 4 << 20
	defaultMaxViews         = 1024
	defaultSessionsPerOwner = 128
	defaultMaxSessions      = 20_000
	defaultReplayBytes      = 32 << 20
	defaultPageSize         = 1000
)

// Config says how the protocol is served. The zero value of a field means its default.
type Config struct {
	// Pipeline is required.
	Pipeline Pipeline
	// Tasks makes calls of long tools tasks; without it the extension is not offered.
	Tasks Tasks
	// Documents are what the host itself offers beside the plugins' resources; nil for nothing.
	Documents Documents
	// Skills are served by the extension for skills (SEP-2640); nil leaves it out. Their documents are
	// Documents'.
	Skills Skills
	// Name and Version are what the server calls itself. Name is "gantry" where empty.
	Name, Version string
	// Instructions are shown to models by clients that do so.
	Instructions string
	// Logger is slog.Default where nil.
	Logger *slog.Logger
	// AllowedOrigins are the web origins, such as "https://app.example.com", whose pages may speak
	// to the server, besides those of the machine itself. "*" allows any.
	AllowedOrigins []string
	// SessionTimeout ends a session after so long without a POST; 0 means 4 hours. Not every client
	// starts a new session by itself when the old one is gone, and one that sleeps is small.
	SessionTimeout time.Duration
	// SleepAfter is how long a session may be without a POST before it sleeps, which costs about 1 KiB. Its
	// stream, if it has one, goes on, and the next request wakes it. 0 means a minute, less than 0 never.
	SleepAfter time.Duration
	// AskTimeout bounds how long a person or model behind a client of the older era may take to
	// answer a tool's question; 0 means 5 minutes.
	AskTimeout time.Duration
	// MaxBodyBytes bounds a request; 0 means 4 MiB.
	MaxBodyBytes int64
	// MaxViews bounds how many views are kept; 0 means 1,024. A view that a session uses stays.
	MaxViews int
	// SessionsPerOwner bounds the sessions of one tenant and user; one more ends the one that
	// was not used for longest. 0 means 128.
	SessionsPerOwner int
	// MaxSessions bounds the sessions of all, and apart from them the change streams of the era without
	// sessions; one more is refused with 503. 0 means 20,000.
	MaxSessions int
	// ReplayBytes bounds what is kept of streams for clients that come back; 0 means 32 MiB.
	ReplayBytes int
	// SessionKey seals what a session's id carries, so that a host started anew with the same key goes
	// on with the sessions of the last; 32 bytes or more. Without one sessions end with the process.
	SessionKey []byte
	// PageSize bounds a page of tools/list and of the other lists; 0 means 1,000, which is one page on
	// nearly every host: a client that does not follow nextCursor would miss the rest.
	PageSize int
	// NoHotPath sends every call through the SDK; see Hot.
	NoHotPath bool
}

func (c *Config) validate() error {
	switch {
	case c.Pipeline == nil:
		return fmt.Errorf("mcp: Pipeline is missing")
	case c.SessionTimeout < 0 || c.AskTimeout < 0:
		return fmt.Errorf("mcp: SessionTimeout and AskTimeout must not be negative")
	case c.PageSize < 0:
		return fmt.Errorf("mcp: PageSize must not be negative")
	case c.MaxBodyBytes < 0 || c.MaxViews < 0 || c.SessionsPerOwner < 0 || c.MaxSessions < 0 || c.ReplayBytes < 0:
		return fmt.Errorf("mcp: MaxBodyBytes, MaxViews, SessionsPerOwner, MaxSessions and ReplayBytes must not be negative")
	}
	if err := c.validateSessionKey(); err != nil {
		return err
	}
	for _, o := range c.AllowedOrigins {
		if o != "*" && !validOrigin(strings.TrimSuffix(o, "/")) {
			return fmt.Errorf("mcp: AllowedOrigins: %q is not an origin; write it as https://host or https://host:port", o)
		}
	}
	return nil
}

func (c *Config) setDefaults() {
	orDefault(&c.Name, defaultName)
	orDefault(&c.Version, "dev")
	orDefault(&c.SessionTimeout, defaultSessionTimeout)
	orDefault(&c.SleepAfter, defaultSleepAfter)
	orDefault(&c.AskTimeout, defaultAskTimeout)
	orDefault(&c.MaxBodyBytes, defaultMaxBodyBytes)
	orDefault(&c.MaxViews, defaultMaxViews)
	orDefault(&c.SessionsPerOwner, defaultSessionsPerOwner)
	orDefault(&c.MaxSessions, defaultMaxSessions)
	orDefault(&c.ReplayBytes, defaultReplayBytes)
	orDefault(&c.PageSize, defaultPageSize)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Server is the http.Handler of the protocol's endpoint. It is safe for concurrent use.
type Server struct {
	cfg      Config
	views    *views
	sessions *sessions
	holds    holds
	ids      *sessionIDs
	modern   http.Handler
	legacy   http.Handler
	ctx      context.Context
	cancel   context.CancelFunc

	headStart time.Duration
	stamp     []byte // see stampOf
	meta      metaSchemas
	restoring sync.Mutex // see restore
	clients   clients
	hotMu     sync.RWMutex // held for writing while ctx is ended: hotWork does not grow after that
	hotWork   sync.WaitGroup
	crew      crew.Crew // makes the hot calls
	paces     sync.Map  // *pace by the name of a tool
	listeners atomic.Int32
	listening sync.WaitGroup // see countListener; like hotWork
}

var _ http.Handler = (*Server)(nil)

// New makes a Server; the error names the setting at fault. Close ends it.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	s := &Server{cfg: cfg, headStart: headStart, stamp: stampOf(&cfg), clients: clients{known: make(map[string]era)}}
	var err error
	if s.meta, err = newMetaSchemas(); err != nil {
		return nil, err
	}
	if s.ids, err = newSessionIDs(cfg.SessionKey); err != nil {
		return nil, fmt.Errorf("mcp: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.views = newViews(s)
	s.sessions = newSessions(&s.cfg, s.ids)
	quiet := slog.New(quietHandler{cfg.Logger.Handler()})
	identify := auth.RequireBearerToken(identity, nil)
	s.modern = identify(sdk.NewStreamableHTTPHandler(viewOf, &sdk.StreamableHTTPOptions{
		Stateless:                    true,
		PropagateRequestCancellation: true,
		DisableLocalhostProtection:   true, // the edge has checked Host, and knows which names are ours
		MaxRequestBodyBytes:          cfg.MaxBodyBytes,
		Logger:                       quiet,
	}))
	s.legacy = identify(sdk.NewStreamableHTTPHandler(viewOf, &sdk.StreamableHTTPOptions{
		EventStore:                 s.sessions,
		DisableLocalhostProtection: true,
		MaxRequestBodyBytes:        cfg.MaxBodyBytes,
		Logger:                     quiet,
	}))
	return s, nil
}

// Stopping tells whether Close was called. It may be called concurrently.
func (s *Server) Stopping() bool { return s.ctx.Err() != nil }

// Close cancels the calls that run, ends all sessions and streams, and waits for them up to ctx.
// Requests after it are answered with 503. It may be called more than once.
func (s *Server) Close(ctx context.Context) error {
	s.hotMu.Lock()
	s.cancel()
	s.hotMu.Unlock()
	s.crew.Dismiss()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.hotWork.Wait()
		s.listening.Wait()
		s.views.closeSessions()
		s.sessions.wait()
		s.sessions.clear()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mcp: sessions are still open: %w", ctx.Err())
	}
}

// Refresh takes over what the registry serves now. Clients with an open session or change stream
// are told which of their lists changed. Call it after every change of the registry.
func (s *Server) Refresh() { s.views.refresh() }

// Changed passes on what a plugin said with abi.OpChanged, to callers of the tenant that see the
// plugin; an empty tenant means all.
func (s *Server) Changed(tenant host.TenantID, plugin string, c abi.Changed) {
	s.views.changed(tenant, plugin, c)
}

// ResourceUpdated tells subscribers of the tenant (an empty one means all) that the text at uri is new.
func (s *Server) ResourceUpdated(tenant host.TenantID, uri string) {
	s.views.resourceUpdated(tenant, uri)
}

// quietHandler lets the SDK log at debug level only: it reports each connection, and each fault of
// a client, as if it were the host's.
type quietHandler struct{ slog.Handler }

func (h quietHandler) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.Handler.Enabled(ctx, slog.LevelDebug)
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return h.Handler.Handle(ctx, r)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}
