// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestManifest(t *testing.T) { pdktest.Manifest(t) }

// serve answers every request with one body.
func serve(t *testing.T, status int, contentType, body string) *pdktest.Host {
	t.Helper()
	h := pdktest.New(t)
	h.Web = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
	return h
}

type answer struct {
	Status      int
	URL         string
	ContentType string `json:"content_type"`
	Title       string
	Text        string
	JSON        any
	Bytes       int
	Truncated   bool
	Next        int
}

func get(t *testing.T, h *pdktest.Host, more string) (answer, *pdktest.Result) {
	t.Helper()
	res := h.Call("fetch", []byte(`{"url":"https://site.test/dir/page"`+more+`}`))
	var a answer
	res.Decode(&a)
	return a, res
}

func TestAPageBecomesMarkdown(t *testing.T) {
	h := serve(t, 200, "text/html; charset=utf-8", "<title>A  page</title><h1>Hello</h1><p>See <a href='../x'>the rest</a>.</p><script>no</script>")
	a, res := get(t, h, "")
	if a.Text != "# Hello\n\nSee [the rest](https://site.test/x)." || res.Text != a.Text || a.Title != "A page" || a.Status != 200 || a.Truncated {
		t.Errorf("got %+v", a)
	}
	if a, _ = get(t, h, `,"format":"text"`); a.Text != "Hello\n\nSee the rest." {
		t.Errorf("text: got %q", a.Text)
	}
	if a, _ = get(t, h, `,"format":"raw"`); !strings.HasPrefix(a.Text, "<title>") {
		t.Errorf("raw: got %q", a.Text)
	}
}

func TestALongTextIsReadInParts(t *testing.T) {
	h := serve(t, 200, "text/plain; charset=utf-8", "äbcdefghij")
	a, _ := get(t, h, `,"max_chars":4`)
	if a.Text != "äbcd" || !a.Truncated || a.Next != 4 {
		t.Errorf("got %+v", a)
	}
	if a, _ = get(t, h, `,"max_chars":6,"start":4`); a.Text != "efghij" || a.Truncated || a.Next != 0 {
		t.Errorf("got %+v", a)
	}
	if a, _ = get(t, h, `,"start":99`); a.Text != "" || a.Truncated {
		t.Errorf("got %+v", a)
	}
}

func TestAHugeBodyIsCut(t *testing.T) {
	a, _ := get(t, serve(t, 200, "text/plain", strings.Repeat("x", maxBody+9)), `,"max_chars":10`)
	if a.Bytes != maxBody || !a.Truncated || len(a.Text) != 10 {
		t.Errorf("got %d bytes, truncated %v", a.Bytes, a.Truncated)
	}
}

func TestABadStatusIsTold(t *testing.T) {
	a, res := get(t, serve(t, 404, "text/plain", "no such page"), "")
	if a.Status != 404 || a.Text != "no such page" || res.Text != "HTTP 404\n\nno such page" {
		t.Errorf("got %+v, %q", a, res.Text)
	}
}

func TestJSONIsAValue(t *testing.T) {
	a, res := get(t, serve(t, 200, "application/json", `{"a":[1,2]}`), `,"format":"json"`)
	if fmt.Sprint(a.JSON) != "map[a:[1 2]]" || res.Text != "{\n  \"a\": [\n    1,\n    2\n  ]\n}" {
		t.Errorf("got %+v, %q", a, res.Text)
	}
	if a, _ = get(t, serve(t, 200, "application/json", `{"a":[1,2]}`), ""); a.Text != `{"a":[1,2]}` {
		t.Errorf("got %+v", a)
	}
	fault := serve(t, 200, "text/html", "<p>sorry").Call("fetch", []byte(`{"url":"https://site.test","format":"json"}`))
	if fault.Err == nil || !strings.Contains(fault.Err.Message, "not JSON") || !strings.Contains(fault.Err.Message, "<p>sorry") {
		t.Errorf("got %+v", fault.Err)
	}
}

