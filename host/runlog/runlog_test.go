// Copyright 2026 The Gantry Authors.

package runlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// idOf is the n-th id of a moment, which is a number of milliseconds.
func idOf(moment, n int) string {
	return formatID([16]byte{byte(moment >> 40), byte(moment >> 32), byte(moment >> 24), byte(moment >> 16), byte(moment >> 8), byte(moment),
		0x70, 0, 0x80, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
}

// refusing is a store that takes nothing while down is set.
type refusing struct {
	*badgerstore.Store
	down atomic.Bool
}

func (r *refusing) Append(ctx context.Context, recs []store.Record) error {
	if r.down.Load() {
		return host.Errorf("refusing.Append", abi.CodeUnavailable, "the disk is full")
	}
	return r.Store.Append(ctx, recs)
}

func newStore(t testing.TB) *refusing {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &refusing{Store: s}
}

// open opens a log that flushes when it is told to. It ends with the test.
func open(t testing.TB, dir string, s store.Store) *Log {
	t.Helper()
	l, err := Open(Config{Dir: dir, Store: s, FlushEvery: time.Hour, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) }) // a test that cares closes it itself
	return l
}

// afterKill opens what a kill at this moment would leave of the folder.
func afterKill(t testing.TB, dir string, s store.Store) *Log {
	t.Helper()
	left := t.TempDir()
	if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return open(t, left, s)
}

func want(t testing.TB, l *Log, id, want string) {
	t.Helper()
	got, err := l.Get(context.Background(), "acme", id)
	if err != nil || string(got) != want {
		t.Fatalf("run %s is %.60q, %v; want %.60q", id, got, err, want)
	}
}

func gone(t testing.TB, l *Log, tenant host.TenantID, id string) {
	t.Helper()
	if got, err := l.Get(context.Background(), tenant, id); host.CodeOf(err) != abi.CodeNotFound {
		t.Fatalf("run %s is %.60q, %v; want none", id, got, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// try is must for other goroutines than the test's.
func try(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// end begins a run and ends it.
func end(t testing.TB, l *Log, tenant host.TenantID, id string, run []byte) {
	t.Helper()
	must(t, l.Begin(tenant, id, []byte("begins")))
	must(t, l.End(tenant, id, run))
}

func begun(l *Log) (ids []string) {
	l.Begun(func(_ host.TenantID, id string) bool { ids = append(ids, id); return true })
	return ids
}

func TestARunIsKept(t *testing.T) {
	for name, dir := range map[string]string{"in a folder": t.TempDir(), "in memory": ""} {
		t.Run(name, func(t *testing.T) {
			l := open(t, dir, newStore(t))
			a, b, c := idOf(1000, 1), idOf(1000, 2), idOf(900_000, 3)
			gone(t, l, "acme", a)
			must(t, l.Begin("acme", a, []byte("a begins")))
			must(t, l.Begin("acme", b, []byte("b begins")))
			must(t, l.Begin("acme", c, []byte("c begins")))
			want(t, l, a, "a begins")
			gone(t, l, "other", a)
			must(t, l.End("acme", a, []byte("a ends")))
			must(t, l.End("acme", c, []byte("c ends")))
			want(t, l, a, "a ends")
			must(t, l.Flush(context.Background()))
			want(t, l, a, "a ends") // from the store
			want(t, l, b, "b begins")
			want(t, l, c, "c ends")
			gone(t, l, "other", a)
			gone(t, l, "acme", idOf(1000, 9))
			if ids := begun(l); len(ids) != 1 || ids[0] != b {
				t.Errorf("begun are %v, want %s", ids, b)
			}
			must(t, l.Forget("acme", b))
			gone(t, l, "acme", b)
			if len(l.ended)+len(l.order)+l.size != 0 {
				t.Errorf("%d runs wait, %d bytes", len(l.ended), l.size)
			}
		})
	}
}

func TestAKillLosesNothing(t *testing.T) {
	dir, s := t.TempDir(), newStore(t)
	l := open(t, dir, s)
	a, b, c, d := idOf(1, 1), idOf(1, 2), idOf(1, 3), idOf(1, 4)
	must(t, l.Begin("acme", a, []byte("a begins")))
	must(t, l.Begin("acme", b, []byte("b begins")))
	must(t, l.End("acme", b, []byte("b ends")))
	must(t, l.Begin("acme", c, []byte("c begins")))
	must(t, l.Forget("acme", c))
	check := func(t *testing.T, l *Log) {
		t.Helper()
		want(t, l, a, "a begins")
		want(t, l, b, "b ends")
		gone(t, l, "acme", c)
		if ids := begun(l); len(ids) != 1 || ids[0] != a {
			t.Errorf("begun are %v, want %s", ids, a)
		}
	}
	t.Run("before the store has anything", func(t *testing.T) { check(t, afterKill(t, dir, s)) })
	t.Run("after the store has taken it, when it is told again", func(t *testing.T) {
		must(t, l.Flush(context.Background()))
		next := afterKill(t, dir, s)
		check(t, next)
		must(t, next.Flush(context.Background()))
		check(t, next)
	})
	t.Run("when a second kill comes just after the first", func(t *testing.T) {
		next := afterKill(t, dir, s)
		check(t, afterKill(t, next.cfg.Dir, s))
	})
	t.Run("what comes after it is kept beside", func(t *testing.T) {
		next := afterKill(t, dir, s)
		must(t, next.Begin("acme", d, []byte("d begins")))
		must(t, next.End("acme", a, []byte("a was interrupted")))
		again := afterKill(t, next.cfg.Dir, s)
		want(t, again, a, "a was interrupted")
		want(t, again, d, "d begins")
	})
}

func TestTheFileEndsAnywhere(t *testing.T) {
	dir, s := t.TempDir(), newStore(t)
	l := open(t, dir, s)
	var ends []int64
	for n := range 4 {
		must(t, l.Begin("acme", idOf(1, n), fmt.Appendf(nil, "run %d", n)))
		ends = append(ends, l.file.at)
	}
	whole, err := os.ReadFile(segmentPath(dir, l.file.number))
	must(t, err)
	whole = whole[:l.file.at]
	left := func(t *testing.T, data []byte) (*Log, string) {
		cut := t.TempDir()
		must(t, os.WriteFile(segmentPath(cut, 7), data, 0o600))
		return open(t, cut, s), cut
	}
	t.Run("cut at any byte, the whole entries before it are there", func(t *testing.T) {
		for at := range len(whole) {
			next, cut := left(t, whole[:at])
			for n, end := range ends {
				if int64(at) >= end {
					want(t, next, idOf(1, n), fmt.Sprintf("run %d", n))
				} else {
					gone(t, next, "acme", idOf(1, n))
				}
			}
			if aside, _ := filepath.Glob(cut + "/*.damaged"); len(aside) != 0 {
				t.Fatalf("cut at %d: put aside as damaged", at)
			}
		}
	})
	t.Run("with a byte that has changed, it is put aside and the entries before it are there", func(t *testing.T) {
		bad := bytes.Clone(whole)
		bad[ends[1]+headSize] ^= 1
		next, cut := left(t, bad)
		want(t, next, idOf(1, 1), "run 1")
		gone(t, next, "acme", idOf(1, 2))
		if kept, err := os.ReadFile(segmentPath(cut, 7) + ".damaged"); err != nil || !bytes.Equal(kept, bad) {
			t.Errorf("it is not put aside: %v", err)
		}
	})
	t.Run("with zeros behind it, it ends where they begin", func(t *testing.T) {
		next, cut := left(t, append(bytes.Clone(whole), make([]byte, 5000)...))
		want(t, next, idOf(1, 3), "run 3")
		if aside, _ := filepath.Glob(cut + "/*.damaged"); len(aside) != 0 {
			t.Error("it is put aside as damaged")
		}
	})
	t.Run("with zeros in the middle, it is put aside", func(t *testing.T) {
		bad := bytes.Clone(whole)
		clear(bad[ends[0]:ends[2]])
		next, cut := left(t, bad)
		want(t, next, idOf(1, 0), "run 0")
		gone(t, next, "acme", idOf(1, 3))
		if aside, _ := filepath.Glob(cut + "/*.damaged"); len(aside) != 1 {
			t.Error("it is not put aside")
		}
	})
	t.Run("other files are left alone", func(t *testing.T) {
		other := t.TempDir()
		for _, name := range []string{"7.log", "notes.txt", "000000000000000g.log"} {
			must(t, os.WriteFile(filepath.Join(other, name), []byte("x"), 0o600))
		}
		open(t, other, s)
		if files, _ := os.ReadDir(other); len(files) != 4 {
			t.Errorf("got %v", files)
		}
	})
}

func TestTheFileStaysSmall(t *testing.T) {
	dir, s := t.TempDir(), newStore(t)
	l := open(t, dir, s)
	slow := idOf(1, 0)
	must(t, l.Begin("acme", slow, []byte("slow")))
	run := bytes.Repeat([]byte("x"), 1000)
	n := 3 * segmentSize / len(run)
	for i := 1; i <= n; i++ {
		must(t, l.Begin("acme", idOf(i, i), run))
		must(t, l.End("acme", idOf(i, i), run))
		if i%500 == 0 {
			must(t, l.Flush(context.Background()))
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, %v; want one file", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Size() > 2*segmentSize+1<<20 {
		t.Errorf("it has %d bytes, %v", info.Size(), err)
	}
	next := afterKill(t, dir, s)
	want(t, next, slow, "slow")
	for i := 1; i <= n; i += 997 {
		want(t, next, idOf(i, i), string(run))
	}
}

func TestAFullFileIsFollowedByAnother(t *testing.T) {
	dir, s := t.TempDir(), newStore(t)
	l := open(t, dir, s)
	run := make([]byte, 400<<10)
	for n := range 40 { // twice what a file has room for, without a flush
		end(t, l, "acme", idOf(1, n), append(run, byte(n)))
	}
	must(t, l.Begin("acme", idOf(1, 99), []byte("begins")))
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("got %v, %v; want one file", files, err)
	}
	next := afterKill(t, dir, s)
	want(t, next, idOf(1, 99), "begins")
	for n := range 40 {
		want(t, next, idOf(1, n), string(append(run, byte(n))))
	}
}

func TestEntriesWrittenBySystemCallsAreTheSame(t *testing.T) {
	dir, s := t.TempDir(), newStore(t)
	l := open(t, dir, s)
	f, err := os.OpenFile(segmentPath(dir, l.file.number), os.O_RDWR|os.O_TRUNC, 0o600)
	must(t, err)
	must(t, l.file.m.close())
	l.file.m = plainFile{f}
	other := open(t, t.TempDir(), s)
	for _, l := range []*Log{l, other} {
		end(t, l, "acme", idOf(1, 1), []byte("one"))
		must(t, l.Begin("acme", idOf(1, 2), []byte("two")))
	}
	next := afterKill(t, dir, s)
	want(t, next, idOf(1, 1), "one")
	want(t, next, idOf(1, 2), "two")
	a, err := os.ReadFile(segmentPath(dir, l.file.number))
	must(t, err)
	b, err := os.ReadFile(segmentPath(other.cfg.Dir, other.file.number))
	must(t, err)
	if !bytes.Equal(a, b[:len(a)]) || len(bytes.TrimRight(b[len(a):], "\x00")) > 0 {
		t.Error("the two files differ")
	}
}

func TestAStoreThatRefuses(t *testing.T) {
	t.Run("keeps the runs waiting, and gets them when it takes runs again", func(t *testing.T) {
		s := newStore(t)
		l := open(t, t.TempDir(), s)
		s.down.Store(true)
		end(t, l, "acme", idOf(1, 1), []byte("first"))
		if err := l.Flush(context.Background()); host.CodeOf(err) != abi.CodeUnavailable || !strings.Contains(err.Error(), "1 runs") {
			t.Errorf("got %v", err)
		}
		end(t, l, "acme", idOf(1, 2), []byte("second"))
		want(t, l, idOf(1, 1), "first")
		s.down.Store(false)
		must(t, l.Flush(context.Background()))
		want(t, l, idOf(1, 1), "first")
		want(t, l, idOf(1, 2), "second")
		if len(l.ended) != 0 {
			t.Errorf("%d still wait", len(l.ended))
		}
	})
	t.Run("stops new runs when too many wait, and lets those under way end", func(t *testing.T) {
		s := newStore(t)
		l := open(t, "", s)
		s.down.Store(true)
		must(t, l.Begin("acme", idOf(2, 2), []byte("begins")))
		big := make([]byte, MaxRunBytes)
		for n := 0; l.size <= maxWaiting; n++ {
			end(t, l, "acme", idOf(1, n), big)
		}
		if err := l.Begin("acme", idOf(2, 1), nil); host.CodeOf(err) != abi.CodeUnavailable || !strings.Contains(err.Error(), "wait for the store") {
			t.Errorf("got %v", err)
		}
		must(t, l.End("acme", idOf(2, 2), []byte("ends")))
		s.down.Store(false)
		must(t, l.Flush(context.Background()))
		must(t, l.Begin("acme", idOf(2, 1), nil))
		want(t, l, idOf(1, 3), string(big))
	})
	t.Run("leaves them in the file when the log is closed", func(t *testing.T) {
		dir, s := t.TempDir(), newStore(t)
		l := open(t, dir, s)
		end(t, l, "acme", idOf(1, 1), []byte("queued"))
		s.down.Store(true)
		if err := l.Close(context.Background()); host.CodeOf(err) != abi.CodeUnavailable {
			t.Errorf("got %v", err)
		}
		s.down.Store(false)
		want(t, open(t, dir, s), idOf(1, 1), "queued")
	})
}

func TestAFileThatCannotBeWritten(t *testing.T) {
	l := open(t, t.TempDir(), newStore(t))
	must(t, l.Begin("acme", idOf(1, 1), []byte("begins")))
	good := l.file.m
	bad, err := os.Open(segmentPath(l.cfg.Dir, l.file.number)) // for reading alone
	must(t, err)
	l.file.m = plainFile{bad}
	if err := l.Begin("acme", idOf(1, 2), nil); host.CodeOf(err) != abi.CodeUnavailable || strings.Contains(host.Outward(err).Message, l.cfg.Dir) {
		t.Errorf("a run is begun, or the caller is told where the file is: %v", err)
	}
	gone(t, l, "acme", idOf(1, 2))
	if err := l.End("acme", idOf(1, 1), []byte("ends")); host.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("the end is said to be kept: %v", err)
	}
	want(t, l, idOf(1, 1), "ends")
	l.file.m = good
	must(t, bad.Close())
	must(t, l.Flush(context.Background()))
	want(t, l, idOf(1, 1), "ends")
}

func TestTwoEndsOfOneRun(t *testing.T) {
	l := open(t, t.TempDir(), newStore(t))
	for n := range 50 {
		id := idOf(1, n)
		must(t, l.Begin("acme", id, []byte("begins")))
		var all sync.WaitGroup
		var firsts atomic.Int64
		seen := make([]string, 4)
		for w := range seen {
			all.Go(func() {
				switch err := l.End("acme", id, fmt.Appendf(nil, "end %d", w)); host.CodeOf(err) {
				case "":
					firsts.Add(1)
				case abi.CodeConflict:
				default:
					t.Error(err)
				}
				got, err := l.Get(context.Background(), "acme", id)
				if err != nil {
					t.Error(err)
				}
				seen[w] = string(got)
			})
		}
		all.Go(func() { try(t, l.Flush(context.Background())) })
		all.Wait()
		must(t, l.Flush(context.Background()))
		last, err := l.Get(context.Background(), "acme", id)
		must(t, err)
		if firsts.Load() != 1 {
			t.Fatalf("%d ends were taken", firsts.Load())
		}
		for _, s := range seen {
			if s != string(last) {
				t.Fatalf("%s was told, and %s is kept", s, last)
			}
		}
	}
}

func TestManyWritersAndKills(t *testing.T) {
	dir, s := t.TempDir(), newStore(t)
	l := open(t, dir, s)
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				try(t, l.Flush(context.Background()))
			}
		}
	})
	const writers, each = 8, 400
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				id := idOf(w, n)
				try(t, l.Begin("acme", id, []byte("begins "+id)))
				if n%5 != 0 {
					try(t, l.End("acme", id, []byte("ends "+id)))
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	all.Wait()
	next := afterKill(t, dir, s)
	for w := range writers {
		for n := range each {
			if id := idOf(w, n); n%5 == 0 {
				want(t, next, id, "begins "+id)
			} else {
				want(t, next, id, "ends "+id)
			}
		}
	}
	if n := len(begun(next)); n != writers*each/5 {
		t.Errorf("%d are under way, want %d", n, writers*each/5)
	}
}

func TestRunsAreFlushedWithoutBeingAsked(t *testing.T) {
	s := newStore(t)
	l, err := Open(Config{Store: s, FlushEvery: time.Millisecond})
	must(t, err)
	end(t, l, "acme", idOf(1, 1), []byte("ends"))
	for waiting := 1; waiting > 0; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		waiting = len(l.ended)
		l.mu.Unlock()
	}
	want(t, l, idOf(1, 1), "ends")
	page, err := s.List(context.Background(), store.Key{root, "acme"}, "", 0)
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("got %d records, %v", len(page.Records), err)
	}
	if left := time.Until(page.Records[0].Expires); left < 23*time.Hour || left > 25*time.Hour {
		t.Errorf("it is kept for %s, want 24 h", left)
	}
	must(t, l.Close(context.Background()))
	must(t, l.Close(context.Background()))
	for what, err := range map[string]error{
		"Begin": l.Begin("acme", idOf(1, 2), nil), "End": l.End("acme", idOf(1, 2), nil), "Forget": l.Forget("acme", idOf(1, 2)),
	} {
		if host.CodeOf(err) != abi.CodeUnavailable {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func TestManyRunsShareARecord(t *testing.T) {
	s := newStore(t)
	l := open(t, "", s)
	const n = packRuns + 10
	for i := range n {
		end(t, l, "acme", idOf(128, i), fmt.Appendf(nil, "run %d", i))
		end(t, l, "", idOf(128, i), fmt.Appendf(nil, "nobody's run %d", i))
	}
	end(t, l, "acme", idOf(128, n), make([]byte, MaxRunBytes))
	must(t, l.Flush(context.Background()))
	page, err := s.List(context.Background(), store.Key{root, "acme"}, "", 0)
	if err != nil || len(page.Records) != 3 {
		t.Errorf("%d records, %v; want 3", len(page.Records), err)
	}
	for i := range n {
		want(t, l, idOf(128, i), fmt.Sprintf("run %d", i))
	}
	if got, err := l.Get(context.Background(), "", idOf(128, 5)); err != nil || string(got) != "nobody's run 5" {
		t.Errorf("got %q, %v", got, err)
	}
	gone(t, l, "-x", idOf(128, 5))
}

func TestWhatIsRefused(t *testing.T) {
	s := newStore(t)
	for what, c := range map[string]Config{"no store": {}, "a negative time": {Store: s, FlushEvery: -1}, "a negative life": {Store: s, Retention: -1}} {
		if _, err := Open(c); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open(Config{Store: s, Dir: "/dev/null/runs"}); host.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("a folder that cannot be: %v", err)
	}
	l := open(t, "", s)
	for _, id := range []string{"", "x", strings.Repeat("0", 36), "0123456g-0123-7123-8123-0123456789ab", idOf(1, 1) + "0"} {
		_, err := l.Get(context.Background(), "acme", id)
		for _, err := range []error{err, l.Begin("acme", id, nil), l.End("acme", id, nil), l.Forget("acme", id)} {
			if host.CodeOf(err) != abi.CodeInvalidArg {
				t.Errorf("id %q: %v", id, err)
			}
		}
	}
	if err := l.End("acme", idOf(1, 1), nil); host.CodeOf(err) != abi.CodeConflict {
		t.Errorf("a run that has not begun ends: %v", err)
	}
	for _, err := range []error{
		l.Begin("acme", idOf(1, 1), make([]byte, MaxRunBytes+1)), l.End("acme", idOf(1, 1), make([]byte, MaxRunBytes+1)),
	} {
		if host.CodeOf(err) != abi.CodeLimit {
			t.Errorf("a run that is too large: %v", err)
		}
	}
	r := store.Record{Key: append((&key{tenant: "acme"}).prefix(), "1"), Value: []byte{packFormat, 0xff}}
	must(t, s.Append(context.Background(), []store.Record{r}))
	if _, err := l.Get(context.Background(), "acme", formatID([16]byte{})); host.CodeOf(err) != abi.CodeInternal || !errors.Is(err, errDamaged) {
		t.Errorf("a damaged record: %v", err)
	}
}

// FuzzEntry reads entries from any bytes, and finds each that was written in front of them.
func FuzzEntry(f *testing.F) {
	f.Add([]byte{}, "acme", []byte("run"))
	f.Add(appendEntry(nil, kindEnded, key{tenant: "t"}, []byte("x"))[:20], "", []byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1}, "t", []byte{0})
	f.Fuzz(func(t *testing.T, junk []byte, tenant string, run []byte) {
		for rest, ok := junk, true; ok; {
			_, _, _, rest, ok = nextEntry(rest)
		}
		k := key{tenant: host.TenantID(tenant), id: [16]byte{1, 15: 2}}
		kind, got, data, rest, ok := nextEntry(append(appendEntry(nil, kindBegun, k, run), junk...))
		if !ok || kind != kindBegun || got != k || !bytes.Equal(data, run) || !bytes.Equal(rest, junk) {
			t.Errorf("got %d %v %q, rest %q, %v", kind, got, data, rest, ok)
		}
	})
}

// FuzzUnpack reads any bytes as a record's value, and finds what was packed.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{packFormat, 5, 1, 2}, []byte("a run"))
	f.Add(new(scratch).pack([]entry{{run: []byte("x")}}), []byte{})
	f.Add([]byte{packFormat, 0xff, 0xff, 0xff, 0xff, 0x0f}, []byte{1})
	f.Fuzz(func(t *testing.T, value, run []byte) {
		_, _ = unpack(value, [16]byte{})
		list := []entry{{key{id: [16]byte{1}}, value}, {key{id: [16]byte{2}}, run}}
		var kept scratch
		for _, e := range list {
			if got, err := unpack(kept.pack(list), e.id); err != nil || got == nil || !bytes.Equal(got, e.run) {
				t.Errorf("got %q, %v; want %q", got, err, e.run)
			}
		}
	})
}
