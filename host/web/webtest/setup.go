// Copyright 2026 The Gantry Authors.

package webtest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// Main runs a surface's tests and fails where they leave goroutines behind. It does not return.
func Main(m *testing.M) {
	// fasthttp's own clocks end a while after their server, or never.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

// Tokens is a web.Authenticator that makes a principal of a token, nil of one that it does not know.
type Tokens func(token string) *host.Principal

// Verify implements web.Authenticator.
func (f Tokens) Verify(_ context.Context, token string) (*host.Principal, error) {
	if p := f(token); p != nil {
		return p, nil
	}
	return nil, host.Errorf("keys.Verify", abi.CodeBadCredential, "the token is unknown, expired or revoked")
}

// Still is a clock that does not go on.
type Still struct{}

// Now is always the same moment.
func (Still) Now() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) }

// Server makes a server of the surfaces.
func Server(t testing.TB, cfg web.Config, surfaces ...web.Surface) *web.Server {
	t.Helper()
	s, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, sf := range surfaces {
		if err := s.Mount(sf); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Request is one request; empty fields but URL are left out of it, and an empty Method is GET. Headers are
// pairs of name and value.
type Request struct {
	Method, URL, Token, Body string
	Headers                  []string
}

// Answer is what came back, read to its end.
type Answer struct {
	*http.Response
	Body string
}

// Do sends a request.
func Do(t testing.TB, r *Request) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	for i := 0; i+1 < len(r.Headers); i += 2 {
		req.Header.Set(r.Headers[i], r.Headers[i+1])
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
	return Answer{resp, string(data)}
}
