// Copyright 2026 The Gantry Authors.

package drive_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/drive"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/storetest"
)

// copyFolder copies what an index had on the disk at a moment, as a killed host leaves it.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestAnIndexThatIsBehindCatchesUp gives a store that has moved on the index of an earlier moment,
// which is what a kill between the two writes leaves behind.
func TestAnIndexThatIsBehindCatchesUp(t *testing.T) {
	st, dir, old := memory(t), t.TempDir(), t.TempDir()
	s := open(t, drive.Config{Store: st, Dir: dir})
	put(t, s, acme, "kept.txt", "first kept")
	put(t, s, acme, "changed.txt", "first changed")
	put(t, s, acme, "deleted.txt", "first deleted")
	if got := sorted(find(t, s, acme, abi.DriveSearch{Query: "first"})); got != "changed.txt deleted.txt kept.txt" {
		t.Fatalf("found %q", got)
	}
	s.Close()
	copyFolder(t, dir, old)
	s = open(t, drive.Config{Store: st, Dir: dir})
	put(t, s, acme, "changed.txt", "second")
	put(t, s, acme, "new.txt", "second")
	if err := s.Delete(t.Context(), acme, "deleted.txt", nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	copyFolder(t, old, dir)
	s = open(t, drive.Config{Store: st, Dir: dir})
	if got := find(t, s, acme, abi.DriveSearch{Query: "first"}); got != "kept.txt" {
		t.Errorf("first finds %q", got)
	}
	if got := sorted(find(t, s, acme, abi.DriveSearch{Query: "second"})); got != "changed.txt new.txt" {
		t.Errorf("second finds %q", got)
	}
}

func TestABrokenIndexIsMadeAnew(t *testing.T) {
	st := memory(t)
	each := func(dir, pattern string, fn func(path string) error) error {
		n := 0
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if ok, _ := filepath.Match(pattern, e.Name()); err == nil && ok && !e.IsDir() {
				n++
				err = fn(path)
			}
			return err
		})
		if n == 0 {
			return errors.New("no file to break")
		}
		return err
	}
	flip := func(path string) error {
		data, err := os.ReadFile(path)
		if err == nil {
			data[len(data)/2] ^= 0x55
			err = os.WriteFile(path, data, 0o600)
		}
		return err
	}
	for name, damage := range map[string]func(dir string) error{
		"it is gone":            os.RemoveAll,
		"a file is gone":        func(dir string) error { return each(dir, "*.zap", os.Remove) },
		"a file is cut short":   func(dir string) error { return each(dir, "*.zap", func(p string) error { return os.Truncate(p, 40) }) },
		"a file is empty":       func(dir string) error { return each(dir, "*.zap", func(p string) error { return os.Truncate(p, 0) }) },
		"a bit of it is turned": func(dir string) error { return each(dir, "*.zap", flip) },
		"its list is cut short": func(dir string) error {
			return each(dir, "root.bolt", func(p string) error { return os.Truncate(p, 5000) })
		},
		"its list is no list": func(dir string) error {
			return each(dir, "root.bolt", func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("x", 70_000)), 0o600) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, drive.Config{Store: st, Dir: dir})
			for i := range 3 {
				put(t, s, acme, fmt.Sprint("d", i), fmt.Sprint("words of document number ", i))
			}
			find(t, s, acme, abi.DriveSearch{Query: "words"})
			s.Close()
			if err := damage(filepath.Join(dir, string(acme))); err != nil {
				t.Fatal(err)
			}
			s = open(t, drive.Config{Store: st, Dir: dir})
			if got := sorted(find(t, s, acme, abi.DriveSearch{Query: "words"})); got != "d0 d1 d2" {
				t.Errorf("found %q", got)
			}
		})
	}
}

// failing is a store that fails every write after the first n.
type failing struct {
	store.Store
	mu   sync.Mutex
	left int
}

func (f *failing) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return host.Errorf("test", abi.CodeUnavailable, "the disk is full")
	}
	return nil
}

