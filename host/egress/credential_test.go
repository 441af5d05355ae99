// Copyright 2026 The Gantry Authors.

package egress

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
)

func newSecret() string { return "s/" + rand.Text() + "+<é" }

// keyed grants a place and a credential for it.
func keyed(place string, c abi.Credential, more ...string) abi.Rights {
	c.Name, c.Host, c.From = "API_KEY", place, "env:API_KEY"
	return abi.Rights{Hosts: append([]string{place}, more...), Private: loopback, Credentials: []abi.Credential{c}}
}

func TestTheHostAddsTheCredentialAndTheGuestNeverSeesIt(t *testing.T) {
	secret := newSecret()
	var got http.Request
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		got = *r
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "/end?"+r.URL.RawQuery, http.StatusFound)
			return
		}
		q, _ := json.Marshal(r.Header)
		w.Header().Set("X-Echo", r.Header.Get("Authorization")+r.URL.RawQuery)
		fmt.Fprintln(w, secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)))
		fmt.Fprintf(w, "%s %s", q, r.URL)
	})
	s := newService(t, Config{Lookup: lookup(map[string]string{"env:API_KEY": secret})})
	for name, c := range map[string]abi.Credential{
		"in a header": {Header: "Authorization", Template: "Bearer ${value}"},
		"in a query":  {Query: "key"},
	} {
		for _, path := range []string{"/x?a=1&b=%20", "/again?a=1"} {
			t.Run(name+path, func(t *testing.T) {
				out, err := newGuest(t, s, keyed(srv.URL, c)).get(srv.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				if c.Header != "" && got.Header.Get("Authorization") != "Bearer "+secret {
					t.Errorf("the server got %q", got.Header)
				}
				if c.Query != "" && (!slices.Equal(got.URL.Query()["key"], []string{secret}) || got.URL.Query().Get("a") != "1") {
					t.Errorf("the server got %q", got.URL)
				}
				seen := fmt.Sprint(out.URL, out.Headers, string(out.Body))
				for form, s := range map[string]string{"raw": secret, "url": url.QueryEscape(secret), "hex": hex.EncodeToString([]byte(secret)),
					"base64": base64.StdEncoding.EncodeToString([]byte(secret))} {
					if strings.Contains(seen, s) {
						t.Errorf("the guest sees the secret (%s): %s", form, seen)
					}
				}
				if c.Query != "" && path == "/x?a=1&b=%20" && out.URL != srv.URL+path {
					t.Errorf("got URL %s", out.URL)
				}
			})
		}
	}
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	secret := rand.Text()
	srv := server(t, echo)
	resolver, _ := nameServer(t, allLocal)
	port := portOf(t, srv)
	a, b := "http://a.test:"+port, "http://b.test:"+port
	s := newService(t, Config{Resolver: resolver, Lookup: lookup(map[string]string{"env:API_KEY": secret, "env:OTHER": "other-" + secret})})
	rights := keyed(a, abi.Credential{Header: "X-Api-Key"}, b)

	t.Run("another host does not get it", func(t *testing.T) {
		for _, u := range []string{b + "/x", a + "/to?307&" + b + "/x"} {
			out, err := newGuest(t, s, rights).get(u)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(out.Body); got != "GET||||||" {
				t.Errorf("%s: got %q", u, got)
			}
		}
	})
	t.Run("a redirect to the host of another credential brings that one", func(t *testing.T) {
		r := rights
		r.Credentials = append(slices.Clone(r.Credentials), abi.Credential{Name: "OTHER", Host: b, Header: "X-Api-Key", From: "env:OTHER"})
		seen := ""
		srv := server(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Get("X-Api-Key") })
		b := "http://b.test:" + portOf(t, srv)
		r.Hosts = append(r.Hosts, b)
		r.Credentials[1].Host = b
		if _, err := newGuest(t, s, r).get(a + "/to?302&" + b); err != nil || seen != "other-"+secret {
			t.Errorf("got %q, %v", seen, err)
		}
	})
	t.Run("a redirect that carries it elsewhere is refused", func(t *testing.T) {
		leak := server(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", b+"/x?stolen="+r.Header.Get("X-Api-Key"))
			w.WriteHeader(302)
		})
		place := "http://a.test:" + portOf(t, leak)
		_, err := newGuest(t, s, keyed(place, abi.Credential{Header: "X-Api-Key"}, b)).get(place)
		if out := wantCode(t, err, abi.CodeForbidden, "with a credential"); strings.Contains(out.Message, secret) {
			t.Error("the error holds the secret")
		}
	})
	t.Run("one without a scheme is not sent in clear", func(t *testing.T) {
		_, err := newGuest(t, s, keyed("a.test:"+port, abi.Credential{Header: "X-Api-Key"})).get(a)
		wantCode(t, err, abi.CodeForbidden, "https only", "http://a.test:"+port)
	})
}

