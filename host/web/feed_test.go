// Copyright 2026 The Gantry Authors.

package web

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// queue is a source that is told what to say.
type queue struct {
	wake chan struct{}
	left chan struct{}
	once sync.Once

	mu    sync.Mutex
	text  []byte
	ended bool
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), left: make(chan struct{})}
}

func (q *queue) Take(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := copy(p, q.text)
	if q.text = q.text[n:]; n == 0 && q.ended {
		return 0, io.EOF
	}
	return n, nil
}

func (q *queue) Wake() <-chan struct{} { return q.wake }

func (q *queue) Leave() {
	q.say("", true)
	q.once.Do(func() { close(q.left) })
}

func (q *queue) say(text string, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.text, q.ended = append(q.text, text...), q.ended || end
	signal(q.wake)
}

func TestFeed(t *testing.T) {
	sources := make(chan *queue, 1)
	s, addr := up(t, Config{Ping: 50 * time.Millisecond}, Route{Method: "GET", Path: "/f", Handler: func(c *Ctx) error {
		return Feed(c, <-sources)
	}})
	url := "http://" + addr + "/f"
	left := func(t *testing.T, q *queue) {
		t.Helper()
		select {
		case <-q.left:
		case <-time.After(20 * time.Second):
			t.Fatal("the source was not told to leave")
		}
	}
	t.Run("what the source has goes out, comments in its silence, and its end ends it", func(t *testing.T) {
		q := newQueue()
		q.say("data: 1\n\n", false)
		sources <- q
		r := bufio.NewReader(open(t, t.Context(), url, "a-token").Body)
		for _, want := range []string{"data: 1\n", "\n", ": ping\n", "\n"} {
			if got, err := r.ReadString('\n'); err != nil || got != want {
				t.Fatalf("got %q (%v), want %q", got, err, want)
			}
		}
		q.say("data: 2\n\n", true)
		if rest, err := io.ReadAll(r); err != nil || len(rest) < 9 || string(rest[len(rest)-9:]) != "data: 2\n\n" {
			t.Errorf("it ended with %q (%v)", rest, err)
		}
		left(t, q)
	})
	t.Run("a client that goes away", func(t *testing.T) {
		q := newQueue()
		q.say("data: 1\n\n", false)
		sources <- q
		ctx, leave := context.WithCancel(t.Context())
		open(t, ctx, url, "a-token")
		leave()
		left(t, q)
	})
	t.Run("a question about the header alone", func(t *testing.T) {
		q := newQueue()
		sources <- q
		if r := ask(t, http.MethodHead, url, "", "Authorization", "Bearer a-token"); r.status != http.StatusOK {
			t.Errorf("got %d", r.status)
		}
		left(t, q)
	})
	t.Run("a host that stops", func(t *testing.T) {
		s.endStreams(ErrStopping)
		q := newQueue()
		sources <- q
		if r := ask(t, http.MethodGet, url, "", "Authorization", "Bearer a-token"); r.status != http.StatusServiceUnavailable {
			t.Errorf("got %d", r.status)
		}
		left(t, q)
	})
	for end := time.Now().Add(20 * time.Second); s.Stats().Streams > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d streams are still counted", s.Stats().Streams)
		}
	}
}

// feeding is a path whose answer is fed by q.
func feeding(t *testing.T, cfg Config, q *queue) (s *Server, addr string) {
	t.Helper()
	return up(t, cfg, Route{Method: "GET", Path: "/f", Public: true, Handler: func(c *Ctx) error {
		context.AfterFunc(c.StreamContext(), func() { q.say("data: the end\n\n", true) })
		if err := Feed(c, q); err != nil {
			return err
		}
		c.SetHeader("X-Late", "yes")
		return nil
	}})
}

func TestFeedOnTheWire(t *testing.T) {
	q := newQueue()
	_, addr := feeding(t, Config{}, q)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	long := strings.Repeat("x", 3*feedPiece)
	q.say("data: "+long+"\n\n", true)
	if _, err := io.WriteString(conn, "GET /f HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !resp.Close || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("X-Late") != "yes" || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("the head is %v", resp.Header)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "data: "+long+"\n\n" {
		t.Errorf("got %d bytes (%v)", len(body), err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("the connection went on with %q (%v)", rest, err)
	}
}

func TestAFedReaderThatNeverReadsIsCut(t *testing.T) {
	q := newQueue()
	_, addr := feeding(t, Config{WriteTimeout: 100 * time.Millisecond}, q)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	q.say("data: "+strings.Repeat("x", 64<<20)+"\n\n", false)
	if _, err := io.WriteString(conn, "GET /f HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the end of the stream", q.left)
}

func TestShutdownLetsAFeedSayItsEnd(t *testing.T) {
	q := newQueue()
	s, addr := feeding(t, Config{}, q)
	q.say("data: 1\n\n", false)
	resp, err := http.Get("http://" + addr + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.HasSuffix(string(body), "data: the end\n\n") {
		t.Errorf("it ended with %q (%v)", body, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	soon(t, "that the source is told to leave", q.left)
}

// TestShutdownCutsAFeed: a client that does not read cannot hold the host up, nor a source that does not end.
func TestShutdownCutsAFeed(t *testing.T) {
	q := newQueue()
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mount(Surface{Routes: []Route{{Method: "GET", Path: "/f", Public: true, Handler: func(c *Ctx) error { return Feed(c, q) }}}}); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), ln) }()
	q.say("data: 1\n\n", false)
	resp, err := http.Get("http://" + ln.Addr().String() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("Shutdown says %v", err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a stream that was cut looks like one that has ended")
	}
	soon(t, "that the source is told to leave", q.left)
	if err := <-served; err == nil {
		t.Error("Serve does not tell that a stream was cut")
	}
}
