// Copyright 2026 The Gantry Authors.

package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Server serves surfaces over any number of listeners. Make it with New, Mount what it has to
// serve, then call Serve; a surface cannot be mounted once it serves.
type Server struct {
	cfg      Config
	app      *fiber.App
	inner    fasthttp.RequestHandler
	surfaces []*Surface
	routes   map[string]*pathRoutes // by fiber path
	fallback *Surface
	ids      requestIDs
	shapes   shapes
	// lastHost is the Host header that was last found to be one over loopback.
	lastHost atomic.Pointer[string]

	requests     context.Context
	endRequests  context.CancelFunc
	streams      context.Context
	endStreams   context.CancelCauseFunc
	running      sync.WaitGroup // goroutines of streams, but for Feed's
	feeding      sync.WaitGroup // streams of Feed
	open         atomic.Int64   // how many streams there are
	feedBuffers  sync.Pool      // of *feedBuffer
	gone         goneWatch
	mu           sync.Mutex
	listeners    []*guardedListener
	serving      bool
	shutdownOnce sync.Once
	shutdownDone chan struct{}
	shutdownErr  error
}

// pathRoutes are the methods of one path, for OPTIONS.
type pathRoutes struct {
	surface *Surface
	methods []string
}

// New checks the settings and returns a server that serves nothing yet. Shutdown frees it.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, routes: make(map[string]*pathRoutes), fallback: (&Surface{}).withDefaults(),
		ids: newRequestIDs(), shutdownDone: make(chan struct{})}
	s.feedBuffers.New = func() any { return new(feedBuffer) }
	s.requests, s.endRequests = context.WithCancel(context.Background())
	s.streams, s.endStreams = context.WithCancelCause(s.requests)
	s.app = fiber.New(fiber.Config{
		DisableStartupMessage: true, CaseSensitive: true, StrictRouting: true,
		BodyLimit: cfg.BodyLimit, ReadBufferSize: cfg.HeaderLimit,
		ReadTimeout: cfg.ReadTimeout, IdleTimeout: cfg.IdleTimeout,
		DisablePreParseMultipartForm: true,
		ErrorHandler:                 s.unrouted,
	})
	fs := s.app.Server()
	fs.Handler = s.handle
	fs.ErrorHandler = s.unreadable
	fs.CloseOnShutdown = true
	fs.KeepHijackedConns = true // Feed closes them
	// The headers of a request are never logged, not even when they cannot be read.
	fs.SecureErrorLogMessage = true
	return s, nil
}

// Mount adds a surface. An error names the route that is wrong, or is there already.
func (s *Server) Mount(surface Surface) error {
	const op = "web.Mount"
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving {
		return host.Errorf(op, abi.CodeConflict, "%s is mounted too late: the server serves", surface.Name)
	}
	sf := surface.withDefaults()
	for i := range sf.Routes {
		r := &sf.Routes[i]
		if err := r.check(); err != nil {
			return err
		}
		if !r.Public && s.cfg.Auth == nil {
			return host.Errorf(op, abi.CodeInvalidArg, "route %s %s is not public, and there is no authenticator", r.Method, r.Path)
		}
		if err := s.add(sf, r); err != nil {
			return err
		}
	}
	s.surfaces = append(s.surfaces, sf)
	return nil
}

func (s *Server) add(sf *Surface, r *Route) error {
	path := fiberPath(r.Path)
	known := s.routes[path]
	if known == nil {
		known = &pathRoutes{surface: sf, methods: []string{"OPTIONS"}}
		s.routes[path] = known
		s.app.Options(path, s.options(known))
	}
	for _, m := range known.methods {
		if m == r.Method {
			return host.Errorf("web.Mount", abi.CodeConflict, "route %s %s is there twice", r.Method, r.Path)
		}
	}
	known.methods = append(known.methods, r.Method)
	if r.Method == fiber.MethodGet {
		known.methods = append(known.methods, fiber.MethodHead)
		s.app.Head(path, s.serve(sf, r))
	}
	s.app.Add(r.Method, path, s.serve(sf, r))
	return nil
}

