// Copyright 2026 The Gantry Authors.

package web

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestMain(m *testing.M) {
	// fasthttp's pool of workers sleeps up to ten seconds before it sees that it was stopped.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

// tokens is an Authenticator of the token "<tenant>-token" with every scope, and "reader-token" that
// may only read.
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (*host.Principal, error) {
	tenant, ok := strings.CutSuffix(token, "-token")
	if !ok {
		return nil, host.Errorf("keys.Verify", abi.CodeBadCredential, "the token is unknown, expired or revoked")
	}
	scopes := host.AllScopes()
	if tenant == "reader" {
		scopes = []host.Scope{host.ScopeReadTools}
	}
	return &host.Principal{Tenant: host.TenantID(tenant), Scopes: scopes, CredentialID: "k-" + tenant}, nil
}

// lines is a log that a test reads while the server writes.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// up serves the routes on a loopback port until the test ends.
func up(t *testing.T, cfg Config, routes ...Route) (*Server, string) {
	t.Helper()
	if cfg.Auth == nil {
		cfg.Auth = tokens{}
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mount(Surface{Name: "test", Prefixes: []string{"/"}, Routes: routes}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, ln.Addr().String()
}

// echo answers what it was sent.
func echo(c *Ctx) error {
	c.Bytes(200, "text/plain", c.Body())
	return nil
}

type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends one request; header is pairs of name and value.
func ask(t *testing.T, method, url, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(data)}
}

func want(t *testing.T, got reply, status int, parts ...string) {
	t.Helper()
	if got.status != status {
		t.Errorf("got status %d with %s, want %d", got.status, got.body, status)
	}
	for _, p := range parts {
		if !strings.Contains(got.body, p) {
			t.Errorf("got %s, want it to hold %q", got.body, p)
		}
	}
}

func TestAuthentication(t *testing.T) {
	who := func(c *Ctx) error {
		return c.JSON(200, host.PrincipalFrom(c.Context()).Tenant)
	}
	_, addr := up(t, Config{},
		Route{Method: "GET", Path: "/who", Handler: who},
		Route{Method: "GET", Path: "/admin", Scope: host.ScopeAdmin, Handler: who},
		Route{Method: "GET", Path: "/open", Public: true, Handler: echo},
	)
	base := "http://" + addr
	t.Run("a token is a principal in the context", func(t *testing.T) {
		want(t, ask(t, "GET", base+"/who", "", "Authorization", "Bearer acme-token"), 200, `"acme"`)
	})
	t.Run("the scheme's case does not matter", func(t *testing.T) {
		want(t, ask(t, "GET", base+"/who", "", "Authorization", "bearer acme-token"), 200)
	})
	t.Run("a public route needs none", func(t *testing.T) {
		want(t, ask(t, "GET", base+"/open", ""), 200)
	})
	t.Run("a missing header is 401 with a challenge", func(t *testing.T) {
		r := ask(t, "GET", base+"/who", "")
		want(t, r, 401, "UNAUTHENTICATED", "is missing", "Authorization: Bearer")
		if got := r.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
			t.Errorf("WWW-Authenticate is %q", got)
		}
	})
	for name, header := range map[string][]string{
		"another scheme is 401":    {"Authorization", "Basic YTpi"},
		"no token is 401":          {"Authorization", "Bearer"},
		"two headers are 401":      {"Authorization", "Bearer acme-token", "Authorization", "Bearer b-token"},
		"a token of blanks is 401": {"Authorization", "Bearer a b"},
		"a huge token is 401":      {"Authorization", "Bearer " + strings.Repeat("x", 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			want(t, ask(t, "GET", base+"/who", "", header...), 401, "UNAUTHENTICATED")
		})
	}
	t.Run("an unknown token is 403", func(t *testing.T) {
		want(t, ask(t, "GET", base+"/who", "", "Authorization", "Bearer nobody"), 403, "BAD_CREDENTIAL")
	})
	t.Run("a token without the scope is 403 and the error names the scope", func(t *testing.T) {
		want(t, ask(t, "GET", base+"/admin", "", "Authorization", "Bearer reader-token"), 403, "FORBIDDEN", "admin")
	})
}

func TestEdge(t *testing.T) {
	log := &lines{}
	_, addr := up(t, Config{
		Logger: slog.New(slog.NewTextHandler(log, nil)), BodyLimit: 64 << 10, HeaderLimit: 8 << 10,
		AllowedOrigins: []string{"https://app.example.com"}, AllowedHosts: []string{"gantry.example.com"},
	},
		Route{Method: "POST", Path: "/echo", Public: true, Handler: echo},
		Route{Method: "GET", Path: "/things/{id}", Public: true, Handler: func(c *Ctx) error {
			c.SetHeader("X-Thing", c.Param("id"))
			return c.JSON(200, c.Param("id")+"|"+c.Query("q"))
		}},
		Route{Method: "GET", Path: "/panic", Public: true, Handler: func(*Ctx) error { panic("a secret of ours") }},
		Route{Method: "GET", Path: "/stranger", Public: true, Handler: func(*Ctx) error { return io.ErrUnexpectedEOF }},
	)
	base := "http://" + addr
	t.Run("an unknown path is 404 in the shape", func(t *testing.T) {
		want(t, ask(t, "GET", base+"/nothing", ""), 404, `{"error":{"code":"NOT_FOUND"`, "/nothing")
	})
	t.Run("a wrong method is 405 and Allow lists the right ones", func(t *testing.T) {
		r := ask(t, "DELETE", base+"/echo", "")
		want(t, r, 405, "METHOD_NOT_ALLOWED")
		if allow := r.header.Get("Allow"); !strings.Contains(allow, "POST") || strings.Contains(allow, "GET") {
			t.Errorf("Allow is %q", allow)
		}
	})
	t.Run("an exotic method is 405", func(t *testing.T) {
		want(t, ask(t, "PROPFIND", base+"/echo", ""), 405, "METHOD_NOT_ALLOWED")
	})
	t.Run("HEAD answers like GET without a body", func(t *testing.T) {
		r := ask(t, "HEAD", base+"/things/7", "")
		if r.status != 200 || r.body != "" || r.header.Get("Content-Length") != "4" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a parameter is unescaped", func(t *testing.T) {
		want(t, ask(t, "GET", base+"/things/a%20b%2Fc?q=x%26y", ""), 200, `"a b/c|x&y"`)
	})
	t.Run("a line break in a header's value makes no second header", func(t *testing.T) {
		r := ask(t, "GET", base+"/things/a%0d%0aX-Evil:%201", "")
		if r.header.Get("X-Evil") != "" || r.status != 200 {
			t.Errorf("got %+v", r.header)
		}
	})
	t.Run("a compressed body is 415", func(t *testing.T) {
		want(t, ask(t, "POST", base+"/echo", "x", "Content-Encoding", "gzip"), 415, "UNSUPPORTED_ENCODING")
	})
	t.Run("a body over the limit is 413 and names it", func(t *testing.T) {
		want(t, ask(t, "POST", base+"/echo", strings.Repeat("x", 65<<10)), 413, "PAYLOAD_TOO_LARGE", "64 KiB")
	})
	t.Run("a header over the limit is 431 and names it", func(t *testing.T) {
		want(t, ask(t, "POST", base+"/echo", "", "X-Big", strings.Repeat("x", 9<<10)), 431, "HEADER_TOO_LARGE", "8 KiB")
	})
	t.Run("a panic is 500, tells nothing, and the next request is served", func(t *testing.T) {
		r := ask(t, "GET", base+"/panic", "")
		want(t, r, 500, "INTERNAL")
		if strings.Contains(r.body, "secret") {
			t.Errorf("the answer tells the cause: %s", r.body)
		}
		want(t, ask(t, "POST", base+"/echo", "still here"), 200, "still here")
		if !strings.Contains(log.String(), "a secret of ours") {
			t.Error("the log does not have the panic")
		}
	})
	t.Run("a stranger's error is 500 and stays inside", func(t *testing.T) {
		r := ask(t, "GET", base+"/stranger", "")
		want(t, r, 500, "INTERNAL")
		if strings.Contains(r.body, "EOF") {
			t.Errorf("the answer tells the cause: %s", r.body)
		}
	})
	t.Run("a harmless request id is kept, another replaced", func(t *testing.T) {
		if got := ask(t, "POST", base+"/echo", "", "X-Request-Id", "abc-1").header.Get("X-Request-Id"); got != "abc-1" {
			t.Errorf("got %q", got)
		}
		if got := ask(t, "POST", base+"/echo", "", "X-Request-Id", "a b").header.Get("X-Request-Id"); got == "a b" || got == "" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("the log has no query and no token", func(t *testing.T) {
		ask(t, "GET", base+"/things/7?q=hush-hush", "", "Authorization", "Bearer hush-hush")
		if s := log.String(); strings.Contains(s, "hush-hush") || !strings.Contains(s, "path=/things/{id}") {
			t.Errorf("log: %s", s)
		}
	})
	t.Run("a rebound name is refused over loopback", func(t *testing.T) {
		want(t, ask(t, "POST", base+"/echo", "x", "Host", "evil.example.com"), 403, "FORBIDDEN", "evil.example.com")
		want(t, ask(t, "POST", base+"/echo", "x", "Host", "evil.example.com:8000"), 403)
		for _, ok := range []string{"localhost", "localhost:1", "127.0.0.1:9", "[::1]:8000", "gantry.example.com:443"} {
			want(t, ask(t, "POST", base+"/echo", "x", "Host", ok), 200)
		}
	})
	t.Run("origins", func(t *testing.T) {
		for origin, status := range map[string]int{
			"http://localhost:3000": 200, "http://127.0.0.1": 200, "http://[::1]:5173": 200,
			"https://app.example.com": 200, "https://app.example.com.evil.com": 403, "http://app.example.com": 403,
			"null": 403, "http://localhost.evil.com": 403, "http://localhost@evil.com": 403,
		} {
			r := ask(t, "POST", base+"/echo", "x", "Origin", origin)
			want(t, r, status)
			if got := r.header.Get("Access-Control-Allow-Origin"); (got == origin) != (status == 200) {
				t.Errorf("origin %s: allowed is %q", origin, got)
			}
		}
	})
	t.Run("a preflight is answered for an allowed origin only", func(t *testing.T) {
		r := ask(t, "OPTIONS", base+"/echo", "", "Origin", "http://localhost:3000", "Access-Control-Request-Method", "POST")
		want(t, r, 204)
		if !strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "POST") ||
			!strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Authorization") {
			t.Errorf("got %v", r.header)
		}
		r = ask(t, "OPTIONS", base+"/echo", "", "Origin", "http://evil.com", "Access-Control-Request-Method", "POST")
		want(t, r, 403)
	})
}

// raw sends bytes and returns all that comes back until the host closes or is silent for a while.
func raw(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	data, _ := io.ReadAll(bufio.NewReader(conn)) // a reset or silence ends it as well
	return string(data)
}

func TestAmbiguousRequestsGetOneAnswerAtMost(t *testing.T) {
	_, addr := up(t, Config{ReadTimeout: 300 * time.Millisecond},
		Route{Method: "POST", Path: "/echo", Public: true, Handler: echo},
		Route{Method: "GET", Path: "/second", Public: true, Handler: echo},
	)
	const second = "GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n"
	post := func(version, header, body string) string {
		return "POST /echo " + version + "\r\n" + header + "\r\n" + body + second
	}
	const h = "Host: localhost\r\n"
	shapes := map[string]string{
		"CL and TE":              post("HTTP/1.1", h+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		"TE and CL":              post("HTTP/1.1", h+"Transfer-Encoding: chunked\r\nContent-Length: 50\r\n", "0\r\n\r\n"),
		"two lengths":            post("HTTP/1.1", h+"Content-Length: 1\r\nContent-Length: 2\r\n", "ab"),
		"two equal lengths":      post("HTTP/1.1", h+"Content-Length: 1\r\nContent-Length: 1\r\n", "a"),
		"a list of lengths":      post("HTTP/1.1", h+"Content-Length: 1, 1\r\n", "a"),
		"a signed length":        post("HTTP/1.1", h+"Content-Length: +1\r\n", "a"),
		"a negative length":      post("HTTP/1.1", h+"Content-Length: -1\r\n", "a"),
		"a hex length":           post("HTTP/1.1", h+"Content-Length: 0x1\r\n", "a"),
		"two encodings":          post("HTTP/1.1", h+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
		"chunked, identity":      post("HTTP/1.1", h+"Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
		"identity, chunked":      post("HTTP/1.1", h+"Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
		"an odd encoding":        post("HTTP/1.1", h+"Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
		"TE with HTTP/1.0":       post("HTTP/1.0", h+"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		"a blank before a colon": post("HTTP/1.1", h+"Content-Length : 1\r\n", "a"),
		"a folded length":        post("HTTP/1.1", h+"X-A: b\r\n Content-Length: 1\r\n", "a"),
		"a folded encoding":      post("HTTP/1.1", h+"Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
		"a folded tab":           post("HTTP/1.1", h+"X-A: b\r\n\tc\r\nContent-Length: 1\r\n", "a"),
		"no Host":                post("HTTP/1.1", "Content-Length: 1\r\n", "a"),
		"two Hosts":              post("HTTP/1.1", h+"Host: other\r\nContent-Length: 1\r\n", "a"),
		"NUL in a value":         post("HTTP/1.1", h+"X-A: a\x00b\r\nContent-Length: 1\r\n", "a"),
		"a bare CR in a value":   post("HTTP/1.1", h+"X-A: a\rContent-Length: 2\r\nContent-Length: 1\r\n", "a"),
		"bare LF line ends":      strings.ReplaceAll(post("HTTP/1.1", h+"Content-Length: 1\r\n", "a"), "\r\n", "\n"),
		"a bad chunk size":       post("HTTP/1.1", h+"Transfer-Encoding: chunked\r\n", "zz\r\n\r\n"),
		"a chunk without an end": post("HTTP/1.1", h+"Transfer-Encoding: chunked\r\n", "1\r\nab\r\n0\r\n\r\n"),
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			got := raw(t, addr, shape)
			if n := strings.Count(got, "HTTP/1.1 "); n > 1 {
				t.Errorf("got %d answers:\n%s", n, got)
			}
		})
	}
	t.Run("two honest requests get two answers", func(t *testing.T) {
		got := raw(t, addr, post("HTTP/1.1", h+"Content-Length: 1\r\n", "a"))
		if n := strings.Count(got, "HTTP/1.1 200"); n != 2 {
			t.Errorf("got %d answers:\n%s", n, got)
		}
	})
	t.Run("a slow header is cut", func(t *testing.T) {
		if got := raw(t, addr, "GET /second HTTP/1.1\r\nHost: local"); !strings.Contains(got, "408") {
			t.Errorf("got %q", got)
		}
	})
}

// TestATooLargeBodyIsToldSo sends far more than is taken, as clients do who do not wait for a word.
func TestATooLargeBodyIsToldSo(t *testing.T) {
	s, err := New(Config{BodyLimit: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mount(Surface{Name: "t", Prefixes: []string{"/t"}, Routes: []Route{{
		Method: "POST", Path: "/t", Public: true, Handler: func(c *Ctx) error { return c.JSON(200, 1) },
	}}}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	defer func() { cancel(); <-done }()
	for range 20 {
		resp, err := http.Post("http://"+ln.Addr().String()+"/t", "application/json", bytes.NewReader(make([]byte, 8<<20)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("got %s", resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
