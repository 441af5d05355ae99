// Copyright 2026 The Gantry Authors.

package skills

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStore(t testing.TB) store.Store {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func newService(t testing.TB, c Config) *Service {
	t.Helper()
	if c.Store == nil {
		c.Store = newStore(t)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func draft(id string, files ...Body) *Draft {
	return &Draft{Skill: Skill{ID: id, Description: "Does " + id + ".", SystemPrompt: "Do it.", Enabled: true}, Bodies: files}
}

func must(t testing.TB) func(Skill, error) Skill {
	return func(k Skill, err error) Skill {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

func reader(t testing.TB, tenant host.TenantID) context.Context {
	return host.WithPrincipal(t.Context(), &host.Principal{Tenant: tenant, Kind: host.KindOrg, Scopes: []host.Scope{host.ScopeReadData}})
}

func read(t testing.TB, s *Service, tenant host.TenantID, uri string) string {
	t.Helper()
	got, err := s.Read(reader(t, tenant), uri)
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	return got.Contents[0].Text + string(got.Contents[0].Data)
}

func wantCode(t testing.TB, err error, code abi.Code, words ...string) {
	t.Helper()
	if host.CodeOf(err) != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	out := host.Outward(err)
	for _, w := range words {
		if !strings.Contains(out.Message+" "+out.Hint, w) {
			t.Errorf("the error %q does not say %q", err, w)
		}
	}
}

func TestSkillsLiveAndGo(t *testing.T) {
	s := newService(t, Config{})
	ctx := t.Context()
	k := must(t)(s.Create(ctx, "acme", draft("wb_analytics", Body{Path: "scripts/a.py", Data: []byte("print(1)")})))
	t.Run("a new skill is read as a document", func(t *testing.T) {
		if got := read(t, s, "acme", "skill://wb_analytics"); !strings.HasPrefix(got, "Do it.\n") || !strings.Contains(got, "skill://wb_analytics/scripts/a.py (8 bytes)") {
			t.Errorf("got %q", got)
		}
		if got := read(t, s, "acme", "skill://wb_analytics/scripts/a.py"); got != "print(1)" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("one of the same id is a conflict", func(t *testing.T) {
		_, err := s.Create(ctx, "acme", draft("wb_analytics"))
		wantCode(t, err, abi.CodeConflict, "wb_analytics")
	})
	t.Run("an edit changes what it names and nothing else", func(t *testing.T) {
		service := "wildberries"
		got := must(t)(s.Update(ctx, "acme", k.ID, Edit{Service: &service}))
		if got.Service != service || got.Description != k.Description || got.Revision <= k.Revision || len(got.Files) != 1 {
			t.Errorf("got %+v", got)
		}
		if text := read(t, s, "acme", "skill://wb_analytics"); !strings.Contains(text, `service="wildberries"`) || !strings.Contains(text, "connector_execute") {
			t.Errorf("got %q", text)
		}
		again := must(t)(s.Update(ctx, "acme", k.ID, Edit{Service: &service}))
		if again.Revision != got.Revision {
			t.Error("an edit that changes nothing was written")
		}
	})
	t.Run("an edit of an older revision is refused", func(t *testing.T) {
		name := "x"
		_, err := s.Update(ctx, "acme", k.ID, Edit{Name: &name, IfRevision: k.Revision})
		wantCode(t, err, abi.CodeConflict)
	})
	t.Run("files come and go one by one", func(t *testing.T) {
		must(t)(s.Update(ctx, "acme", k.ID, Edit{Put: []Body{{Path: "references/R.md", Data: []byte("r")}, {Path: "scripts/a.py", Data: []byte("print(2)")}}}))
		got := must(t)(s.Update(ctx, "acme", k.ID, Edit{Remove: []string{"references/R.md"}}))
		if len(got.Files) != 1 || read(t, s, "acme", "skill://wb_analytics/scripts/a.py") != "print(2)" {
			t.Errorf("got %+v", got.Files)
		}
		_, err := s.Update(ctx, "acme", k.ID, Edit{Remove: []string{"references/R.md"}})
		wantCode(t, err, abi.CodeNotFound)
	})
	t.Run("one that is switched off is kept and not read", func(t *testing.T) {
		off := false
		must(t)(s.Update(ctx, "acme", k.ID, Edit{Enabled: &off}))
		_, err := s.Read(reader(t, "acme"), "skill://wb_analytics")
		wantCode(t, err, abi.CodeNotFound)
		if n := len(s.Resources(reader(t, "acme"))); n != 0 {
			t.Errorf("%d are listed", n)
		}
		must(t)(s.Get(ctx, "acme", k.ID))
	})
	t.Run("a deleted one leaves nothing behind", func(t *testing.T) {
		if err := s.Delete(ctx, "acme", k.ID, 0); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.Delete(ctx, "acme", k.ID, 0), abi.CodeNotFound)
		page, err := s.store.List(ctx, nil, "", 0)
		if err != nil || len(page.Records) != 0 {
			t.Errorf("the store still has %v (%v)", page.Records, err)
		}
	})
}

func TestWhoReads(t *testing.T) {
	s := newService(t, Config{})
	must(t)(s.Create(t.Context(), "acme", draft("a")))
	for name, p := range map[string]*host.Principal{
		"nobody":                    nil,
		"another tenant":            {Tenant: "umbrella", Scopes: host.AllScopes()},
		"a workspace":               {Tenant: "acme", Kind: host.KindWorkspace, Scopes: host.AllScopes()},
		"a key without read:data":   {Tenant: "acme", Scopes: []host.Scope{host.ScopeReadTools, host.ScopeWriteTools}},
		"a principal of no tenant":  {Scopes: host.AllScopes()},
		"a tenant that is no name ": {Tenant: "../acme", Scopes: host.AllScopes()},
	} {
		t.Run(name+" does not", func(t *testing.T) {
			ctx := host.WithPrincipal(t.Context(), p)
			_, err := s.Read(ctx, "skill://a")
			wantCode(t, err, abi.CodeNotFound)
			if len(s.Resources(ctx)) != 0 || len(s.Entries(ctx)) != 0 {
				t.Error("something is listed")
			}
		})
	}
	if got := s.Resources(reader(t, "acme")); len(got) != 1 || got[0].URI != "skill://a" {
		t.Errorf("got %v", got)
	}
}

func TestBoundsNameTheFieldAndTheMend(t *testing.T) {
	s := newService(t, Config{MaxSkills: 2, TenantBytes: 1000})
	try := func(change func(*Draft)) error {
		d := draft("ok")
		change(d)
		_, err := s.Create(t.Context(), "acme", d)
		return err
	}
	for words, c := range map[string]struct {
		code   abi.Code
		change func(*Draft)
	}{
		`id: "Big Id"`:            {abi.CodeInvalidArg, func(d *Draft) { d.ID = "Big Id" }},
		"description: is missing": {abi.CodeInvalidArg, func(d *Draft) { d.Description = " " }},
		"description: has 1025":   {abi.CodeInvalidArg, func(d *Draft) { d.Description = strings.Repeat("я", 1025) }},
		"system_prompt: is miss":  {abi.CodeInvalidArg, func(d *Draft) { d.SystemPrompt = "\n\n" }},
		"system_prompt: has":      {abi.CodeLimit, func(d *Draft) { d.SystemPrompt = strings.Repeat("x", MaxPromptBytes+1) }},
		"system_prompt: is not":   {abi.CodeInvalidArg, func(d *Draft) { d.SystemPrompt = "a\x00" }},
		"service:":                {abi.CodeInvalidArg, func(d *Draft) { d.Service = "Wild Berries" }},
		"name: is not":            {abi.CodeInvalidArg, func(d *Draft) { d.Name = "a\x1b[31m" }},
		"metadata.service":        {abi.CodeInvalidArg, func(d *Draft) { d.Metadata = map[string]any{"service": "x"} }},
		"metadata.deep":           {abi.CodeInvalidArg, func(d *Draft) { d.Metadata = map[string]any{"deep": []any{1}} }},
		"does not stay within":    {abi.CodeInvalidArg, func(d *Draft) { d.Bodies = []Body{{Path: "../x"}} }},
		"backslash":               {abi.CodeInvalidArg, func(d *Draft) { d.Bodies = []Body{{Path: `a\b`}} }},
		"skill.md is the skill":   {abi.CodeInvalidArg, func(d *Draft) { d.Bodies = []Body{{Path: "skill.md"}} }},
		"size of letters":         {abi.CodeInvalidArg, func(d *Draft) { d.Bodies = []Body{{Path: "a"}, {Path: "A"}} }},
		"is a file, and a/b":      {abi.CodeInvalidArg, func(d *Draft) { d.Bodies = []Body{{Path: "a"}, {Path: "a/b"}} }},
		"a file may have":         {abi.CodeLimit, func(d *Draft) { d.Bodies = []Body{{Path: "a", Data: make([]byte, MaxFileBytes+1)}} }},
		"its limit is 1000":       {abi.CodeLimit, func(d *Draft) { d.Bodies = []Body{{Path: "a", Data: make([]byte, 1001)}} }},
	} {
		t.Run(words, func(t *testing.T) { wantCode(t, try(c.change), c.code, words) })
	}
	t.Run("a skill too many", func(t *testing.T) {
		for i := range 2 {
			must(t)(s.Create(t.Context(), "acme", draft(fmt.Sprint("s", i))))
		}
		_, err := s.Create(t.Context(), "acme", draft("s2"))
		wantCode(t, err, abi.CodeLimit, "2 skills")
		must(t)(s.Create(t.Context(), "umbrella", draft("s2")))
	})
}

// told gathers what OnChange says.
type told struct {
	mu   sync.Mutex
	said []string
}

func (c *told) hear(tenant host.TenantID, uris []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, string(tenant)+" "+strings.Join(uris, ","))
}

func (c *told) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.said = nil }()
	return c.said
}

func TestChangesAreTold(t *testing.T) {
	var heard told
	s := newService(t, Config{OnChange: heard.hear})
	ctx := t.Context()
	expect := func(t *testing.T, want ...string) {
		t.Helper()
		if got := heard.take(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	s.Resources(reader(t, "acme"))
	must(t)(s.Create(ctx, "acme", draft("a", Body{Path: "r.md", Data: []byte("1")})))
	expect(t, "acme ")
	text := "Do it well."
	must(t)(s.Update(ctx, "acme", "a", Edit{SystemPrompt: &text}))
	expect(t, "acme skill://a,skill://a/SKILL.md")
	must(t)(s.Update(ctx, "acme", "a", Edit{Put: []Body{{Path: "r.md", Data: []byte("2")}}}))
	expect(t, "acme skill://a,skill://a/r.md")
	off, on := false, true
	must(t)(s.Update(ctx, "acme", "a", Edit{Enabled: &off}))
	expect(t, "acme ")
	must(t)(s.Update(ctx, "acme", "a", Edit{Enabled: &on}))
	expect(t, "acme ")
	if err := s.Delete(ctx, "acme", "a", 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "acme ")
	must(t)(s.Create(ctx, "umbrella", draft("a")))
	expect(t, "umbrella ")
}

func TestChangesElsewhereAreSeen(t *testing.T) {
	st := newStore(t)
	heard := make(chan []string, 16)
	here := newService(t, Config{Store: st, OnChange: func(_ host.TenantID, uris []string) { heard <- uris }})
	there := newService(t, Config{Store: st})
	wait := func(want int) {
		t.Helper()
		select {
		case <-heard:
		case <-time.After(20 * time.Second):
			t.Fatal("the change was never told")
		}
		if got := len(here.Resources(reader(t, "acme"))); got != want {
			t.Errorf("%d skills are listed, want %d", got, want)
		}
	}
	here.Resources(reader(t, "acme"))
	must(t)(there.Create(t.Context(), "acme", draft("far")))
	wait(1)
	if err := there.Delete(t.Context(), "acme", "far", 0); err != nil {
		t.Fatal(err)
	}
	wait(0)
}

// failing is a store whose writes of records fail when told so.
type failing struct {
	store.Store
	on bool
}

func (f *failing) Put(ctx context.Context, k store.Key, v []byte, o store.PutOptions) (uint64, error) {
	if f.on && k[0] == "skills" {
		return 0, host.E("test", abi.CodeUnavailable, errors.New("the disk is full"))
	}
	return f.Store.Put(ctx, k, v, o)
}

func TestFailedWriteLeavesTheSkillAsItWas(t *testing.T) {
	st := &failing{Store: newStore(t)}
	s := newService(t, Config{Store: st})
	must(t)(s.Create(t.Context(), "acme", draft("a", Body{Path: "f", Data: []byte("old")})))
	st.on = true
	_, err := s.Update(t.Context(), "acme", "a", Edit{Put: []Body{{Path: "f", Data: []byte("new")}}})
	wantCode(t, err, abi.CodeUnavailable)
	if got := read(t, s, "acme", "skill://a/f"); got != "old" {
		t.Errorf("the file is %q", got)
	}
	page, err := st.List(t.Context(), store.Key{"skill-files"}, "", 0)
	if err != nil || len(page.Records) != 1 {
		t.Errorf("%d bodies are kept, want 1 (%v)", len(page.Records), err)
	}
}

// moved is a clock that a test moves.
type moved struct{ now time.Time }

func (c *moved) Now() time.Time { return c.now }

func TestBodiesThatAKilledHostLeftAreTakenAway(t *testing.T) {
	st, clock := newStore(t), &moved{time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	s := newService(t, Config{Store: st, Clock: clock})
	count := func() int {
		page, err := st.List(t.Context(), store.Key{"skill-files"}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Records)
	}
	if _, err := s.putBlob(t.Context(), "acme", "a", []byte("left behind")); err != nil {
		t.Fatal(err)
	}
	must(t)(s.Create(t.Context(), "acme", draft("a", Body{Path: "f", Data: []byte("x")})))
	if n := count(); n != 2 {
		t.Errorf("%d bodies; the young one may still be somebody's", n)
	}
	clock.now = clock.now.Add(2 * orphanAge)
	must(t)(s.Update(t.Context(), "acme", "a", Edit{Put: []Body{{Path: "f", Data: []byte("y")}}}))
	if n := count(); n != 1 || read(t, s, "acme", "skill://a/f") != "y" {
		t.Errorf("%d bodies are kept, want 1", n)
	}
}

func TestEditsSideBySideAreAllMade(t *testing.T) {
	s := newService(t, Config{})
	must(t)(s.Create(t.Context(), "acme", draft("a")))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			b := Body{Path: fmt.Sprint("f", i), Data: []byte{byte('0' + i)}}
			if _, err := s.Update(t.Context(), "acme", "a", Edit{Put: []Body{b}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 8 {
		if got := read(t, s, "acme", fmt.Sprint("skill://a/f", i)); got != fmt.Sprint(i) {
			t.Errorf("file %d is %q", i, got)
		}
	}
}

func TestLargeFilesAreWhole(t *testing.T) {
	s := newService(t, Config{})
	big := []byte(strings.Repeat("0123456789abcdef", MaxFileBytes/16))
	must(t)(s.Create(t.Context(), "acme", draft("a", Body{Path: "big.txt", Data: big}, Body{Path: "empty.txt"})))
	if read(t, s, "acme", "skill://a/big.txt") != string(big) {
		t.Error("the file is another")
	}
	if read(t, s, "acme", "skill://a/empty.txt") != "" {
		t.Error("the empty file is not empty")
	}
}
