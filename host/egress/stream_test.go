// Copyright 2026 The Gantry Authors.

package egress

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
)

// dripper is a server that sends what the test tells it to, when it tells it to.
func dripper(t *testing.T) (url string, send chan<- string, gone <-chan struct{}) {
	t.Helper()
	pieces := make(chan string)
	ended := make(chan struct{})
	var once sync.Once
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		defer once.Do(func() { close(ended) })
		for {
			w.(http.Flusher).Flush()
			select {
			case p, more := <-pieces:
				if !more {
					return
				}
				io.WriteString(w, p)
			case <-r.Context().Done():
				return
			}
		}
	})
	return srv.URL, pieces, ended
}

func streamed(t *testing.T, s *Service, url string) (*guest, int32) {
	t.Helper()
	g := newGuest(t, s, abi.Rights{Hosts: []string{url}, Private: loopback})
	out, err := g.fetch(abi.FetchRequest{URL: url, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	if out.Stream == 0 || out.Status != 200 || out.Body != nil {
		t.Fatalf("got %+v", out)
	}
	return g, out.Stream
}

func TestAStreamArrivesBeforeItsEnd(t *testing.T) {
	url, send, _ := dripper(t)
	g, id := streamed(t, newService(t, Config{}), url)
	for _, p := range []string{"one", "two", "three"} {
		send <- p
		got, err := g.next(abi.FetchNext{Stream: id})
		if err != nil || string(got.Data) != p || got.End {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	close(send)
	if got, err := g.next(abi.FetchNext{Stream: id}); err != nil || !got.End || len(got.Data) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err := g.next(abi.FetchNext{Stream: id})
	wantCode(t, err, abi.CodeInvalidArg, "not open")
	if _, err := g.next(abi.FetchNext{Stream: id, Close: true}); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestAPieceIsNoLongerThanAskedFor(t *testing.T) {
	url, send, _ := dripper(t)
	g, id := streamed(t, newService(t, Config{}), url)
	send <- strings.Repeat("x", 100)
	close(send)
	total := 0
	for {
		got, err := g.next(abi.FetchNext{Stream: id, MaxBytes: 7})
		if err != nil || len(got.Data) > 7 {
			t.Fatalf("got %d bytes, %v", len(got.Data), err)
		}
		if total += len(got.Data); got.End {
			break
		}
	}
	if total != 100 {
		t.Errorf("got %d bytes, want 100", total)
	}
}

func TestABlockedReadEndsWithTheCall(t *testing.T) {
	url, _, gone := dripper(t)
	s := newService(t, Config{})
	g := newGuest(t, s, abi.Rights{Hosts: []string{url}, Private: loopback})
	ctx, cancel := context.WithCancel(t.Context())
	g.ctx = ctx
	out, err := g.fetch(abi.FetchRequest{URL: url, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	_, err = g.next(abi.FetchNext{Stream: out.Stream})
	wantCode(t, err, abi.CodeCancelled)
	<-gone // the server saw the end too
}

func TestTheEndOfACallClosesItsStreams(t *testing.T) {
	for name, end := range map[string]func(s *Service, g *guest, id int32) error{
		"the call ends": func(_ *Service, g *guest, _ int32) error { g.end(); return nil },
		"the guest closes": func(_ *Service, g *guest, id int32) error {
			_, err := g.next(abi.FetchNext{Stream: id, Close: true})
			return err
		},
		"the service stops": func(s *Service, _ *guest, _ int32) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			url, _, gone := dripper(t)
			s := newService(t, Config{})
			g, id := streamed(t, s, url)
			if err := end(s, g, id); err != nil {
				t.Fatal(err)
			}
			<-gone
			g.end()
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.calls) != 0 {
				t.Errorf("%d calls are still known", len(s.calls))
			}
		})
	}
}

func TestStreamsAreBounded(t *testing.T) {
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	})
	s := newService(t, Config{EgressBytes: 50_000})
	drain := func(g *guest, id int32) error {
		for {
			if got, err := g.next(abi.FetchNext{Stream: id}); err != nil || got.End {
				return err
			}
		}
	}
	t.Run("in size by max_bytes", func(t *testing.T) {
		g := newGuest(t, s, abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
		out, err := g.fetch(abi.FetchRequest{URL: srv.URL, Stream: true, MaxBytes: 5000})
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, drain(g, out.Stream), abi.CodeLimit, "max_bytes")
	})
	t.Run("in size by the call's limit", func(t *testing.T) {
		g, id := streamed(t, s, srv.URL)
		wantCode(t, drain(g, id), abi.CodeLimit, "50000", "limit: egress")
	})
	t.Run("in number", func(t *testing.T) {
		g, _ := streamed(t, s, srv.URL)
		for range MaxStreams - 1 {
			if _, err := g.fetch(abi.FetchRequest{URL: srv.URL, Stream: true}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := g.fetch(abi.FetchRequest{URL: srv.URL, Stream: true})
		wantCode(t, err, abi.CodeLimit, "limit: streams")
	})
	t.Run("to their own call", func(t *testing.T) {
		_, id := streamed(t, s, srv.URL)
		other := newGuest(t, s, abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
		_, err := other.next(abi.FetchNext{Stream: id})
		wantCode(t, err, abi.CodeInvalidArg)
	})
}

func TestASecretInAStreamIsHidden(t *testing.T) {
	secret := rand.Text()
	url, send, _ := dripper(t)
	s := newService(t, Config{Lookup: lookup(map[string]string{"env:API_KEY": secret})})
	g := newGuest(t, s, keyed(url, abi.Credential{Header: "Authorization"}))
	out, err := g.fetch(abi.FetchRequest{URL: url, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for _, p := range []string{"you sent " + secret[:5], secret[5:11], secret[11:] + " to me"} {
			send <- p
		}
		close(send)
	}()
	var all strings.Builder
	for {
		got, err := g.next(abi.FetchNext{Stream: out.Stream})
		if err != nil {
			t.Fatal(err)
		}
		if all.Write(got.Data); got.End {
			break
		}
	}
	if got, want := all.String(), "you sent *** to me"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A hammer: calls of two plugins, streaming and not, come and go and give up at any moment.
func TestManyCallsAtOnce(t *testing.T) {
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat(r.URL.Query().Get("who"), 2000))
	})
	s := newService(t, Config{})
	var wg sync.WaitGroup
	for i := range 40 {
		who := string(rune('a' + i%26))
		wg.Go(func() {
			g := newGuest(t, s, abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
			defer g.end()
			out, err := g.fetch(abi.FetchRequest{URL: srv.URL + "?who=" + who, Stream: i%2 == 0})
			for err == nil && out.Stream != 0 {
				var c abi.FetchChunk
				c, err = g.next(abi.FetchNext{Stream: out.Stream, MaxBytes: 500})
				out.Body = append(out.Body, c.Data...)
				if c.End || i%4 == 0 {
					break
				}
			}
			if err != nil || strings.Trim(string(out.Body), who) != "" || len(out.Body) != 2000 && i%4 != 0 {
				t.Errorf("got %d bytes, %v", len(out.Body), err)
			}
		})
	}
	wg.Wait()
}
