// Copyright 2026 The Gantry Authors.

package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

type inner struct {
	N int `json:"n"`
}

type bound struct {
	Name  string          `json:"name"`
	Inner inner           `json:"inner"`
	List  []string        `json:"list"`
	Raw   json.RawMessage `json:"raw"`
	Flag  bool            `json:"flag"`
}

func TestDecodeJSON(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	many := func(last string) string {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		return `{"raw":{` + b.String() + `"` + last + `":1}}`
	}
	for body, want := range map[string]string{
		`{"name":"a","inner":{"n":1},"list":["x"],"raw":{"any":[1,{"a":1},{"a":1}]},"flag":true}`: "",
		`{"raw":` + deep(63) + `}`: "", `{"raw":` + deep(64) + `}`: "raw: is nested deeper than 64",
		many("other"): "", many("k39"): "raw.k39: is there twice", many("k3"): "raw.k3: is there twice",
		`{"raw":"{\"name\":1}","name":"\"}{,"}`: "",
		`{"name":"a","name":"b"}`:               "name: is there twice",
		`{"name":"a","n\u0061me":"b"}`:          "name: is there twice",
		`{"inner":{"n":1,"n":2}}`:               "inner.n: is there twice",
		`{"raw":[{"a":1,"a":1}]}`:               "raw.a: is there twice",
		`{"NAME":"a"}`:                          "NAME: is not a field",
		`{"other":1}`:                           "other: is not a field of this request; it takes name, inner, list, raw, flag",
		`{"inner":{"m":1}}`:                     `"m"`,
		`{"name":1}`:                            "name: is a JSON number; has to be a string",
		`{"inner":{"n":"1"}}`:                   "inner.n: is a JSON string; has to be a whole number",
		`{"inner":[]}`:                          "inner: is a JSON array; has to be an object",
		`{"list":{}}`:                           "list: is a JSON object; has to be an array",
		`{"flag":"yes"}`:                        "flag: is a JSON string; has to be true or false",
		``:                                      "empty", `  `: "empty", `[1]`: "has to be a JSON object", `null`: "has to be a JSON object",
		`{"name":"a"`: "middle", `{"name":"a"}x`: "something follows", `{"name":"a"}{}`: "something follows",
		"{\"name\":\"\xff\"}": "UTF-8", `{"name":}`: "at byte 9", `{'name':1}`: "not valid JSON",
	} {
		t.Run(fmt.Sprintf("%.40s", body), func(t *testing.T) {
			var v bound
			err := DecodeJSON([]byte(body), &v)
			if want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if host.CodeOf(err) != abi.CodeInvalidArg || !strings.Contains(host.Outward(err).Message, want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// FuzzAmbiguous looks for a header that breaks the scan, and holds the plain cases.
func FuzzAmbiguous(f *testing.F) {
	f.Add([]byte("Host: a\r\nContent-Length: 1\r\n\r\n"), true)
	f.Add([]byte("Transfer-Encoding: chunked\r\n"), false)
	f.Add([]byte("c\n:\nContent-Length :"), true)
	f.Fuzz(func(t *testing.T, header []byte, http11 bool) {
		why := ambiguous(header, http11)
		both := "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" + string(header)
		if ambiguous([]byte(both), http11) == "" {
			t.Errorf("%q hides that there are two lengths", header)
		}
		if why != "" && ambiguous(append(header, "\r\nX: y\r\n"...), http11) == "" {
			t.Errorf("%q is not ambiguous any more with a header behind it", header)
		}
	})
}

// FuzzDecodeJSON holds what is taken against what encoding/json reads.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"name":"a"}`, `{"raw":[[[]]]}`, `{"name":"a","name":"b"}`, `{"raw":{"\\":1,"\"":2}}`, `{`, `{"list":["\ud800"]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v bound
		if err := DecodeJSON(data, &v); err != nil {
			if host.Outward(err).Message == "" {
				t.Fatal("an error without a word")
			}
			return
		}
		var again bound
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatalf("took what encoding/json refuses: %v", err)
		}
		top := map[string]json.RawMessage{}
		if err := json.Unmarshal(data, &top); err != nil {
			t.Fatal(err)
		}
		for name := range top {
			if !strings.Contains(" name inner list raw flag ", " "+name+" ") {
				t.Fatalf("took the unknown field %q", name)
			}
		}
	})
}

func TestBind(t *testing.T) {
	_, addr := up(t, Config{BodyLimit: 4 << 20}, Route{Method: "POST", Path: "/bind", Public: true, Handler: func(c *Ctx) error {
		var v bound
		if err := c.Bind(&v); err != nil {
			return err
		}
		return c.JSON(200, v.Name)
	}})
	url := "http://" + addr + "/bind"
	for _, ct := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"} {
		t.Run(ct+" is taken", func(t *testing.T) {
			want(t, ask(t, "POST", url, `{"name":"x"}`, "Content-Type", ct), 200, `"x"`)
		})
	}
	t.Run("another content type is refused by name", func(t *testing.T) {
		want(t, ask(t, "POST", url, `{"name":"x"}`, "Content-Type", "text/plain"), 422, "application/json", "text/plain")
		want(t, ask(t, "POST", url, `{"name":"x"}`), 422, "application/json")
	})
	t.Run("more than 1 MiB is 413", func(t *testing.T) {
		want(t, ask(t, "POST", url, `{"name":"`+strings.Repeat("x", JSONLimit)+`"}`, "Content-Type", "application/json"), 413, "1 MiB")
	})
}

