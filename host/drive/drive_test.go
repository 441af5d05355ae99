// Copyright 2026 The Gantry Authors.

package drive_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/drive"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const acme host.TenantID = "acme"

func memory(t testing.TB) store.Store {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

func open(t testing.TB, c drive.Config) *drive.Service {
	t.Helper()
	if c.Store == nil {
		c.Store = memory(t)
	}
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := drive.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *drive.Service, tenant host.TenantID, path, text string, tags ...string) abi.DriveDocument {
	t.Helper()
	doc, err := s.Put(context.Background(), tenant, drive.Put{Path: path, Body: []byte(text), Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// find returns the paths that a search finds, best first.
func find(t testing.TB, s *drive.Service, tenant host.TenantID, in abi.DriveSearch) string {
	t.Helper()
	hits, err := s.Search(context.Background(), tenant, in)
	if err != nil {
		t.Fatalf("searching %q: %v", in.Query, err)
	}
	var paths []string
	for _, h := range hits.Hits {
		paths = append(paths, h.Path)
	}
	return strings.Join(paths, " ")
}

func sorted(s string) string {
	f := strings.Fields(s)
	slices.Sort(f)
	return strings.Join(f, " ")
}

func library(t testing.TB, s *drive.Service) {
	t.Helper()
	put(t, s, acme, "policies/refunds.md", "# Refund policy\n\nCustomers are refunded within ten days.\nCats are welcome.\n", "policy", "Money")
	put(t, s, acme, "policies/2026/returns.md", "# Returns\n\nReturning a black cat is free of charge. A refund follows.\n", "policy")
	put(t, s, acme, "ru/возврат.md", "# Возврат товара\n\nПокупатели возвращают товары в течение десяти дней. Ёлки не принимаются.\n", "policy")
	put(t, s, acme, "notes/cats_and-dogs.txt", "The cat is black. The dog is not a black dog.\n")
	put(t, s, acme, "page.html", "<html><head><title>The warehouse</title><style>secretstyle{}</style></head><body><h1>Shelves</h1>"+
		"<p>Goods are stored on <b>tall</b> shelves.</p><script>var secretscript</script></body></html>")
}

func TestWordsFind(t *testing.T) {
	s := open(t, drive.Config{})
	library(t, s)
	for name, c := range map[string]struct{ query, want string }{
		"a word in any form":               {"refunding", "policies/2026/returns.md policies/refunds.md"},
		"all words":                        {"black dogs", "notes/cats_and-dogs.txt"},
		"words that stand together":        {`"black cat"`, "policies/2026/returns.md"},
		"a phrase and a word":              {`"black cat" refund`, "policies/2026/returns.md"},
		"without a word":                   {"cat -refund", "notes/cats_and-dogs.txt"},
		"without a phrase":                 {`cat -"black cat"`, "notes/cats_and-dogs.txt policies/refunds.md"},
		"Russian in any form":              {"возвращать товаров", "ru/возврат.md"},
		"ё and е":                          {"елка", "ru/возврат.md"},
		"Russian in capitals":              {"ПОКУПАТЕЛЬ", "ru/возврат.md"},
		"a word of the path":               {"and-dogs", "notes/cats_and-dogs.txt"},
		"the text of a page":               {"tall shelf", "page.html"},
		"the title of a page":              {"warehouse", "page.html"},
		"not the style of a page":          {"secretstyle", ""},
		"not its script":                   {"secretscript", ""},
		"one or the other":                 {"tall OR charge", "page.html policies/2026/returns.md"},
		"AND says nothing new":             {"black AND dog", "notes/cats_and-dogs.txt"},
		"marks are read over":              {"(tall)* ?shelves~2^3", "page.html"},
		"an open quote ends by itself":     {`"black cat`, "policies/2026/returns.md"},
		"nothing":                          {"zebra", ""},
		"any word where none has them all": {"zebra warehouse", "page.html"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sorted(find(t, s, acme, abi.DriveSearch{Query: c.query})); got != sorted(c.want) {
				t.Errorf("%q finds %q, want %q", c.query, got, c.want)
			}
		})
	}
}

func TestFiltersKeepTo(t *testing.T) {
	s := open(t, drive.Config{})
	library(t, s)
	for name, c := range map[string]struct {
		in   abi.DriveSearch
		want string
	}{
		"a folder":               {abi.DriveSearch{Query: "refund", Under: "policies/2026"}, "policies/2026/returns.md"},
		"a folder with slashes":  {abi.DriveSearch{Query: "refund", Under: "/policies/2026/"}, "policies/2026/returns.md"},
		"a folder above":         {abi.DriveSearch{Query: "returns", Under: "policies"}, "policies/2026/returns.md"},
		"one document":           {abi.DriveSearch{Query: "refund", Under: "policies/refunds.md"}, "policies/refunds.md"},
		"not a part of a name":   {abi.DriveSearch{Query: "refund", Under: "pol"}, ""},
		"the top":                {abi.DriveSearch{Query: "tall", Under: "/"}, "page.html"},
		"a tag":                  {abi.DriveSearch{Query: "cat", Tags: []string{"policy"}}, "policies/2026/returns.md policies/refunds.md"},
		"two tags, in any case":  {abi.DriveSearch{Query: "cat", Tags: []string{"Policy", "money"}}, "policies/refunds.md"},
		"a tag that nothing has": {abi.DriveSearch{Query: "cat", Tags: []string{"x"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sorted(find(t, s, acme, c.in)); got != sorted(c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheBestComesFirst(t *testing.T) {
	s := open(t, drive.Config{})
	put(t, s, acme, "a.txt", strings.Repeat("Other things fill this text. ", 50)+"A lease is mentioned once.")
	put(t, s, acme, "b.md", "# The lease\n\nThis lease is about the lease of an office.")
	put(t, s, acme, "c.txt", "A lease, and some more words about nothing much.")
	if got, want := find(t, s, acme, abi.DriveSearch{Query: "lease"}), "b.md c.txt a.txt"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASnippetSaysWhereToRead(t *testing.T) {
	s := open(t, drive.Config{})
	text := strings.Repeat("Nothing is said on this line.\n", 40_000) + "Here the treasure is buried, and\nmore.\n"
	put(t, s, acme, "map.txt", text)
	hits, err := s.Search(t.Context(), acme, abi.DriveSearch{Query: "buried treasures"})
	if err != nil || len(hits.Hits) != 1 || len(hits.Hits[0].Snippets) == 0 {
		t.Fatalf("got %+v, %v", hits, err)
	}
	sn := hits.Hits[0].Snippets[0]
	if sn.Line != 40_001 || sn.Offset != 30*40_000 || sn.Text != "Here the treasure is buried, and\nmore." {
		t.Errorf("got %+v", sn)
	}
	piece, err := s.Read(t.Context(), acme, abi.DriveRead{Path: "map.txt", Offset: sn.Offset, Limit: 8})
	if err != nil || piece.Text != "Here the" || piece.Line != sn.Line {
		t.Errorf("reading there: %+v, %v", piece, err)
	}
}

func TestHitsComeInPages(t *testing.T) {
	s := open(t, drive.Config{})
	for i := range 12 {
		put(t, s, acme, fmt.Sprintf("d%02d", i), "a needle in "+strings.Repeat("hay ", i))
	}
	var got []string
	in := abi.DriveSearch{Query: "needle", Limit: 5}
	for {
		hits, err := s.Search(t.Context(), acme, in)
		if err != nil || hits.Total != 12 || len(hits.Hits) > 5 {
			t.Fatalf("got %+v, %v", hits, err)
		}
		for _, h := range hits.Hits {
			got = append(got, h.Path)
		}
		if in.Cursor = hits.Next; in.Cursor == "" {
			break
		}
	}
	slices.Sort(got)
	if got = slices.Compact(got); len(got) != 12 {
		t.Errorf("the pages held %v", got)
	}
	first, err := s.Search(t.Context(), acme, abi.DriveSearch{Query: "needle"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Search(t.Context(), acme, abi.DriveSearch{Query: "hay", Cursor: first.Next})
	storetest.WantCode(t, err, abi.CodeInvalidArg)
}

func TestADocumentIsFoundAsItIsNow(t *testing.T) {
	s := open(t, drive.Config{})
	for i := range 20 {
		put(t, s, acme, "a.txt", fmt.Sprintf("version number%d of it", i))
		if got := find(t, s, acme, abi.DriveSearch{Query: fmt.Sprint("number", i)}); got != "a.txt" {
			t.Fatalf("version %d is not found", i)
		}
		if i > 0 {
			if got := find(t, s, acme, abi.DriveSearch{Query: fmt.Sprint("number", i-1)}); got != "" {
				t.Fatalf("version %d is still found", i-1)
			}
		}
	}
	if err := s.Delete(t.Context(), acme, "a.txt", nil); err != nil {
		t.Fatal(err)
	}
	if got := find(t, s, acme, abi.DriveSearch{Query: "version"}); got != "" {
		t.Errorf("what was deleted is found: %q", got)
	}
}

func TestADocumentIsKeptAsItWasPut(t *testing.T) {
	s := open(t, drive.Config{})
	long := strings.Repeat("Ünïcödé и кириллица\n", 100_000) // 3 MiB, over many records
	doc := put(t, s, acme, "/long//a.txt", long)
	if doc.Path != "long/a.txt" || doc.Size != int64(len(long)) || doc.Revision == 0 || doc.MediaType != "text/plain" {
		t.Errorf("got %+v", doc)
	}
	var read strings.Builder
	for offset := int64(0); ; {
		p, err := s.Read(t.Context(), acme, abi.DriveRead{Path: "long/a.txt", Offset: offset, Limit: 100_001})
		if err != nil || p.Offset != offset {
			t.Fatalf("at %d: got %d, %v", offset, p.Offset, err)
		}
		if want := 1 + strings.Count(long[:offset], "\n"); p.Line != want {
			t.Fatalf("at %d: line %d, want %d", offset, p.Line, want)
		}
		read.WriteString(p.Text)
		if offset = p.Next; offset == 0 {
			break
		}
	}
	if read.String() != long {
		t.Errorf("read %d bytes, put %d, and they differ", read.Len(), len(long))
	}
	page := "<title>A &amp; B</title><p>Hello <i>there</i></p>"
	put(t, s, acme, "p.html", page)
	got, src, err := s.Source(t.Context(), acme, "p.html")
	if err != nil || string(src) != page || got.Title != "A & B" || got.MediaType != "text/html" {
		t.Errorf("got %+v, %q, %v", got, src, err)
	}
	text, err := s.Read(t.Context(), acme, abi.DriveRead{Path: "p.html"})
	if err != nil || text.Text != "Hello there" || text.Next != 0 {
		t.Errorf("got %+v, %v", text, err)
	}
	if empty := put(t, s, acme, "empty", ""); empty.Size != 0 {
		t.Errorf("got %+v", empty)
	}
	if text, err := s.Read(t.Context(), acme, abi.DriveRead{Path: "empty"}); err != nil || text.Text != "" {
		t.Errorf("got %+v, %v", text, err)
	}
}

func TestARevisionGuardsAChange(t *testing.T) {
	s := open(t, drive.Config{})
	rev := func(r uint64) *uint64 { return &r }
	try := func(r *uint64) error {
		_, err := s.Put(t.Context(), acme, drive.Put{Path: "a", Body: []byte("x"), IfRevision: r})
		return err
	}
	storetest.WantCode(t, try(rev(7)), abi.CodeConflict)
	storetest.WantCode(t, try(rev(0)), "")
	err := try(rev(0))
	storetest.WantCode(t, err, abi.CodeConflict)
	doc, err2 := s.Get(t.Context(), acme, "a")
	if err2 != nil || string(host.Outward(err).Details) != fmt.Sprintf(`{"revision":%d}`, doc.Revision) {
		t.Errorf("the conflict says %s, %v", host.Outward(err).Details, err2)
	}
	storetest.WantCode(t, s.Delete(t.Context(), acme, "a", rev(doc.Revision+1)), abi.CodeConflict)
	storetest.WantCode(t, try(rev(doc.Revision)), "")
	storetest.WantCode(t, s.Delete(t.Context(), acme, "a", rev(doc.Revision)), abi.CodeConflict)
	storetest.WantCode(t, s.Delete(t.Context(), acme, "a", nil), "")
	storetest.WantCode(t, s.Delete(t.Context(), acme, "a", nil), abi.CodeNotFound)
}

func TestQuotasAreNamed(t *testing.T) {
	s := open(t, drive.Config{MaxDocuments: 3, MaxBytes: 1000})
	try := func(path string, n int) error {
		_, err := s.Put(t.Context(), acme, drive.Put{Path: path, Body: make([]byte, n)[:0]})
		if err == nil {
			_, err = s.Put(t.Context(), acme, drive.Put{Path: path, Body: []byte(strings.Repeat("x", n))})
		}
		return err
	}
	for i := range 3 {
		storetest.WantCode(t, try(fmt.Sprint(i), 300), "")
	}
	err := try("3", 1)
	storetest.WantCode(t, err, abi.CodeLimit)
	if !strings.Contains(err.Error(), "quota is 3 (limit: documents)") {
		t.Errorf("it says %v", err)
	}
	err = try("2", 500)
	storetest.WantCode(t, err, abi.CodeLimit)
	if !strings.Contains(err.Error(), "quota is 1000 (limit: bytes)") {
		t.Errorf("it says %v", err)
	}
	storetest.WantCode(t, try("2", 400), "")
	storetest.WantCode(t, s.Delete(t.Context(), acme, "1", nil), "")
	storetest.WantCode(t, try("4", 300), "")
	if _, err := s.Put(t.Context(), "other", drive.Put{Path: "a", Body: []byte(strings.Repeat("x", 900))}); err != nil {
		t.Errorf("another tenant's quota: %v", err)
	}
}

// TestAQuotaThatWasLoweredCanBeMended lets a tenant that is over its quota make documents smaller.
func TestAQuotaThatWasLoweredCanBeMended(t *testing.T) {
	st, dir := memory(t), t.TempDir()
	s := open(t, drive.Config{Store: st, Dir: dir})
	put(t, s, acme, "a", strings.Repeat("x", 500))
	put(t, s, acme, "b", strings.Repeat("x", 500))
	s.Close()
	s = open(t, drive.Config{Store: st, Dir: dir, MaxDocuments: 1, MaxBytes: 100})
	put(t, s, acme, "a", strings.Repeat("x", 400))
	_, err := s.Put(t.Context(), acme, drive.Put{Path: "a", Body: []byte(strings.Repeat("x", 401))})
	storetest.WantCode(t, err, abi.CodeLimit)
	storetest.WantCode(t, s.Delete(t.Context(), acme, "b", nil), "")
	put(t, s, acme, "a", strings.Repeat("x", 100))
}

func TestNothingRunsUntilItIsNeededNorLongAfter(t *testing.T) {
	st := memory(t)
	before := goleak.IgnoreCurrent()
	s := open(t, drive.Config{Store: st, IdleAfter: 50 * time.Millisecond})
	goleak.VerifyNone(t, before)
	put(t, s, acme, "a", "word")
	for range 3 {
		if got := find(t, s, acme, abi.DriveSearch{Query: "word"}); got != "a" {
			t.Fatalf("found %q", got)
		}
		for deadline := time.Now().Add(20 * time.Second); s.OpenIndexes() > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the index stays open")
			}
		}
	}
	goleak.VerifyNone(t, before)
}

func TestAfterCloseNothingIsServed(t *testing.T) {
	s := open(t, drive.Config{})
	put(t, s, acme, "a", "word")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Search(t.Context(), acme, abi.DriveSearch{Query: "word"})
	storetest.WantCode(t, err, abi.CodeUnavailable)
	_, err = s.Put(t.Context(), acme, drive.Put{Path: "b"})
	storetest.WantCode(t, err, abi.CodeUnavailable)
}