func (f *failing) set(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = n
}

func (f *failing) Put(ctx context.Context, k store.Key, v []byte, o store.PutOptions) (uint64, error) {
	if err := f.fail(); err != nil {
		return 0, err
	}
	return f.Store.Put(ctx, k, v, o)
}

func (f *failing) Delete(ctx context.Context, k store.Key, rev uint64) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Store.Delete(ctx, k, rev)
}

// bodies counts the records of bodies that a tenant has.
func bodies(t *testing.T, st store.Store) int {
	t.Helper()
	page, err := st.List(t.Context(), store.Key{"drive", string(acme), "body"}, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Records)
}

// TestAWriteThatBreaksOffLeavesNothing breaks a put and a delete off after each of their writes, in
// the process that goes on as in one that is killed there.
func TestAWriteThatBreaksOffLeavesNothing(t *testing.T) {
	for _, killed := range []bool{false, true} {
		for at := range 6 {
			t.Run(fmt.Sprintf("after %d writes, killed %t", at, killed), func(t *testing.T) {
				st, dir := &failing{Store: memory(t), left: 1000}, t.TempDir()
				s := open(t, drive.Config{Store: st, Dir: dir, MaxBytes: 4 << 20})
				put(t, s, acme, "a", "old")
				put(t, s, acme, "b", "other")
				find(t, s, acme, abi.DriveSearch{Query: "old"})
				st.set(at)
				_, perr := s.Put(t.Context(), acme, drive.Put{Path: "a", Body: []byte("new " + strings.Repeat("x", 600<<10))})
				st.set(at)
				derr := s.Delete(t.Context(), acme, "b", nil)
				st.set(1000)
				if killed {
					s.Close()
					s = open(t, drive.Config{Store: st, Dir: dir, MaxBytes: 4 << 20})
				}
				text, err := s.Read(t.Context(), acme, abi.DriveRead{Path: "a", Limit: 3})
				if err != nil || (text.Text == "new") != (perr == nil) {
					t.Fatalf("the put ended with %v; a is %q, %v", perr, text.Text, err)
				}
				if got := find(t, s, acme, abi.DriveSearch{Query: text.Text}); got != "a" {
					t.Errorf("%s finds %q", text.Text, got)
				}
				if _, err := s.Get(t.Context(), acme, "b"); (err != nil) != (derr == nil) {
					t.Errorf("the delete ended with %v; b is there: %v", derr, err)
				}
				put(t, s, acme, "c", "more") // which clears away
				want := 2
				if perr == nil {
					want++ // a has two pieces
				}
				if derr != nil {
					want++
				}
				if got := bodies(t, st); got != want {
					t.Errorf("%d records of bodies are there, want %d (%v, %v)", got, want, perr, derr)
				}
				_, err = s.Put(t.Context(), acme, drive.Put{Path: "d", Body: make([]byte, 0)})
				storetest.WantCode(t, err, "")
			})
		}
	}
}