// Routes lists "METHOD /path" of every route that is mounted.
func (s *Server) Routes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, sf := range s.surfaces {
		for _, r := range sf.Routes {
			out = append(out, r.Method+" "+r.Path)
		}
	}
	return out
}

// Serve answers requests from ln until ctx ends or Shutdown is called; then it shuts down within
// Config.Grace and returns nil, or what could not be ended in time. It closes ln. It may be called
// for several listeners at once; the end of one context shuts down all.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	gl := newGuardedListener(ln, s.cfg.WriteTimeout, max(s.cfg.ConnsPerIP, 0))
	if err := s.begin(gl); err != nil {
		_ = ln.Close() // it was handed over
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.app.Server().Serve(gl) }()
	select {
	case err := <-done:
		if err != nil {
			return host.E("web.Serve", abi.CodeInternal, fmt.Errorf("serving %s: %w", ln.Addr(), err))
		}
		<-s.shutdownDone
		return s.shutdownErr
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	err := s.Shutdown(grace)
	<-done
	return err
}

func (s *Server) begin(gl *guardedListener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams.Err() != nil {
		return host.Errorf("web.Serve", abi.CodeUnavailable, "the server was shut down")
	}
	if !s.serving {
		s.serving = true
		s.inner = s.app.Handler()
	}
	s.listeners = append(s.listeners, gl)
	return nil
}

// Shutdown takes no more connections, tells the streams to end, and waits for what is running.
// When ctx ends first, the rest is cut and the error says so. Later calls wait for the first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shutdownOnce.Do(func() {
		defer close(s.shutdownDone)
		s.shutdownErr = s.shutdown(ctx)
	})
	<-s.shutdownDone
	return s.shutdownErr
}

func (s *Server) shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.endStreams(ErrStopping)
	listeners := s.listeners
	s.mu.Unlock()
	err := s.app.Server().ShutdownWithContext(ctx)
	if !waitFor(ctx, &s.feeding) && err == nil {
		err = ctx.Err()
	}
	s.endRequests()
	for _, l := range listeners {
		_ = l.Close() // closed already, unless fasthttp had not begun to serve it
		l.closeAll()
	}
	s.running.Wait()
	s.feeding.Wait()
	s.gone.wait()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return host.E("web.Shutdown", abi.CodeDeadline, fmt.Errorf("requests were cut that had not ended: %w", err))
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return host.E("web.Shutdown", abi.CodeInternal, err)
	}
	return nil
}

