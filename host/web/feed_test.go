// Copyright 2026 The Gantry Authors.

package web

import (
	"bufio"
	"context"
	"io"
	"net/http"
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
