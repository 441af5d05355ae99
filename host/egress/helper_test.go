// Copyright 2026 The Gantry Authors.

package egress

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []string{"127.0.0.0/8"}

func newService(t *testing.T, cfg Config) *Service {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// guest is one call of a plugin, as invoke would make it.
type guest struct {
	t    *testing.T
	s    *Service
	ctx  context.Context
	info *host.CallInfo

	mu      sync.Mutex
	endings []func()
}

func newGuest(t *testing.T, s *Service, rights abi.Rights) *guest {
	t.Helper()
	g := &guest{t: t, s: s, ctx: t.Context()}
	g.info = &host.CallInfo{Plugin: "probe", CallID: "c1", Granted: &rights, Defer: func(f func()) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.endings = append(g.endings, f)
	}}
	t.Cleanup(g.end)
	return g
}

func (g *guest) end() {
	g.mu.Lock()
	endings := g.endings
	g.endings = nil
	g.mu.Unlock()
	for _, f := range endings {
		f()
	}
}

func (g *guest) fetch(req abi.FetchRequest) (abi.FetchResponse, error) {
	var out abi.FetchResponse
	return out, g.op(abi.OpFetch, req, &out)
}

func (g *guest) get(url string) (abi.FetchResponse, error) {
	return g.fetch(abi.FetchRequest{URL: url})
}

func (g *guest) next(req abi.FetchNext) (abi.FetchChunk, error) {
	var out abi.FetchChunk
	return out, g.op(abi.OpFetchNext, req, &out)
}

func (g *guest) op(name string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		g.t.Fatal(err)
	}
	answer, err := g.s.Ops()[name](g.ctx, g.info, raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// wantCode fails unless err has the code and its outward form holds each of the words.
func wantCode(t *testing.T, err error, code abi.Code, words ...string) *abi.Error {
	t.Helper()
	if got := host.CodeOf(err); got != code {
		t.Fatalf("got %v (%v), want %s", err, got, code)
	}
	out := host.Outward(err)
	story := out.Message + "\n" + out.Hint + "\n" + string(out.Details)
	for _, w := range words {
		if !strings.Contains(story, w) {
			t.Errorf("the error lacks %q:\n%s", w, story)
		}
	}
	return out
}

// server runs a handler on loopback.
func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// canary is a server that nobody may reach.
func canary(t *testing.T) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	reached := 0
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			mu.Lock()
			reached++
			mu.Unlock()
		}
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		mu.Lock()
		defer mu.Unlock()
		if reached > 0 {
			t.Errorf("the canary was reached %d times", reached)
		}
	})
	return srv
}

func portOf(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// names is a DNS server that answers what a test says; asked counts the questions for addresses.
type names struct {
	mu     sync.Mutex
	asked  map[string]int
	answer func(name string, nth int) string
}

// nameServer starts a DNS server; answer gives the IPv4 address of the nth question for a name, or
// "" for a name that does not exist.
func nameServer(t *testing.T, answer func(name string, nth int) string) (*net.Resolver, *names) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &names{asked: map[string]int{}, answer: answer}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.serve(pc)
	}()
	t.Cleanup(func() {
		pc.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}, n
}

func (n *names) count(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name]
}

func (n *names) serve(pc net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		size, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply, err := n.reply(buf[:size]); err == nil {
			pc.WriteTo(reply, from)
		}
	}
}

func (n *names) reply(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(q.Name.String(), ".")
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if q.Type == dnsmessage.TypeA {
		n.asked[name]++
	}
	switch ip := n.answer(name, n.asked[name]); {
	case ip == "":
		msg.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		msg.Answers = append(msg.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(ip).As4()},
		})
	}
	return msg.Pack()
}

// allLocal lets every name end at this machine.
func allLocal(string, int) string { return "127.0.0.1" }

// lookup is a credential source that a test fills.
func lookup(values map[string]string) func(string) (string, error) {
	return func(from string) (string, error) {
		if v := values[from]; v != "" {
			return v, nil
		}
		return "", errors.New(from + " is not set")
	}
}