// waitFor waits for the group, but not longer than ctx, and tells whether it came to its end.
func waitFor(ctx context.Context, g *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		g.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// handle is where fasthttp hands a request over.
func (s *Server) handle(rctx *fasthttp.RequestCtx) {
	switch string(rctx.Method()) {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		s.inner(rctx)
		return
	}
	fc := s.app.AcquireCtx(rctx)
	defer s.app.ReleaseCtx(fc)
	rctx.SetConnectionClose() // CONNECT and the like may have left something behind the header
	s.answer(fc, s.surfaceOf(fc.Path()), nil, func(*Ctx) error {
		return host.Errorf("web.handle", CodeMethod, "the method %s is not served", clip(fc.Method()))
	})
}

func (s *Server) serve(sf *Surface, r *Route) fiber.Handler {
	return func(fc *fiber.Ctx) error {
		s.answer(fc, sf, r, func(c *Ctx) error {
			if err := c.authenticate(); err != nil {
				return err
			}
			return r.Handler(c)
		})
		return nil
	}
}

func (s *Server) options(known *pathRoutes) fiber.Handler {
	return func(fc *fiber.Ctx) error {
		s.answer(fc, known.surface, nil, func(c *Ctx) error {
			c.preflight(strings.Join(known.methods, ", "))
			return nil
		})
		return nil
	}
}

// unrouted answers what Fiber found no route for.
func (s *Server) unrouted(fc *fiber.Ctx, err error) error {
	s.answer(fc, s.surfaceOf(fc.Path()), nil, func(c *Ctx) error {
		var fe *fiber.Error
		if errors.As(err, &fe) && fe.Code == fiber.StatusMethodNotAllowed {
			return host.Errorf("web.unrouted", CodeMethod, "%s is not allowed on this path", clip(fc.Method())).
				WithHint("the Allow header lists what is")
		}
		return host.Errorf("web.unrouted", abi.CodeNotFound, "there is nothing at %s", clip(fc.Path()))
	})
	return nil
}

// unreadable answers a request that fasthttp could not read; the connection is closed after it.
func (s *Server) unreadable(rctx *fasthttp.RequestCtx, err error) {
	fc := s.app.AcquireCtx(rctx)
	defer s.app.ReleaseCtx(fc)
	c := s.newCtx(fc, s.surfaceOf(fc.Path()), nil)
	defer c.finish()
	c.fail(s.readError(err))
	if gc, ok := rctx.Conn().(*guardedConn); ok && errors.Is(err, fasthttp.ErrBodyTooLarge) {
		gc.refused = true
	}
}

func (s *Server) readError(err error) error {
	const op = "web.read"
	var small *fasthttp.ErrSmallBuffer
	var ne net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return host.Errorf(op, CodeTooLarge, "the body is larger than %s", bytesText(s.cfg.BodyLimit))
	case errors.As(err, &small):
		return host.Errorf(op, CodeHeader, "the request's header is larger than %s", bytesText(s.cfg.HeaderLimit))
	case errors.As(err, &ne) && ne.Timeout(), strings.Contains(err.Error(), "timeout"):
		return host.Errorf(op, CodeSlow, "the request did not arrive within %s", s.cfg.ReadTimeout)
	}
	return &host.Error{Op: op, Code: CodeMalformed, Message: "the request is not valid HTTP/1.1", Err: err}
}

// answer runs one request through the guards and f, and writes what they return.
func (s *Server) answer(fc *fiber.Ctx, sf *Surface, r *Route, f func(*Ctx) error) {
	c := s.newCtx(fc, sf, r)
	defer c.finish()
	err := c.guard()
	if err == nil {
		c.cors()
		err = f(c)
	}
	if err != nil {
		c.fail(err)
	}
}

func (s *Server) newCtx(fc *fiber.Ctx, sf *Surface, r *Route) *Ctx {
	c := &Ctx{raw: fc, server: s, surface: sf, route: r, start: time.Now()}
	c.requestID = s.ids.next(c.Header("X-Request-Id"))
	h := &fc.Response().Header
	// Names in their canonical form, which Set would find out for each request anew.
	h.SetCanonical([]byte("X-Request-Id"), []byte(c.requestID))
	h.SetCanonical([]byte("X-Content-Type-Options"), []byte("nosniff"))
	h.SetCanonical([]byte("Cache-Control"), []byte("no-store"))
	return c
}

// finish is deferred: it turns a panic into an answer and writes the access line.
func (c *Ctx) finish() {
	if p := recover(); p != nil {
		c.server.cfg.Logger.Error("handler panicked", "request_id", c.requestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		c.raw.Response().ResetBody()
		c.fail(host.Errorf("web.finish", abi.CodeInternal, "panic: %v", p))
	}
	c.logAccess()
}

// surfaceOf is the surface that words the errors of a path without a route.
func (s *Server) surfaceOf(path string) *Surface {
	best, length := s.fallback, -1
	for _, sf := range s.surfaces {
		for _, p := range sf.Prefixes {
			if len(p) > length && claims(p, path) {
				best, length = sf, len(p)
			}
		}
	}
	return best
}
