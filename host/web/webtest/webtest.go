// Copyright 2026 The Gantry Authors.

// Package webtest sets up what tests of surfaces need alike, and plays HTTP talks that a person can read:
// text files of requests and the answers they have to get.
//
// It is for tests only, and knows HTTP but no surface.
package webtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/host/web"
)

// shown are the headers of an answer that a talk holds.
var shown = [...]string{"Allow", "Content-Type", "Cache-Control", "Retry-After", "WWW-Authenticate", "X-Accel-Buffering"}

// Serve serves s on a loopback port until the test ends and returns its address.
func Serve(t testing.TB, s *web.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// Talks plays every talk that the pattern matches against the host at addr, each as a subtest. With
// update the files are rewritten with the answers that came.
//
// In a talk, lines that begin with ">" are a request: method and path, headers, an empty one, the
// body. Lines that begin with "<" are its answer, in the same form. Every other line is prose. The
// headers in common, pairs of name and value, go with every request that does not have its own; an
// empty value in the talk leaves the header out.
func Talks(t *testing.T, addr, pattern string, update bool, common ...string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no talk matches %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := play(addr, string(want), common)
			if err != nil {
				t.Fatal(err)
			}
			if update {
				err := os.WriteFile(file, []byte(got), 0o644)
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s: run with -update and look at the difference\ngot:\n%s", file, firstDifference(got, string(want)))
			}
		})
	}
}

// play sends the talk's requests and returns the talk with the answers that came.
func play(addr, talk string, common []string) (string, error) {
	var out strings.Builder
	var request []string
	send := func() error {
		if request == nil {
			return nil
		}
		answer, err := exchange(addr, request, common)
		request = nil
		out.WriteString(answer)
		return err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(talk, "\n"), "\n") {
		if r, ok := strings.CutPrefix(line, ">"); ok {
			request = append(request, strings.TrimPrefix(r, " "))
			out.WriteString(line + "\n")
			continue
		}
		if err := send(); err != nil {
			return "", err
		}
		if !strings.HasPrefix(line, "<") {
			out.WriteString(line + "\n")
		}
	}
	err := send()
	return out.String(), err
}

func exchange(addr string, lines, common []string) (string, error) {
	method, path, _ := strings.Cut(lines[0], " ")
	blank := slices.Index(lines, "")
	headers, body := lines[1:], ""
	if blank > 0 {
		headers, body = lines[1:blank], strings.Join(lines[blank+1:], "\n")
	}
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	for i := 0; i+1 < len(common); i += 2 {
		req.Header.Set(common[i], common[i+1])
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if value = strings.TrimSpace(value); !ok {
			return "", fmt.Errorf("%q is not a header", h)
		}
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return word(resp)
}

func word(resp *http.Response) (string, error) {
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "< %d\n", resp.StatusCode)
	for _, name := range shown {
		if v := resp.Header.Get(name); v != "" {
			fmt.Fprintf(&b, "< %s: %s\n", name, v)
		}
	}
	if len(data) > 0 {
		b.WriteString("<\n")
		for line := range strings.SplitSeq(strings.TrimRight(string(data), "\n"), "\n") {
			b.WriteString(strings.TrimRight("< "+line, " ") + "\n")
		}
	}
	return b.String(), nil
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d: %s\nwant: %s", i+1, g[i], strings.Join(w[min(i, len(w)):min(i+1, len(w))], ""))
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}
