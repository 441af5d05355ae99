// Copyright 2026 The Gantry Authors.

package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func streamRoute(o StreamOptions, f func(w *EventWriter) error) Route {
	return Route{Method: "GET", Path: "/stream", Public: true, Handler: func(c *Ctx) error { return Stream(c, o, f) }}
}

// soon waits for what has to happen, however slow the machine is.
func soon(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("did not happen: %s", what)
	}
}

func TestEvents(t *testing.T) {
	_, addr := up(t, Config{}, Route{Method: "GET", Path: "/stream", Public: true, Handler: func(c *Ctx) error {
		Events(c, []Event{{ID: "1", Type: "a", Data: []byte("one\ntwo")}, {Data: []byte("3")}})
		return nil
	}})
	t.Run("all come in one answer of a known length, in the form of a stream", func(t *testing.T) {
		r := ask(t, "GET", "http://"+addr+"/stream", "")
		const body = "id: 1\nevent: a\ndata: one\ndata: two\n\ndata: 3\n\n"
		if r.body != body || r.header.Get("Content-Type") != "text/event-stream" || r.header.Get("Content-Length") != strconv.Itoa(len(body)) {
			t.Errorf("got %v %q", r.header, r.body)
		}
	})
	t.Run("HEAD has the headers alone", func(t *testing.T) {
		if r := ask(t, "HEAD", "http://"+addr+"/stream", ""); r.status != 200 || r.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("got %+v", r)
		}
	})
}

