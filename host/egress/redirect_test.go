// Copyright 2026 The Gantry Authors.

package egress

import (
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// echo answers what it was asked, and redirects "/to?STATUS&URL".
func echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/to" {
		status, to, _ := strings.Cut(r.URL.RawQuery, "&")
		codes := map[string]int{"301": 301, "302": 302, "303": 303, "307": 307, "308": 308, "304": 304}
		w.Header().Set("Location", to)
		w.WriteHeader(codes[status])
		return
	}
	body, _ := io.ReadAll(r.Body)
	io.WriteString(w, strings.Join([]string{r.Method, string(body), r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"),
		r.Header.Get("Cookie"), r.Header.Get("X-Plain"), r.Header.Get("Content-Type")}, "|"))
}

func TestRedirectsAreJudgedLikeTheFirstURL(t *testing.T) {
	trap := canary(t)
	srv := server(t, echo)
	resolver, _ := nameServer(t, allLocal)
	s := newService(t, Config{Resolver: resolver})
	port := portOf(t, srv)
	rights := abi.Rights{Hosts: []string{"open.test:" + port, "*"}, Private: loopback}
	for _, to := range []string{
		trap.URL, "http://localhost:" + portOf(t, trap), "http://127.0.0.1:80/", "http://[::1]/", "http://169.254.169.254/latest", "http://trap.test/",
		"http://2130706433/", "ftp://a.test/", "file:///etc/passwd", "http://user:pw@open.test:" + port + "/", "//trap.test:" + portOf(t, trap),
	} {
		_, err := newGuest(t, s, rights).get("http://open.test:" + port + "/to?302&" + to)
		wantCode(t, err, abi.CodeForbidden)
	}
}

func TestRedirectsEnd(t *testing.T) {
	hops := 0
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		if hops++; r.URL.Path == "/5" && hops > 5 {
			return
		}
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(302)
	})
	g := newGuest(t, newService(t, Config{}), abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
	if out, err := g.get(srv.URL + "/5"); err != nil || out.Status != 200 {
		t.Errorf("five redirects: %v %v", out.Status, err)
	}
	_, err := g.get(srv.URL + "/loop")
	wantCode(t, err, abi.CodeLimit, "redirects")
}

func TestRedirectsKeepOrChangeTheMethodAsTheStatusSays(t *testing.T) {
	srv := server(t, echo)
	g := newGuest(t, newService(t, Config{}), abi.Rights{Hosts: []string{srv.URL}, Private: loopback})
	for _, c := range []struct{ method, status, want string }{
		{"POST", "301", "GET||||||"}, {"POST", "302", "GET||||||"}, {"POST", "303", "GET||||||"}, {"PUT", "303", "GET||||||"},
		{"POST", "307", "POST|b|||||text/x"}, {"POST", "308", "POST|b|||||text/x"}, {"PUT", "302", "PUT|b|||||text/x"},
	} {
		out, err := g.fetch(abi.FetchRequest{Method: c.method, URL: srv.URL + "/to?" + c.status + "&/end", Body: []byte("b"),
			Headers: []abi.Header{{Name: "Content-Type", Value: "text/x"}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(out.Body); got != c.want || out.URL != srv.URL+"/end" {
			t.Errorf("%s %s: got %q at %s, want %q", c.method, c.status, got, out.URL, c.want)
		}
	}
	if out, err := g.get(srv.URL + "/to?304&/end"); err != nil || out.Status != 304 {
		t.Errorf("304: got %v %v", out.Status, err)
	}
}

func TestSecretsOfTheGuestStayWithTheirOrigin(t *testing.T) {
	srv := server(t, echo)
	resolver, _ := nameServer(t, allLocal)
	port := portOf(t, srv)
	g := newGuest(t, newService(t, Config{Resolver: resolver}), abi.Rights{Hosts: []string{"a.test:" + port, "b.test:" + port}, Private: loopback})
	headers := []abi.Header{{Name: "Authorization", Value: "mine"}, {Name: "X-Api-Key", Value: "k"}, {Name: "Cookie", Value: "c=1"}, {Name: "X-Plain", Value: "p"}}
	for to, want := range map[string]string{
		"http://a.test:" + port + "/x": "GET||mine|k|c=1|p|",
		"/x":                           "GET||mine|k|c=1|p|",
		"http://b.test:" + port + "/x": "GET||||" + "|p|",
	} {
		out, err := g.fetch(abi.FetchRequest{URL: "http://a.test:" + port + "/to?302&" + to, Headers: headers})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(out.Body); got != want {
			t.Errorf("to %s: got %q, want %q", to, got, want)
		}
	}
}
