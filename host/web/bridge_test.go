// Copyright 2026 The Gantry Authors.

package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/host"
)

// bridged serves h at /b.
func bridged(t *testing.T, cfg Config, h http.HandlerFunc) string {
	t.Helper()
	serve := func(c *Ctx) error { return Bridge(c.Context(), c, h) }
	_, addr := up(t, cfg, Route{Method: "POST", Path: "/b", Handler: serve}, Route{Method: "GET", Path: "/b", Handler: serve})
	return "http://" + addr + "/b"
}

// open begins a request whose answer the test reads by itself.
func open(t *testing.T, ctx context.Context, url, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestBridgeAnswer(t *testing.T) {
	const token = "Bearer acme-token"
	url := bridged(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %v", r.Method, r.URL.RequestURI(), r.Header.Get("X-Mine"), local != nil))
		w.Header().Set("Connection", "keep-alive")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-Late", "too late")
		fmt.Fprintf(w, "%s %s", host.PrincipalFrom(r.Context()).Tenant, body)
	})
	r := ask(t, "POST", url+"?q=1", "hello", "Authorization", token, "X-Mine", "yes")
	want(t, r, http.StatusTeapot, "acme hello")
	if got, want := r.header.Get("X-Seen"), "POST /b?q=1 yes true"; got != want {
		t.Errorf("the handler saw %q, want %q", got, want)
	}
	if r.header.Get("X-Late") != "" {
		t.Error("a header that was set after the head went out with it")
	}
}

func TestBridgePanic(t *testing.T) {
	log := &lines{}
	url := bridged(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Mine") == "late" {
			fmt.Fprint(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
		}
		panic("tools are sharp")
	})
	t.Run("before the answer it is a 500", func(t *testing.T) {
		want(t, ask(t, "POST", url, "", "Authorization", "Bearer a-token"), 500, "INTERNAL")
	})
	t.Run("in a stream it cuts the stream", func(t *testing.T) {
		req, err := http.NewRequest("POST", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer a-token")
		req.Header.Set("X-Mine", "late")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if data, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("a cut stream looked complete: %q", data)
		}
	})
	if !strings.Contains(log.String(), "tools are sharp") {
		t.Error("the log does not tell of the panic")
	}
}

func TestBridgeStream(t *testing.T) {
	next := make(chan string)
	url := bridged(t, Config{Ping: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for text := range next {
			fmt.Fprint(w, text)
			w.(http.Flusher).Flush()
		}
	})
	line := func(r *bufio.Reader) string {
		s, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	done := make(chan *http.Response)
	go func() { done <- open(t, t.Context(), url, "a-token") }()
	next <- "data: half "
	resp := <-done
	r := bufio.NewReader(resp.Body)
	if got := resp.Header.Get("X-Accel-Buffering"); got != "no" {
		t.Errorf("X-Accel-Buffering is %q, want no", got)
	}
	time.Sleep(120 * time.Millisecond) // longer than a ping: none may come inside an event
	next <- "an event\n\n"
	if got, want := line(r), "data: half an event\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	line(r)
	if got, want := line(r), ": ping\n"; got != want {
		t.Errorf("a silent stream sent %q, want %q", got, want)
	}
	close(next)
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("the stream did not end well: %v", err)
	}
}

func TestBridgeClientGone(t *testing.T) {
	for name, flush := range map[string]bool{"before the answer": false, "in a silent stream": true} {
		t.Run("the context ends when the client leaves "+name, func(t *testing.T) {
			begun, ended := make(chan struct{}), make(chan struct{})
			url := bridged(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				if flush {
					w.(http.Flusher).Flush()
				}
				close(begun)
				<-r.Context().Done()
				close(ended)
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer a-token")
				if resp, err := http.DefaultClient.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}()
			<-begun
			cancel()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("the handler was never told")
			}
		})
	}
}

func TestBridgeSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	url := bridged(t, Config{WriteTimeout: 200 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		piece := []byte(strings.Repeat("x", 64<<10))
		for {
			if _, err := w.Write(piece); err != nil {
				ended <- err
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	addr := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/b")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /b HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer a-token\r\n\r\n", addr)
	select {
	case <-ended:
	case <-time.After(15 * time.Second):
		t.Fatal("a reader that takes nothing holds its writer")
	}
}

// TestBridgeTenants is the hammer: the values in a handler's context are its own request's, also
// long after the handler's first answer, when fasthttp has used its own memory again.
func TestBridgeTenants(t *testing.T) {
	const tenants, rounds = 12, 40
	url := bridged(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		ctx, header := r.Context(), r.Header
		w.(http.Flusher).Flush()
		for range 3 {
			fmt.Fprintf(w, "%s %s\n", host.PrincipalFrom(ctx).Tenant, header.Get("Authorization"))
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	var all sync.WaitGroup
	for i := range tenants {
		tenant := fmt.Sprintf("t%d", i)
		want := strings.Repeat(fmt.Sprintf("%s Bearer %s-token\n", tenant, tenant), 3)
		all.Go(func() {
			for range rounds {
				req, err := http.NewRequest("GET", url, nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+tenant+"-token")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				data, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(data) != want {
					t.Errorf("got %q (%v), want %q", data, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}