func TestBinaryIsSaidAndPicturesAreShown(t *testing.T) {
	a, res := get(t, serve(t, 200, "application/zip", "PK\x03\x04"), "")
	if a.Text != "" || !strings.Contains(res.Text, "4 bytes of application/zip that is not text") {
		t.Errorf("got %+v, %q", a, res.Text)
	}
	_, res = get(t, serve(t, 200, "image/png", "\x89PNG"), "")
	if c := res.Content; len(c) != 1 || c[0].Type != abi.ContentImage || c[0].MIMEType != "image/png" || string(c[0].Data) != "\x89PNG" {
		t.Errorf("got %+v", c)
	}
	_, res = get(t, serve(t, 200, "audio/wav", "RIFF"), "")
	if c := res.Content; len(c) != 1 || c[0].Type != abi.ContentAudio {
		t.Errorf("got %+v", c)
	}
	if _, res = get(t, serve(t, 200, "application/octet-stream", "a\x00b"), ""); !strings.Contains(res.Text, "not text") {
		t.Errorf("got %q", res.Text)
	}
	if a, _ = get(t, serve(t, 200, "application/octet-stream", "plain"), ""); a.Text != "plain" {
		t.Errorf("got %+v", a)
	}
}

func TestCharsetsBecomeUTF8(t *testing.T) {
	for _, c := range []struct{ contentType, body, want string }{
		{"text/plain; charset=ISO-8859-1", "caf\xe9 \x80", "café €"},
		{"text/plain; charset=\"windows-1252\"", "\x93x\x94", "“x”"},
		{"text/html", "<meta charset=latin1><p>caf\xe9", "café"},
		{"text/plain", "\xff\xfeh\x00i\x00", "hi"},
		{"text/plain", "\xfe\xff\x00h\x00i", "hi"},
		{"text/plain", "\xef\xbb\xbfhi", "hi"},
		{"text/plain; charset=utf-16le", "h\x00i\x00", "hi"},
		{"text/plain; charset=utf-8", "a\xffb", "a\ufffdb"},
		{"text/plain; charset=koi8-r", "abc", "abc"},
	} {
		if a, _ := get(t, serve(t, 200, c.contentType, c.body), ""); a.Text != c.want {
			t.Errorf("%s %q: got %q, want %q", c.contentType, c.body, a.Text, c.want)
		}
	}
}

func TestARequestGoesOutAsWritten(t *testing.T) {
	h := pdktest.New(t)
	h.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Header.Get("Content-Type"), r.Header.Get("X-A"), body)
	})
	for in, want := range map[string]string{
		`{"url":"https://a.test","body":"{\"x\":1}"}`:                                                        `POST application/json  {"x":1}`,
		`{"url":"https://a.test","body":"x=1","method":"PUT","headers":{"content-type":"text/x","X-A":"1"}}`: `PUT text/x 1 x=1`,
		`{"url":"https://a.test","body":"{}","headers":{"content-type":"application/vnd.x+json"}}`:           `POST application/vnd.x+json  {}`,
		`{"url":"https://a.test","method":"DELETE"}`:                                                         `DELETE   `,
	} {
		if res := h.Call("http_request", []byte(in)).OK(); res.Text != want {
			t.Errorf("%s: got %q, want %q", in, res.Text, want)
		}
	}
	res := h.Call("http_request", []byte(`{"url":"https://a.test","method":"GET","body":"x"}`))
	if res.Err == nil || res.Err.Code != abi.CodeInvalidArg || !strings.Contains(res.Err.Message, "body") {
		t.Errorf("got %+v", res.Err)
	}
	if res := h.Call("http_request", []byte(`{"url":"https://a.test","method":"TRACE"}`)); res.Err == nil || res.Err.Code != abi.CodeInvalidArg {
		t.Errorf("got %+v", res.Err)
	}
}

func TestWithoutAGrantTheCallerReadsWhatIsMissing(t *testing.T) {
	h := serve(t, 200, "text/plain", "x")
	h.Grants = &pdk.Rights{}
	res := h.Call("fetch", []byte(`{"url":"https://site.test"}`))
	if res.Err == nil || res.Err.Code != abi.CodeForbidden || !strings.Contains(res.Err.Hint, "site.test") {
		t.Errorf("got %+v", res.Err)
	}
}

func TestOnlyFetchIsReadOnly(t *testing.T) {
	for _, tool := range pdktest.New(t).Manifest().Tools {
		if a := tool.Annotations; a.ReadOnly != (tool.Name == "fetch") || a.Destructive != (tool.Name == "http_request") || !a.OpenWorld {
			t.Errorf("%s: got %+v", tool.Name, a)
		}
	}
}