// TestTenantsNeverSeeEachOther plays random changes of three tenants against a map and holds what
// each of them lists, reads and finds against it, through restarts.
func TestTenantsNeverSeeEachOther(t *testing.T) {
	tenants := []host.TenantID{"acme", "acme2", "other"}
	words := []string{"lion", "tiger", "bear", "медведь"}
	rapid.Check(t, func(r *rapid.T) {
		st, dir := memory(t), t.TempDir()
		s := open(t, drive.Config{Store: st, Dir: dir})
		model := map[host.TenantID]map[string]string{"acme": {}, "acme2": {}, "other": {}}
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			tenant, path := rapid.SampledFrom(tenants).Draw(r, "tenant"), rapid.SampledFrom([]string{"a", "a/b", "c"}).Draw(r, "path")
			switch rapid.IntRange(0, 4).Draw(r, "what") {
			case 0:
				err := s.Delete(t.Context(), tenant, path, nil)
				if _, there := model[tenant][path]; there != (err == nil) {
					r.Fatalf("deleting %s of %s: %v", path, tenant, err)
				}
				delete(model[tenant], path)
			case 1:
				s.Close()
				s = open(t, drive.Config{Store: st, Dir: dir})
			default:
				word := rapid.SampledFrom(words).Draw(r, "word")
				put(t, s, tenant, path, "a "+word)
				model[tenant][path] = word
			}
		}
		for _, tenant := range tenants {
			for _, word := range words {
				var want []string
				for path, w := range model[tenant] {
					if w == word {
						want = append(want, path)
					}
				}
				if got := sorted(find(t, s, tenant, abi.DriveSearch{Query: word})); got != sorted(strings.Join(want, " ")) {
					r.Fatalf("%s finds %q for %s, want %q", tenant, got, word, want)
				}
			}
			page, err := s.List(t.Context(), tenant, abi.DriveList{})
			if err != nil || len(page.Documents) != len(model[tenant]) {
				r.Fatalf("%s lists %+v, want %v", tenant, page.Documents, model[tenant])
			}
			for path, word := range model[tenant] {
				if got, err := s.Read(t.Context(), tenant, abi.DriveRead{Path: path}); err != nil || got.Text != "a "+word {
					r.Fatalf("%s reads %q at %s, %v", tenant, got.Text, path, err)
				}
			}
		}
		s.Close()
	})
}

// TestWhatIsAcknowledgedIsFound has writers and searchers of two tenants at once.
func TestWhatIsAcknowledgedIsFound(t *testing.T) {
	s := open(t, drive.Config{})
	var wg sync.WaitGroup
	for w := range 4 {
		tenant := host.TenantID([]string{"acme", "other"}[w%2])
		wg.Go(func() {
			for i := range 15 {
				path, word := fmt.Sprintf("w%d/d%d", w, i%5), fmt.Sprintf("mark%dx%d", w, i)
				if _, err := s.Put(t.Context(), tenant, drive.Put{Path: path, Body: []byte(word)}); err != nil {
					t.Error(err)
					return
				}
				hits, err := s.Search(t.Context(), tenant, abi.DriveSearch{Query: word})
				if err != nil || len(hits.Hits) != 1 || hits.Hits[0].Path != path {
					t.Errorf("%s is not found: %+v, %v", word, hits, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAnIndexThatPanicsIsMadeAnew(t *testing.T) {
	s := open(t, drive.Config{})
	put(t, s, acme, "a", "word")
	put(t, s, "other", "b", "word")
	storetest.WantCode(t, s.PanicInUse(t.Context(), acme), abi.CodeUnavailable)
	if got := find(t, s, "other", abi.DriveSearch{Query: "word"}); got != "b" {
		t.Errorf("another tenant finds %q", got)
	}
	for range 50 { // a search may come just when the index is closed, and is told to try again
		hits, err := s.Search(t.Context(), acme, abi.DriveSearch{Query: "word"})
		if err == nil && len(hits.Hits) == 1 {
			return
		}
		if err != nil {
			storetest.WantCode(t, err, abi.CodeUnavailable)
		}
	}
	t.Error("the index does not come back")
}

// TestManyTenantsHaveFewOpenIndexes has more tenants at once than may stay open.
func TestManyTenantsHaveFewOpenIndexes(t *testing.T) {
	const most = 3
	s := open(t, drive.Config{})
	s.KeepOpen(most)
	for round := range 2 {
		for i := range most + 8 {
			tenant := host.TenantID(fmt.Sprint("t", i))
			if round == 0 {
				put(t, s, tenant, "a", fmt.Sprint("word of ", tenant))
			}
			if got := find(t, s, tenant, abi.DriveSearch{Query: fmt.Sprint("word ", tenant)}); got != "a" {
				t.Fatalf("%s finds %q", tenant, got)
			}
		}
	}
	for deadline := time.Now().Add(20 * time.Second); s.OpenIndexes() > most; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d indexes are open, %d may be", s.OpenIndexes(), most)
		}
	}
}
