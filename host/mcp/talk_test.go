// Copyright 2026 The Gantry Authors.

package mcp

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the answers that were got into the talks")

// TestTalks holds the protocol against the conversations in testdata. In a talk each file whose
// name ends in "?" is a request and the one after it, "=", the answer that has to come. In both,
// SESSION stands for the id that initialize answered. What Hot answers comes in another frame, and
// has to say the same.
func TestTalks(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %d talks: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			talk, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, url := up(t, newFake(), func(c *Config) { c.NoHotPath = true })
			hold(t, talk, url, nil)
			if *update {
				if err := os.WriteFile(file, txtar.Format(talk), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, url = up(t, newFake(), nil)
			hold(t, talk, url, message)
			s, url := up(t, newFake(), nil)
			s.headStart = 0 // what takes any time at all is handed over
			hold(t, talk, url, message)
		})
	}
}

// message is the status of an answer and the last message in it.
func message(answer string) string {
	status, rest, _ := strings.Cut(answer, "\n")
	_, body, _ := strings.Cut(rest, "\n\n")
	return status + "\n" + string(unframe([]byte(body)))
}

// hold compares what essence leaves of the answers; without one all has to be the same.
func hold(t *testing.T, talk *txtar.Archive, url string, essence func(string) string) {
	session := ""
	for i := 0; i < len(talk.Files); i += 2 {
		q := talk.Files[i]
		name, ok := strings.CutSuffix(q.Name, "?")
		if !ok {
			t.Fatalf("%q is no request", q.Name)
		}
		if i+1 == len(talk.Files) || talk.Files[i+1].Name != name+"=" {
			if !*update {
				t.Fatalf("%q has no answer; run with -update", q.Name)
			}
			talk.Files = append(talk.Files[:i+1], append([]txtar.File{{Name: name + "="}}, talk.Files[i+1:]...)...)
		}
		got, id := say(t, url, strings.ReplaceAll(string(q.Data), "SESSION", session))
		if id != "" {
			session = id
			got = strings.ReplaceAll(got, id, "SESSION")
		}
		a := &talk.Files[i+1]
		want := string(a.Data)
		switch {
		case essence != nil && essence(got) == essence(want):
		case essence == nil && *update:
			a.Data = []byte(got)
		case got != want:
			t.Errorf("%s\ngot\n%s\nwant\n%s", name, got, want)
		}
	}
}

// eventID is what differs from run to run.
var eventID = regexp.MustCompile(`(?m)^id: .*\n`)

// say sends one request and writes down its answer.
func say(t *testing.T, url, text string) (got, session string) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	req, err := http.NewRequest(lines[0], url, strings.NewReader(strings.TrimRight(body, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer acme:ann"}, "Content-Type": {"application/json"},
		"Accept": {"application/json, text/event-stream"},
	}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, ": ")
		if req.Header.Del(key); value != "" {
			req.Header.Set(key, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, resp.StatusCode)
	for _, key := range []string{"Content-Type", "Mcp-Session-Id", "Allow"} {
		if v := resp.Header.Get(key); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, v)
		}
	}
	if len(data) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(eventID.ReplaceAllString(string(data), ""), "\n"))
	}
	return b.String(), resp.Header.Get("Mcp-Session-Id")
}