func TestAGuestCannotFillACredentialsPlace(t *testing.T) {
	srv := canary(t)
	s := newService(t, Config{Lookup: lookup(map[string]string{"env:API_KEY": rand.Text()})})
	_, err := newGuest(t, s, keyed(srv.URL, abi.Credential{Header: "X-Api-Key"})).fetch(
		abi.FetchRequest{URL: srv.URL, Headers: []abi.Header{{Name: "x-api-key", Value: "mine"}}})
	wantCode(t, err, abi.CodeForbidden, "X-Api-Key", "API_KEY")
	for _, q := range []string{"?key=mine", "?a&KEY", "?k%65y=1"} {
		_, err = newGuest(t, s, keyed(srv.URL, abi.Credential{Query: "key"})).get(srv.URL + q)
		wantCode(t, err, abi.CodeForbidden, "URL parameter key")
	}
}

func TestAMissingCredentialIsLoud(t *testing.T) {
	srv := canary(t)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newService(t, Config{})
	for from, words := range map[string][]string{
		"env:GANTRY_TEST_UNSET": {"API_KEY", "environment variable GANTRY_TEST_UNSET is not set", "set the environment variable"},
		"file:" + dir + "/none": {"API_KEY", "none cannot be read", "put the secret into the file"},
		"file:" + empty:         {"is empty"},
		"file:" + broken:        {"line break"},
		"":                      {"no source", `from: "env:API_KEY"`},
		"vault:x":               {"not env:NAME or file:/path"},
	} {
		r := keyed(srv.URL, abi.Credential{Header: "Authorization"})
		r.Credentials[0].From = from
		_, err := newGuest(t, s, r).get(srv.URL)
		wantCode(t, err, abi.CodeCredentialMissing, words...)
		errs := s.CheckCredentials(&r)
		if len(errs) != 1 {
			t.Fatalf("%s: got %v", from, errs)
		}
		wantCode(t, errs[0], abi.CodeCredentialMissing, words...)
	}
	if errs := s.CheckCredentials(nil); errs != nil {
		t.Error(errs)
	}
}

func TestAnOptionalCredentialMayBeMissing(t *testing.T) {
	srv := server(t, echo)
	s := newService(t, Config{})
	r := keyed(srv.URL, abi.Credential{Header: "Authorization", Optional: true})
	r.Credentials[0].From = "env:GANTRY_TEST_UNSET"
	out, err := newGuest(t, s, r).fetch(abi.FetchRequest{URL: srv.URL, Headers: []abi.Header{{Name: "Authorization", Value: "mine"}}})
	if err != nil || string(out.Body) != "GET||mine||||" {
		t.Errorf("got %q, %v", out.Body, err)
	}
	if errs := s.CheckCredentials(&r); errs != nil {
		t.Error(errs)
	}
}

func TestSystemLookupReadsTheEnvironmentAndFiles(t *testing.T) {
	secret := rand.Text()
	t.Setenv("GANTRY_TEST_KEY", secret)
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(secret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"env:GANTRY_TEST_KEY", "file:" + path} {
		if got, err := SystemLookup(from); err != nil || got != secret {
			t.Errorf("%s: got %q, %v", from, got, err)
		}
	}
	if err := os.WriteFile(path, make([]byte, maxSecretBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SystemLookup("file:" + path); err == nil {
		t.Error("a huge file was read")
	}
}

func TestTheMaskFindsSecretsOverAnyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[ -~]{6,24}`).Draw(t, "secret")
		var m mask
		m.add(secret)
		var whole []byte
		for range rapid.IntRange(1, 4).Draw(t, "times") {
			whole = append(whole, rapid.SliceOfN(rapid.ByteRange('a', 'e'), 0, 20).Draw(t, "noise")...)
			whole = append(whole, rapid.SampledFrom(m.needles).Draw(t, "form")...)
		}
		var out, rest []byte
		for left := whole; len(left) > 0; {
			n := rapid.IntRange(1, len(left)).Draw(t, "cut")
			var piece []byte
			piece, rest = m.apply(append(slices.Clone(rest), left[:n]...), false)
			out = append(out, piece...)
			left = left[n:]
		}
		last, _ := m.apply(rest, true)
		out = append(out, last...)
		if m.finds(string(out)) {
			t.Fatalf("%q still holds %q", out, secret)
		}
	})
}

func TestTheMaskHoldsBackNothingThatIsNoSecret(t *testing.T) {
	var m mask
	m.add("secret-value")
	out, rest := m.apply([]byte("plain text"), false)
	if string(out) != "plain text" || len(rest) > 0 {
		t.Errorf("got %q and %q", out, rest)
	}
	out, rest = m.apply([]byte("text sec"), false)
	if string(out) != "text " || string(rest) != "sec" {
		t.Errorf("got %q and %q", out, rest)
	}
}
