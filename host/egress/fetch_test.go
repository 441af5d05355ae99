// Copyright 2026 The Gantry Authors.

package egress

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestAFetchCarriesRequestAndAnswer(t *testing.T) {
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.WriteHeader(418)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL, r.Header.Get("X-In"), r.UserAgent(), body)
	})
	g := newGuest(t, newService(t, Config{UserAgent: "Probe/1"}), abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
	out, err := g.fetch(abi.FetchRequest{Method: "post", URL: srv.URL + "/p?a=b#c", Headers: []abi.Header{{Name: "x-in", Value: "v"}}, Body: []byte("hi")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out.Body), "POST /p?a=b v Probe/1 hi"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	two := 0
	for _, h := range out.Headers {
		if h.Name == "X-Two" {
			two++
		}
	}
	if out.Status != 418 || out.URL != srv.URL+"/p?a=b" || two != 2 {
		t.Errorf("got %+v", out)
	}
}

func TestWithoutAGrantTheErrorNamesTheLineToAdd(t *testing.T) {
	srv := canary(t)
	s := newService(t, Config{})
	for _, r := range []abi.Rights{{}, {Hosts: []string{"example.com"}, Private: loopback}, {Hosts: []string{"*"}, Private: loopback}} {
		_, err := newGuest(t, s, r).get(srv.URL)
		wantCode(t, err, abi.CodeForbidden, "probe.yaml", `hosts: ["127.0.0.1:`+portOf(t, srv)+`"]`)
	}
	_, err := newGuest(t, s, abi.Rights{}).get("https://api.example.com/v1")
	wantCode(t, err, abi.CodeForbidden, `grants: {hosts: ["api.example.com"]}`)
	g := newGuest(t, s, abi.Rights{})
	g.info.Granted = nil
	_, err = g.get("https://api.example.com/v1")
	wantCode(t, err, abi.CodeForbidden)
}

func TestPrivateAddressesNeedTheirRange(t *testing.T) {
	srv := canary(t)
	port := portOf(t, srv)
	resolver, _ := nameServer(t, allLocal)
	s := newService(t, Config{Resolver: resolver})
	t.Run("an address in the URL", func(t *testing.T) {
		_, err := newGuest(t, s, abi.Rights{Hosts: []string{srv.URL}}).get(srv.URL)
		wantCode(t, err, abi.CodeForbidden, `private: ["127.0.0.1/32"]`)
	})
	t.Run("a name that resolves to one", func(t *testing.T) {
		_, err := newGuest(t, s, abi.Rights{Hosts: []string{"inner.test:" + port}}).get("http://inner.test:" + port)
		out := wantCode(t, err, abi.CodeForbidden, "inner.test", "probe.yaml")
		if strings.Contains(out.Message+out.Hint, "127.0.0.1") {
			t.Errorf("the guest learns the address: %s %s", out.Message, out.Hint)
		}
	})
	t.Run("a range that is another one", func(t *testing.T) {
		_, err := newGuest(t, s, abi.Rights{Hosts: []string{"inner.test:" + port}, Private: []string{"10.0.0.0/8"}}).get("http://inner.test:" + port)
		wantCode(t, err, abi.CodeForbidden)
	})
	t.Run("a mapped address", func(t *testing.T) {
		u := "http://[::ffff:127.0.0.1]:" + port
		_, err := newGuest(t, s, abi.Rights{Hosts: []string{u}}).get(u)
		wantCode(t, err, abi.CodeForbidden)
	})
}

func TestAStarNeverOpensPrivateRanges(t *testing.T) {
	resolver, _ := nameServer(t, allLocal)
	s := newService(t, Config{Resolver: resolver})
	r := abi.Rights{Hosts: []string{"*", "named.test"}, Private: loopback}
	// Nothing listens on port 80 here, or something foreign: what counts is who said no.
	_, err := newGuest(t, s, r).get("http://other.test/")
	wantCode(t, err, abi.CodeForbidden, "other.test")
	if _, err := newGuest(t, s, r).get("http://named.test/"); host.CodeOf(err) == abi.CodeForbidden {
		t.Errorf("the named host is refused too: %v", err)
	}
}

func TestARebindingNameReachesNothing(t *testing.T) {
	srv := canary(t)
	port := portOf(t, srv)
	resolver, asked := nameServer(t, func(_ string, nth int) string {
		if nth == 1 {
			return "192.31.196.1" // public, and a sink
		}
		return "127.0.0.1"
	})
	s := newService(t, Config{Resolver: resolver, DialTimeout: 500 * time.Millisecond})
	g := newGuest(t, s, abi.Rights{Hosts: []string{"rebind.test:" + port}})
	refused := false
	for range 20 { // a busy machine may time out on the way to the refusal
		_, err := g.get("http://rebind.test:" + port)
		if err == nil {
			t.Fatal("the fetch went through")
		}
		if refused = host.CodeOf(err) == abi.CodeForbidden; refused {
			break
		}
	}
	if !refused {
		t.Error("the private address was never refused")
	}
	if asked.count("rebind.test") < 2 {
		t.Error("the name server was not asked again: the test proves nothing")
	}
}

func TestConnectionsAreNotSharedBetweenGrantSets(t *testing.T) {
	srv := server(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inner") })
	host := "inner.test:" + portOf(t, srv)
	resolver, _ := nameServer(t, allLocal)
	s := newService(t, Config{Resolver: resolver})
	if _, err := newGuest(t, s, abi.Rights{Hosts: []string{host}, Private: loopback}).get("http://" + host); err != nil {
		t.Fatal(err)
	}
	// A kept connection of the first plugin waits now; the second has no right to it.
	_, err := newGuest(t, s, abi.Rights{Hosts: []string{host}}).get("http://" + host)
	wantCode(t, err, abi.CodeForbidden)
}

func TestAProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	proxy := canary(t)
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	srv := server(t, func(w http.ResponseWriter, _ *http.Request) {})
	resolver, _ := nameServer(t, allLocal)
	host := "direct.test:" + portOf(t, srv)
	s := newService(t, Config{Resolver: resolver})
	if _, err := newGuest(t, s, abi.Rights{Hosts: []string{host}, Private: loopback}).get("http://" + host); err != nil {
		t.Fatal(err)
	}
}

func TestFaultyRequestsNameTheirFault(t *testing.T) {
	g := newGuest(t, newService(t, Config{}), abi.Rights{Hosts: []string{"a.test"}})
	for word, req := range map[string]abi.FetchRequest{
		"scheme":                {URL: "a.test"},
		"method":                {URL: "http://a.test", Method: "CONNECT"},
		`method "GET /`:         {URL: "http://a.test", Method: "GET / HTTP/1.1\r\n"},
		"Host cannot be set":    {URL: "http://a.test", Headers: []abi.Header{{Name: "Host", Value: "b.test"}}},
		"content-length cannot": {URL: "http://a.test", Headers: []abi.Header{{Name: "content-length", Value: "1"}}},
		"Connection cannot":     {URL: "http://a.test", Headers: []abi.Header{{Name: "Connection", Value: "close"}}},
		"Transfer-Encoding":     {URL: "http://a.test", Headers: []abi.Header{{Name: "Transfer-Encoding", Value: "chunked"}}},
		"headers[0] X: the":     {URL: "http://a.test", Headers: []abi.Header{{Name: "X", Value: "1\r\nY: 2"}}},
		"is not a header name":  {URL: "http://a.test", Headers: []abi.Header{{Name: "X\r\nY", Value: "1"}}},
		"65536 bytes together":  {URL: "http://a.test", Headers: []abi.Header{{Name: "X", Value: strings.Repeat("x", MaxHeaderBytes)}}},
	} {
		_, err := g.fetch(req)
		wantCode(t, err, abi.CodeInvalidArg, word)
	}
	if _, err := g.s.Ops()[abi.OpFetch](t.Context(), g.info, []byte("{")); host.CodeOf(err) != abi.CodeInvalidArg {
		t.Errorf("got %v", err)
	}
}

func TestNetworkFailuresSayWhatFailed(t *testing.T) {
	resolver, _ := nameServer(t, func(name string, _ int) string {
		if name == "gone.test" {
			return ""
		}
		return "127.0.0.1"
	})
	s := newService(t, Config{Resolver: resolver})
	rights := func(hosts ...string) abi.Rights { return abi.Rights{Hosts: hosts, Private: loopback} }
	t.Run("dns", func(t *testing.T) {
		_, err := newGuest(t, s, rights("gone.test")).get("http://gone.test/?secret=1")
		if out := wantCode(t, err, abi.CodeUpstream, "gone.test", `"failed":"dns"`); out.Retryable || strings.Contains(out.Message, "secret") {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		u := "http://" + l.Addr().String()
		l.Close()
		_, err = newGuest(t, s, rights(u)).get(u)
		if out := wantCode(t, err, abi.CodeUpstream, `"failed":"refused"`); !out.Retryable {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("tls", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(http.NotFoundHandler())
		srv.Config.ErrorLog = quiet()
		srv.StartTLS()
		defer srv.Close()
		_, err := newGuest(t, s, rights(srv.URL)).get(srv.URL)
		if out := wantCode(t, err, abi.CodeUpstream, `"failed":"tls"`, "unknown authority"); out.Retryable {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("no tls there", func(t *testing.T) {
		srv := server(t, func(http.ResponseWriter, *http.Request) {})
		u := strings.Replace(srv.URL, "http:", "https:", 1)
		_, err := newGuest(t, s, rights(u)).get(u)
		wantCode(t, err, abi.CodeUpstream, "does not speak TLS")
	})
	t.Run("broken off", func(t *testing.T) {
		srv := server(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "short")
		})
		_, err := newGuest(t, s, rights(srv.URL)).get(srv.URL)
		wantCode(t, err, abi.CodeUpstream, `"failed":"connection"`)
	})
}

func TestTimeIsBounded(t *testing.T) {
	release := make(chan struct{})
	srv := server(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	s := newService(t, Config{})
	rights := abi.Rights{Hosts: []string{srv.URL}, Private: loopback}
	t.Run("by timeout_ms", func(t *testing.T) {
		_, err := newGuest(t, s, rights).fetch(abi.FetchRequest{URL: srv.URL, TimeoutMS: 30})
		if out := wantCode(t, err, abi.CodeUpstream, "timeout_ms", `"failed":"timeout"`); !out.Retryable {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("by the call's deadline", func(t *testing.T) {
		g := newGuest(t, s, rights)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		g.ctx = ctx
		_, err := g.fetch(abi.FetchRequest{URL: srv.URL, TimeoutMS: 60_000})
		wantCode(t, err, abi.CodeDeadline)
	})
	t.Run("by the caller who gives up", func(t *testing.T) {
		g := newGuest(t, s, rights)
		ctx, cancel := context.WithCancel(t.Context())
		g.ctx = ctx
		timer := time.AfterFunc(30*time.Millisecond, cancel)
		defer timer.Stop()
		_, err := g.get(srv.URL)
		wantCode(t, err, abi.CodeCancelled)
	})
	t.Run("by the host where nobody bounds it", func(t *testing.T) {
		s := newService(t, Config{Timeout: 30 * time.Millisecond})
		_, err := newGuest(t, s, rights).get(srv.URL)
		wantCode(t, err, abi.CodeUpstream, `"failed":"timeout"`)
	})
}

func TestSizeIsBounded(t *testing.T) {
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bomb" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			zeros := make([]byte, 1<<20)
			for range 64 {
				if _, err := z.Write(zeros); err != nil {
					return
				}
			}
			z.Close()
			return
		}
		io.WriteString(w, strings.Repeat("x", 1000))
	})
	s := newService(t, Config{})
	guest := func(egress int64) *guest {
		g := newGuest(t, s, abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
		g.info.Limits.EgressBytes = egress
		return g
	}
	t.Run("exactly the limit passes", func(t *testing.T) {
		if _, err := guest(1000).fetch(abi.FetchRequest{URL: srv.URL, MaxBytes: 1000}); err != nil {
			t.Error(err)
		}
	})
	t.Run("one byte more does not", func(t *testing.T) {
		_, err := guest(0).fetch(abi.FetchRequest{URL: srv.URL, MaxBytes: 999})
		wantCode(t, err, abi.CodeLimit, "max_bytes", "999")
		_, err = guest(999).get(srv.URL)
		wantCode(t, err, abi.CodeLimit, "limit: egress", "probe.yaml")
	})
	t.Run("a call's fetches count together", func(t *testing.T) {
		g := guest(2500)
		for range 2 {
			if _, err := g.get(srv.URL); err != nil {
				t.Fatal(err)
			}
		}
		_, err := g.get(srv.URL)
		wantCode(t, err, abi.CodeLimit, "2500")
	})
	t.Run("a compressed bomb counts by what comes out", func(t *testing.T) {
		_, err := guest(1 << 20).get(srv.URL + "/bomb")
		wantCode(t, err, abi.CodeLimit, "limit: egress")
	})
}

func TestAClosedServiceSaysSo(t *testing.T) {
	s := newService(t, Config{})
	s.Close()
	s.Close()
	_, err := newGuest(t, s, abi.Rights{Hosts: []string{"*"}}).get("https://a.test")
	wantCode(t, err, abi.CodeUnavailable)
	if _, err := New(Config{Timeout: -1}); host.CodeOf(err) != abi.CodeInvalidArg {
		t.Errorf("got %v", err)
	}
}

func TestManyGrantSetsDoNotPileUp(t *testing.T) {
	s := newService(t, Config{})
	for i := range maxPools + 50 {
		g := newGuest(t, s, abi.Rights{Hosts: []string{fmt.Sprintf("h%d.test", i)}})
		if _, err := g.s.grantFor(g.info); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.pools.order.Len(); n != maxPools || len(s.pools.byKey) != n {
		t.Errorf("got %d and %d, want %d", n, len(s.pools.byKey), maxPools)
	}
}

func TestHTTP2OverVerifiedTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	g := newGuest(t, newService(t, Config{RootCAs: roots}), abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
	if out, err := g.get(srv.URL); err != nil || string(out.Body) != "HTTP/2.0" {
		t.Errorf("got %q, %v", out.Body, err)
	}
}