func TestTheJSONLimitIsASetting(t *testing.T) {
	_, addr := up(t, Config{BodyLimit: 3 << 20, JSONLimit: 2 << 20}, Route{Method: "POST", Path: "/bind", Public: true, Handler: func(c *Ctx) error {
		var v bound
		if err := c.Bind(&v); err != nil {
			return err
		}
		return c.JSON(200, len(v.Name))
	}})
	url := "http://" + addr + "/bind"
	big := `{"name":"` + strings.Repeat("x", 2<<20-11) + `"}`
	want(t, ask(t, "POST", url, big, "Content-Type", "application/json"), 200, "2097141")
	want(t, ask(t, "POST", url, big+" ", "Content-Type", "application/json"), 413, "2 MiB")
	if _, err := New(Config{JSONLimit: -1}); host.CodeOf(err) != abi.CodeInvalidArg {
		t.Errorf("a negative one: %v", err)
	}
}

func TestAnErrorSaysWhenToTryAgain(t *testing.T) {
	errs := map[string]*host.Error{
		"/known":   {Code: abi.CodeRateLimited, Message: "used up", RetryAfter: 1500 * time.Millisecond},
		"/unknown": {Code: abi.CodeBusy, Message: "busy"},
	}
	var routes []Route
	for path, e := range errs {
		routes = append(routes, Route{Method: "GET", Path: path, Public: true, Handler: func(*Ctx) error { return e }})
	}
	_, addr := up(t, Config{}, routes...)
	for path, seconds := range map[string]string{"/known": "2", "/unknown": "1"} {
		got := ask(t, "GET", "http://"+addr+path, "")
		want(t, got, 429, string(errs[path].Code), `"retryable":true`)
		if h := got.header.Get("Retry-After"); h != seconds {
			t.Errorf("%s: Retry-After is %q, want %s", path, h, seconds)
		}
	}
}

