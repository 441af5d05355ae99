// Copyright 2026 The Gantry Authors.

package memory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/memory"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t testing.TB) *badgerstore.Store {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func service(t testing.TB, c memory.Config) *memory.Service {
	t.Helper()
	if c.Store == nil {
		c.Store = open(t)
	}
	s, err := memory.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// who is a principal that may do everything.
func who(tenant host.TenantID, user string) *host.Principal {
	return &host.Principal{Tenant: tenant, User: user, Scopes: host.AllScopes()}
}

var ann = who("acme", "ann")

func write(t testing.TB, s *memory.Service, p *host.Principal, path, text string) abi.MemoryInfo {
	t.Helper()
	info, err := s.Write(context.Background(), p, abi.MemoryWrite{Path: path, Content: text})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func read(t testing.TB, s *memory.Service, p *host.Principal, path string) string {
	t.Helper()
	f, err := s.Read(context.Background(), p, abi.MemoryRead{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return f.Content
}

func rev(r uint64) *uint64 { return &r }

// long is a text that does not fit into a head, nor into one piece.
var long = strings.Repeat("ä line\n", 100_000)

func TestWhatIsWrittenIsRead(t *testing.T) {
	s, ctx := service(t, memory.Config{Clock: &clock{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}}), t.Context()
	for name, text := range map[string]string{"empty": "", "short": "one\ntwo <&> \u2028", "long": long, "as long as can be": strings.Repeat("x", memory.MaxFileBytes)} {
		t.Run(name, func(t *testing.T) {
			info := write(t, s, ann, "notes/"+name, text)
			got, err := s.Read(ctx, ann, abi.MemoryRead{Path: "notes/" + name})
			if err != nil || got.Content != text || got.MemoryInfo != info {
				t.Fatalf("got %d bytes as %+v, %v; want %+v", len(got.Content), got.MemoryInfo, err, info)
			}
			if info.Size != int64(len(text)) || info.Modified != "2026-01-31T12:00:00Z" || info.Revision == 0 {
				t.Errorf("got %+v", info)
			}
		})
	}
	t.Run("in pieces that end with whole characters", func(t *testing.T) {
		var sb strings.Builder
		for in := (abi.MemoryRead{Path: "notes/long", Limit: 65_537}); ; {
			f, err := s.Read(ctx, ann, in)
			if err != nil || len(f.Content) > 65_537 || int64(sb.Len()) != f.Offset {
				t.Fatalf("got %d bytes at %d of %d, %v", len(f.Content), f.Offset, sb.Len(), err)
			}
			sb.WriteString(f.Content)
			if in.Offset = f.Next; f.Next == 0 {
				break
			}
		}
		if sb.String() != long {
			t.Error("the pieces together are not the file")
		}
	})
	t.Run("from inside a character its beginning", func(t *testing.T) {
		f, err := s.Read(ctx, ann, abi.MemoryRead{Path: "notes/long", Offset: 1, Limit: 4})
		if err != nil || f.Content != "ä l" || f.Offset != 0 || f.Next != 4 {
			t.Errorf("got %+v, %v", f, err)
		}
	})
}

func TestAPathHasOneSpelling(t *testing.T) {
	s := service(t, memory.Config{})
	write(t, s, ann, "notes/café.md", "composed")
	for _, spelling := range []string{"/notes/café.md", "notes//café.md", "./notes/./café.md", "notes/cafe\u0301.md"} {
		if got := read(t, s, ann, spelling); got != "composed" {
			t.Errorf("%q reads %q", spelling, got)
		}
	}
	for bad, says := range map[string]string{
		"":                           "path: it is empty",
		"/":                          "path: it is empty",
		"notes/":                     "ends with a slash",
		"../x":                       "holds ..",
		"a/../b":                     "holds ..",
		`a\b`:                        "backslash",
		"a\x00b":                     "control character",
		"a\nb":                       "control character",
		"a\xff":                      "not UTF-8",
		strings.Repeat("x", 513):     "it has 513 bytes; at most 512",
		strings.Repeat("x/", 10_000): "at most 512",
	} {
		_, err := s.Write(t.Context(), ann, abi.MemoryWrite{Path: bad, Content: "x"})
		storetest.WantCode(t, err, abi.CodeInvalidArg)
		if !strings.Contains(host.Outward(err).Message, says) {
			t.Errorf("%.20q: %v does not say %q", bad, err, says)
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	s := service(t, memory.Config{})
	_, err := s.Read(t.Context(), ann, abi.MemoryRead{Path: "a"})
	storetest.WantCode(t, err, abi.CodeNotFound)
	storetest.WantCode(t, s.Delete(t.Context(), ann, abi.MemoryDelete{Path: "a"}), abi.CodeNotFound)
	write(t, s, ann, "a", long)
	if err := s.Delete(t.Context(), ann, abi.MemoryDelete{Path: "a"}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Read(t.Context(), ann, abi.MemoryRead{Path: "a"})
	storetest.WantCode(t, err, abi.CodeNotFound)
	storetest.WantCode(t, s.Delete(t.Context(), ann, abi.MemoryDelete{Path: "a"}), abi.CodeNotFound)
}

func TestARevisionGuardsAChange(t *testing.T) {
	s, ctx := service(t, memory.Config{}), t.Context()
	put := func(r *uint64) error {
		_, err := s.Write(ctx, ann, abi.MemoryWrite{Path: "a", Content: "x", IfRevision: r})
		return err
	}
	add := func(r *uint64) error {
		_, err := s.Append(ctx, ann, abi.MemoryAppend{Path: "a", Content: "y", IfRevision: r})
		return err
	}
	del := func(r *uint64) error { return s.Delete(ctx, ann, abi.MemoryDelete{Path: "a", IfRevision: r}) }
	storetest.WantCode(t, put(rev(7)), abi.CodeConflict)
	storetest.WantCode(t, del(rev(7)), abi.CodeConflict)
	storetest.WantCode(t, put(rev(0)), "")
	for _, try := range []func(*uint64) error{put, add, del} {
		err := try(rev(0))
		storetest.WantCode(t, err, abi.CodeConflict)
		var details struct {
			Path     string
			Revision uint64
		}
		if jerr := json.Unmarshal(host.Outward(err).Details, &details); jerr != nil || details.Path != "a" || details.Revision == 0 {
			t.Errorf("the conflict has details %+v, %v", details, jerr)
		}
		storetest.WantCode(t, try(&details.Revision), "")
	}
	storetest.WantCode(t, put(rev(0)), "")
	if got := read(t, s, ann, "a"); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestAppendsAtOnceAllTakePlace(t *testing.T) {
	// Two services on one store are two hosts of a cluster: the revisions alone guard between them.
	st := open(t)
	hosts := []*memory.Service{service(t, memory.Config{Store: st}), service(t, memory.Config{Store: st})}
	const writers, each = 8, 12
	filler := strings.Repeat("x", 2000) // so that it grows out of its head on the way
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				for {
					_, err := hosts[w%2].Append(t.Context(), ann, abi.MemoryAppend{Path: "log", Content: fmt.Sprintf("%d.%d %s", w, i, filler), NewLine: true})
					if host.CodeOf(err) == abi.CodeBusy {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
			}
		})
	}
	wg.Wait()
	lines := strings.Split(read(t, hosts[0], ann, "log"), "\n")
	next := map[string]int{}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		w, i, _ := strings.Cut(name, ".")
		if i != fmt.Sprint(next[w]) {
			t.Fatalf("writer %s: line %s after %d others", w, i, next[w])
		}
		next[w]++
	}
	if len(lines) != writers*each {
		t.Errorf("%d lines, want %d", len(lines), writers*each)
	}
	leftovers(t, st, 1)
}

// leftovers checks that no change under way is written down, and that pieces are those of so many
// long files.
func leftovers(t *testing.T, st store.Store, files int) {
	t.Helper()
	page, err := st.List(t.Context(), nil, "", store.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]bool{}
	for _, rec := range page.Records {
		switch rec.Key[3] {
		case "w":
			t.Errorf("an intent was left: %s", rec.Value)
		case "p":
			bodies[rec.Key[4]] = true
		}
	}
	if len(bodies) != files {
		t.Errorf("%d bodies for %d files", len(bodies), files)
	}
}

func TestReadersSeeWholeVersions(t *testing.T) {
	s := service(t, memory.Config{})
	texts := map[string]bool{}
	for i := range 3 {
		texts[strings.Repeat(fmt.Sprint(i), 600_000+i)] = true
	}
	for text := range texts {
		write(t, s, ann, "a", text)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			for text := range texts {
				if _, err := s.Write(t.Context(), ann, abi.MemoryWrite{Path: "a", Content: text}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 100 {
		f, err := s.Read(t.Context(), ann, abi.MemoryRead{Path: "a"})
		if host.CodeOf(err) == abi.CodeBusy {
			continue
		}
		if err != nil || !texts[f.Content] || f.Size != int64(len(f.Content)) {
			t.Fatalf("read %d bytes that were never written together, %v", len(f.Content), err)
		}
	}
	stop()
	wg.Wait()
}

func TestNobodySeesAnothersMemory(t *testing.T) {
	s := service(t, memory.Config{})
	people := []*host.Principal{ann, who("acme", "bob"), who("other", "ann"), who("acme", ""), who("other", ""), who("acme", "-"), who("acme", "u")}
	for i, p := range people {
		write(t, s, p, "mine", fmt.Sprint("secret ", i))
	}
	for i, p := range people {
		if got := read(t, s, p, "mine"); got != fmt.Sprint("secret ", i) {
			t.Errorf("%s/%s reads %q", p.Tenant, p.User, got)
		}
		page, err := s.List(t.Context(), p, abi.MemoryList{})
		if err != nil || len(page.Entries) != 1 {
			t.Errorf("%s/%s lists %+v, %v", p.Tenant, p.User, page, err)
		}
		hits, err := s.Search(t.Context(), p, abi.MemorySearch{Query: "secret"})
		if err != nil || len(hits.Hits) != 1 || hits.Hits[0].Lines[0].Text != fmt.Sprint("secret ", i) {
			t.Errorf("%s/%s finds %+v, %v", p.Tenant, p.User, hits, err)
		}
	}
	if err := s.Delete(t.Context(), ann, abi.MemoryDelete{Path: "mine"}); err != nil {
		t.Fatal(err)
	}
	for _, p := range people[1:] {
		read(t, s, p, "mine")
	}
	_, err := s.Read(t.Context(), who("acme", strings.Repeat("x", 129)), abi.MemoryRead{Path: "mine"})
	storetest.WantCode(t, err, abi.CodeInvalidArg)
	_, err = s.Read(t.Context(), &host.Principal{Scopes: host.AllScopes()}, abi.MemoryRead{Path: "mine"})
	storetest.WantCode(t, err, abi.CodeInternal)
}

func TestScopesAndRights(t *testing.T) {
	s := service(t, memory.Config{})
	requests := map[string]any{
		abi.OpMemoryRead: abi.MemoryRead{Path: "a"}, abi.OpMemoryReadMany: abi.MemoryReadMany{Paths: []string{"a"}},
		abi.OpMemoryList: abi.MemoryList{}, abi.OpMemorySearch: abi.MemorySearch{Query: "x"},
		abi.OpMemoryWrite: abi.MemoryWrite{Path: "b"}, abi.OpMemoryAppend: abi.MemoryAppend{Path: "b"}, abi.OpMemoryDelete: abi.MemoryDelete{Path: "b"},
	}
	changes := map[string]bool{abi.OpMemoryWrite: true, abi.OpMemoryAppend: true, abi.OpMemoryDelete: true}
	if len(s.Ops()) != len(requests) {
		t.Fatalf("%d operations, %d are tried", len(s.Ops()), len(requests))
	}
	for _, c := range []struct {
		scopes, right string
		reads, writes bool
		says          string
	}{
		{"read:data,write:tools", "write", true, true, ""},
		{"read:data,write:tools", "read", true, false, "memory: write"},
		{"read:data,write:tools", "", false, false, "memory: "},
		{"read:data", "write", true, false, "write:tools"},
		{"read:tools,write:tools,admin,chat", "write", false, false, "read:data"},
	} {
		scopes, err := host.ParseScopes(c.scopes)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, ann, "a", "x")
		write(t, s, ann, "b", "")
		for _, op := range []string{abi.OpMemoryRead, abi.OpMemoryReadMany, abi.OpMemoryList, abi.OpMemorySearch, abi.OpMemoryWrite, abi.OpMemoryAppend, abi.OpMemoryDelete} {
			t.Run(fmt.Sprintf("%s with %s and right %q", op, c.scopes, c.right), func(t *testing.T) {
				req, err := json.Marshal(requests[op])
				if err != nil {
					t.Fatal(err)
				}
				call := &host.CallInfo{Principal: &host.Principal{Tenant: "acme", User: "ann", Scopes: scopes}, Plugin: "notes", Granted: &abi.Rights{Memory: c.right}}
				_, err = s.Ops()[op](t.Context(), call, req)
				want := abi.CodeForbidden
				if c.reads && !changes[op] || c.writes {
					want = ""
				}
				storetest.WantCode(t, err, want)
				if err != nil && !strings.Contains(host.Outward(err).Hint, c.says) {
					t.Errorf("the hint is %q, want %q in it", host.Outward(err).Hint, c.says)
				}
			})
		}
	}
	t.Run("what is not UTF-8 is refused, not mended", func(t *testing.T) {
		call := &host.CallInfo{Principal: ann, Plugin: "notes", Granted: &abi.Rights{Memory: "write"}}
		_, err := s.Ops()[abi.OpMemoryWrite](t.Context(), call, []byte("{\"path\":\"a\",\"content\":\"\xff\"}"))
		storetest.WantCode(t, err, abi.CodeInvalidArg)
	})
	t.Run("a workspace has no memory", func(t *testing.T) {
		_, err := s.Read(t.Context(), &host.Principal{Tenant: "acme", User: "ann", Kind: host.KindWorkspace, Scopes: host.AllScopes()}, abi.MemoryRead{Path: "a"})
		storetest.WantCode(t, err, abi.CodeForbidden)
	})
	t.Run("without any rights", func(t *testing.T) {
		_, err := s.Ops()[abi.OpMemoryRead](t.Context(), &host.CallInfo{Principal: ann, Plugin: "notes"}, []byte(`{}`))
		storetest.WantCode(t, err, abi.CodeForbidden)
	})
}

func TestOneMissingFileDoesNotFailTheOthers(t *testing.T) {
	s, ctx := service(t, memory.Config{}), t.Context()
	write(t, s, ann, "a", "one")
	write(t, s, ann, "big", long)
	write(t, s, ann, "z", "last")
	got, err := s.ReadMany(ctx, ann, abi.MemoryReadMany{Paths: []string{"/a", "none", "../x", "big", "big", "z"}})
	if err != nil || len(got.Files) != 6 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for i, want := range []abi.Code{"", abi.CodeNotFound, abi.CodeInvalidArg, "", abi.CodeLimit, ""} {
		f := got.Files[i]
		switch {
		case want == "" && (f.Error != nil || f.File == nil):
			t.Errorf("%s: %+v", f.Path, f.Error)
		case want != "" && (f.Error == nil || f.Error.Code != want || f.File != nil):
			t.Errorf("%s: got %+v, want %s", f.Path, f.Error, want)
		}
	}
	if got.Files[0].Path != "/a" || got.Files[0].File.Path != "a" || got.Files[5].File.Content != "last" {
		t.Errorf("got %+v", got.Files[0])
	}
	for _, n := range []int{0, 51} {
		_, err := s.ReadMany(ctx, ann, abi.MemoryReadMany{Paths: make([]string, n)})
		storetest.WantCode(t, err, abi.CodeInvalidArg)
	}
	_, err = s.ReadMany(ctx, ann, abi.MemoryReadMany{Paths: []string{"a"}, Limit: 5 << 20})
	storetest.WantCode(t, err, abi.CodeInvalidArg)
}

func TestBoundsAreNamed(t *testing.T) {
	s, ctx := service(t, memory.Config{}), t.Context()
	write(t, s, ann, "a", strings.Repeat("x", memory.MaxFileBytes))
	for says, try := range map[string]func() error{
		"content: the file would have 1048577 bytes; it may have 1048576": func() error {
			_, err := s.Write(ctx, ann, abi.MemoryWrite{Path: "b", Content: strings.Repeat("x", memory.MaxFileBytes+1)})
			return err
		},
		"content: the file would have 1048578 bytes": func() error {
			_, err := s.Append(ctx, ann, abi.MemoryAppend{Path: "a", Content: "y", NewLine: true})
			return err
		},
		"content: it is not UTF-8": func() error {
			_, err := s.Write(ctx, ann, abi.MemoryWrite{Path: "b", Content: "\xff"})
			return err
		},
		"or holds a zero byte": func() error {
			_, err := s.Append(ctx, ann, abi.MemoryAppend{Path: "b", Content: "\x00"})
			return err
		},
		"offset: 2000000 is not in the file": func() error {
			_, err := s.Read(ctx, ann, abi.MemoryRead{Path: "a", Offset: 2_000_000})
			return err
		},
		"limit: 3 may be less than one character": func() error {
			_, err := s.Read(ctx, ann, abi.MemoryRead{Path: "a", Limit: 3})
			return err
		},
		"limit: -1 is negative": func() error { _, err := s.Read(ctx, ann, abi.MemoryRead{Path: "a", Limit: -1}); return err },
		"limit: 1001 is not":    func() error { _, err := s.List(ctx, ann, abi.MemoryList{Limit: 1001}); return err },
		"prefix: \"..\" holds":  func() error { _, err := s.List(ctx, ann, abi.MemoryList{Prefix: ".."}); return err },
		"cursor: it is not one": func() error { _, err := s.List(ctx, ann, abi.MemoryList{Cursor: "?"}); return err },
		"cursor: it is not":     func() error { _, err := s.List(ctx, ann, abi.MemoryList{Cursor: "YWE", Prefix: "b"}); return err },
		"query: it has no words": func() error {
			_, err := s.Search(ctx, ann, abi.MemorySearch{Query: " \n"})
			return err
		},
		"query: it has 33 words": func() error {
			words := ""
			for i := range 33 {
				words += fmt.Sprintf("w%d ", i)
			}
			_, err := s.Search(ctx, ann, abi.MemorySearch{Query: words})
			return err
		},
		"query: it has 1001 bytes": func() error {
			_, err := s.Search(ctx, ann, abi.MemorySearch{Query: strings.Repeat("x", 1001)})
			return err
		},
		"limit: 51 is not 1 to 50": func() error { _, err := s.Search(ctx, ann, abi.MemorySearch{Query: "x", Limit: 51}); return err },
	} {
		t.Run(says, func(t *testing.T) {
			err := try()
			if code := host.CodeOf(err); code != abi.CodeInvalidArg && code != abi.CodeLimit {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(host.Outward(err).Message, says) {
				t.Errorf("%v does not say it", err)
			}
		})
	}
}

func TestNewNamesTheSettingAtFault(t *testing.T) {
	for says, c := range map[string]memory.Config{"Store": {}, "SearchBytes": {Store: open(t), SearchBytes: -1}} {
		_, err := memory.New(c)
		storetest.WantCode(t, err, abi.CodeInvalidArg)
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not name %s", err, says)
		}
	}
}