func TestStreamForm(t *testing.T) {
	finished := make(chan struct{}, 10)
	_, addr := up(t, Config{}, streamRoute(StreamOptions{Done: func() { finished <- struct{}{} }}, func(w *EventWriter) error {
		return errors.Join(
			w.Send(Event{ID: "1", Type: "a", Data: []byte(`{"x":1}`)}),
			w.Send(Event{Data: []byte("two\nlines\r\nthree")}),
			w.Send(Event{ID: "3\nevent: evil", Type: "b\rdata: evil"}),
		)
	}))
	t.Run("an event is its fields, and nothing in them makes another", func(t *testing.T) {
		r := ask(t, "GET", "http://"+addr+"/stream", "")
		const body = "id: 1\nevent: a\ndata: {\"x\":1}\n\ndata: two\ndata: lines\ndata: three\n\n" +
			"id: 3 event: evil\nevent: b data: evil\ndata: \n\n"
		if r.body != body {
			t.Errorf("got %q", r.body)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		soon(t, "Done after the function", finished)
	})
	t.Run("HEAD has the headers and starts nothing", func(t *testing.T) {
		r := ask(t, "HEAD", "http://"+addr+"/stream", "")
		if r.status != 200 || r.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("got %+v", r)
		}
		soon(t, "Done for HEAD", finished)
	})
	t.Run("the connection is kept", func(t *testing.T) {
		got := raw(t, addr, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\nGET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if n := strings.Count(got, "HTTP/1.1 200"); n != 2 {
			t.Errorf("got %d answers", n)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	log := &lines{}
	var fail atomic.Value
	fail.Store(func() error { return nil })
	_, addr := up(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, streamRoute(StreamOptions{}, func(w *EventWriter) error {
		if err := w.Send(Event{Type: "first"}); err != nil {
			return err
		}
		return fail.Load().(func() error)()
	}))
	for name, f := range map[string]func() error{
		"an error is the last event and stays inside":   func() error { return errors.New("our secret trouble") },
		"a panic is the last event and the host serves": func() error { panic("our secret trouble") },
	} {
		t.Run(name, func(t *testing.T) {
			fail.Store(f)
			r := ask(t, "GET", "http://"+addr+"/stream", "")
			want(t, r, 200, "event: first", "event: error\ndata: {\"type\":\"error\",\"code\":\"INTERNAL\"")
			if strings.Contains(r.body, "secret") || !strings.Contains(log.String(), "our secret trouble") {
				t.Errorf("answer %s\nlog %s", r.body, log)
			}
		})
	}
}

func TestStreamPingsAndLimit(t *testing.T) {
	_, addr := up(t, Config{Ping: 20 * time.Millisecond}, streamRoute(StreamOptions{Limit: 400 * time.Millisecond}, func(w *EventWriter) error {
		<-w.Context().Done()
		if cause := context.Cause(w.Context()); cause != ErrStreamLimit {
			t.Errorf("the cause is %v", cause)
		}
		return w.Send(Event{Type: "closed"})
	}))
	r := ask(t, "GET", "http://"+addr+"/stream", "")
	if !strings.HasPrefix(r.body, ": ping\n\n") || !strings.HasSuffix(r.body, "event: closed\ndata: \n\n") {
		t.Errorf("got %q", r.body)
	}
}

func TestAClientThatLeavesASilentStreamIsNoticed(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	_, addr := up(t, Config{Ping: time.Hour}, streamRoute(StreamOptions{}, func(w *EventWriter) error {
		close(began)
		<-w.Context().Done()
		ended <- context.Cause(w.Context())
		return w.Send(Event{Type: "nobody reads this"})
	}))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the stream's begin", began)
	select {
	case err := <-ended:
		t.Fatalf("a client that is there was taken for gone: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	conn.Close()
	select {
	case err := <-ended:
		if err != ErrClientGone {
			t.Errorf("the cause is %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it was not noticed")
	}
}

func TestAReaderThatNeverReadsIsCut(t *testing.T) {
	sent := make(chan error, 1)
	_, addr := up(t, Config{WriteTimeout: 300 * time.Millisecond}, streamRoute(StreamOptions{}, func(w *EventWriter) error {
		big := Event{Type: "big", Data: []byte(strings.Repeat("x", 256<<10))}
		for {
			if err := w.Send(big); err != nil {
				sent <- err
				return nil
			}
		}
	}))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-sent:
	case <-time.After(30 * time.Second):
		t.Fatal("the writer is still blocked")
	}
}

func TestShutdownEndsStreamsAndKeepsRunningRequests(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	s, addr := up(t, Config{},
		streamRoute(StreamOptions{}, func(w *EventWriter) error {
			if err := w.Send(Event{Type: "open"}); err != nil {
				return err
			}
			<-w.Context().Done()
			return w.Send(Event{Type: "closed", Data: []byte(context.Cause(w.Context()).Error())})
		}),
		Route{Method: "GET", Path: "/slow", Public: true, Handler: func(c *Ctx) error {
			close(inside)
			<-release
			return c.JSON(200, c.Context().Err() == nil)
		}},
	)
	resp, err := http.Get("http://" + addr + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); err != nil || line != "event: open\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	slow := make(chan reply, 1)
	go func() { slow <- ask(t, "GET", "http://"+addr+"/slow", "") }()
	soon(t, "the slow request's begin", inside)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	rest, err := io.ReadAll(body)
	if err != nil || !strings.Contains(string(rest), "event: closed\ndata: the host is stopping") {
		t.Errorf("got %q, %v", rest, err)
	}
	close(release)
	if r := <-slow; r.status != 200 || r.body != "true" {
		t.Errorf("a running request got %+v", r)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if _, err := http.Get("http://" + addr + "/slow"); err == nil {
		t.Error("a stopped host takes connections")
	}
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	inside, ended := make(chan struct{}), make(chan struct{})
	cfg := Config{Auth: tokens{}}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stuck := Route{Method: "GET", Path: "/stuck", Public: true, Handler: func(c *Ctx) error {
		close(inside)
		<-c.Context().Done()
		close(ended)
		return nil
	}}
	if err := s.Mount(Surface{Routes: []Route{stuck}}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), ln) }()
	over := make(chan struct{})
	go func() {
		defer close(over)
		if resp, err := http.Get("http://" + ln.Addr().String() + "/stuck"); err == nil {
			resp.Body.Close() // the handler had the time to answer when its context ended
		}
	}()
	soon(t, "the request's begin", inside)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("Shutdown says %v", err)
	}
	soon(t, "the end of the request's context", ended)
	soon(t, "the end of the connection", over)
	if err := <-served; err == nil {
		t.Error("Serve does not tell that requests were cut")
	}
}

func TestServeOnASocketAndOnTCP(t *testing.T) {
	s, addr := up(t, Config{}, Route{Method: "GET", Path: "/hello", Public: true, Handler: func(c *Ctx) error { return c.JSON(200, "hello") }})
	path := t.TempDir() + "/s"
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	resp, err := client.Get("http://any.name/hello")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("over the socket: got %d", resp.StatusCode)
	}
	want(t, ask(t, "GET", "http://"+addr+"/hello", ""), 200)
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