func TestMountRefuses(t *testing.T) {
	ok := func(*Ctx) error { return nil }
	route := func(method, path string) Route { return Route{Method: method, Path: path, Public: true, Handler: ok} }
	for name, routes := range map[string][]Route{
		"a route twice":                    {route("GET", "/a"), route("GET", "/a")},
		"a method that is none":            {route("FETCH", "/a")},
		"a relative path":                  {route("GET", "a")},
		"a pattern of the router":          {route("GET", "/a/*")},
		"a rest that is not the last":      {route("GET", "/a/{b...}/c")},
		"a rest that is part of a segment": {route("GET", "/a/b{c...}")},
		"a route without a handler":        {{Method: "GET", Path: "/a", Public: true}},
		"a closed route and nobody to ask": {{Method: "GET", Path: "/a", Handler: ok}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Mount(Surface{Routes: routes}); err == nil {
				t.Error("it was mounted")
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"ReadTimeout":     {ReadTimeout: -1},
		"BodyLimit":       {BodyLimit: -1},
		"app.example.com": {AllowedOrigins: []string{"app.example.com"}},
		"example.com/x":   {AllowedOrigins: []string{"https://example.com/x"}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// fromListener hands out connections that seem to come from an address of the test's choice.
type fromListener struct {
	net.Listener
	from chan net.Addr
}

type fromConn struct {
	net.Conn
	from net.Addr
}

func (c fromConn) RemoteAddr() net.Addr { return c.from }

func (l fromListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return fromConn{c, <-l.from}, nil
}

func TestConnectionsPerAddressAreCounted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from := make(chan net.Addr, 1)
	gl := newGuardedListener(fromListener{ln, from}, time.Second, 2)
	defer gl.Close()
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := gl.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func(ip string) net.Conn {
		t.Helper()
		from <- &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	refused := func(c net.Conn) {
		t.Helper()
		data, _ := io.ReadAll(c) // a reset after the answer is as good
		if !strings.Contains(string(data), "429") || !strings.HasSuffix(string(data), "too many connections from this address") {
			t.Errorf("got %q", data)
		}
	}
	dial("192.0.2.1")
	first := <-accepted
	dial("::ffff:192.0.2.1")
	<-accepted
	refused(dial("192.0.2.1"))
	dial("192.0.2.2")
	<-accepted
	dial("2001:db8::1")
	<-accepted
	dial("2001:db8::2")
	<-accepted
	refused(dial("2001:db8::3"))
	dial("2001:db8:0:1::3")
	<-accepted
	for range 3 {
		dial("127.0.0.1")
		<-accepted
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	dial("192.0.2.1")
	<-accepted
	gl.closeAll()
	if len(gl.open) != 0 || len(gl.count) != 0 {
		t.Errorf("left behind: %d open, %v", len(gl.open), gl.count)
	}
}

func TestASlowReaderIsServedAndADeafOneCut(t *testing.T) {
	body := []byte(strings.Repeat("0123456789abcdef", 4<<10)) // one piece of 64 KiB
	open := func(t *testing.T, write time.Duration) (*guardedConn, net.Conn) {
		near, far := net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		return newGuardedListener(nil, write, 0).admit(near), far
	}
	t.Run("a reader that needs longer than the write time gets all", func(t *testing.T) {
		c, far := open(t, time.Second)
		go func() {
			defer c.Close()
			if n, err := c.Write(body); n != len(body) || err != nil {
				t.Errorf("wrote %d: %v", n, err)
			}
		}()
		got := make([]byte, 0, len(body))
		for part := make([]byte, 2000); ; time.Sleep(40 * time.Millisecond) {
			n, err := far.Read(part)
			got = append(got, part[:n]...)
			if err != nil {
				break
			}
		}
		if string(got) != string(body) {
			t.Errorf("got %d bytes, want %d", len(got), len(body))
		}
	})
	t.Run("a reader that stops is cut after the write time, and not after twice that", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, far := open(t, 3*time.Second)
			go func() {
				_, _ = io.ReadFull(far, make([]byte, 2000)) // the write shows how much it took
				time.Sleep(2 * time.Second)
				_, _ = io.ReadFull(far, make([]byte, 2000))
			}()
			begin := time.Now()
			n, err := c.Write(body)
			took := time.Since(begin) - 2*time.Second
			if n != 4000 || !errors.Is(err, os.ErrDeadlineExceeded) || took < 3*time.Second || took > 3200*time.Millisecond {
				t.Errorf("wrote %d (%v), cut %v after the last byte", n, err, took)
			}
		})
	})
	t.Run("a reader that takes nothing is cut", func(t *testing.T) {
		c, _ := open(t, 50*time.Millisecond)
		if n, err := c.Write(body); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d: %v", n, err)
		}
	})
}

func TestClientGone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := server.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if ClientGone(server) {
		t.Error("a silent client is taken for gone")
	}
	var g goneWatch
	gone := make(chan struct{})
	stop := g.watch(server, func() { close(gone) })
	never := g.watch(server, func() { t.Error("called after stop") })
	never()
	never()
	client.Close()
	soon(t, "gone", gone)
	stop()
	g.wait()
	if !ClientGone(server) {
		t.Error("a client that left is taken for there")
	}
	a, b := net.Pipe()
	defer b.Close()
	a.Close()
	if ClientGone(a) {
		t.Error("a connection without a descriptor is found gone")
	}
}

func TestLookingForClientsThatLeftMakesNoGarbage(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, p := rawConn(conn), &probe{}
	if n := testing.AllocsPerRun(1000, func() {
		if clientGone(raw, p) {
			t.Fatal("the client is there")
		}
	}); n > 0 {
		t.Errorf("a look allocates %v times", n)
	}
}
