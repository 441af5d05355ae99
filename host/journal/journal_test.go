// Copyright 2026 The Gantry Authors.

package journal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/journal"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	*journal.Journal
	store store.Store
}

func open(t *testing.T, change func(*journal.Config)) fixture {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	c := journal.Config{Store: s, FlushEvery: time.Hour}
	if change != nil {
		change(&c)
	}
	j, err := journal.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(j.Close(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return fixture{j, s}
}

func call(n int) journal.Entry {
	e := journal.Entry{
		Tenant: "acme", User: "u" + fmt.Sprint(n%3), Tool: "t" + fmt.Sprint(n%2), CallID: fmt.Sprintf("c%04d", n),
		Time: time.Unix(1_790_000_000+int64(n), 0).UTC(), BytesIn: n,
	}
	if n%5 == 0 {
		e.Code = abi.CodeUpstream
	}
	return e
}

// all reads every page.
func all(t *testing.T, j *journal.Journal, tenant host.TenantID, f journal.Filter, limit int) []string {
	t.Helper()
	var ids []string
	for cursor := ""; ; {
		p, err := j.List(context.Background(), tenant, f, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Entries) > limit {
			t.Fatalf("a page has %d entries, limit %d", len(p.Entries), limit)
		}
		for _, e := range p.Entries {
			ids = append(ids, e.CallID)
		}
		if cursor = p.Next; cursor == "" {
			return ids
		}
	}
}

func TestListingIsNewestFirstWithoutGapOrTwin(t *testing.T) {
	j := open(t, nil)
	const n = 700
	for i := range n {
		j.Record(call(i))
		if i%90 == 0 {
			if err := j.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 7, 256, 1000} {
		got := all(t, j.Journal, "acme", journal.Filter{}, limit)
		if len(got) != n {
			t.Fatalf("limit %d: got %d entries, want %d", limit, len(got), n)
		}
		for i, id := range got {
			if want := fmt.Sprintf("c%04d", n-1-i); id != want {
				t.Fatalf("limit %d: entry %d is %s, want %s", limit, i, id, want)
			}
		}
	}
}

func TestACursorStaysTrueWhileCallsComeIn(t *testing.T) {
	j := open(t, nil)
	ctx := context.Background()
	for i := range 10 {
		j.Record(call(i))
	}
	_ = j.Flush(ctx)
	first, err := j.List(ctx, "acme", journal.Filter{}, "", 4)
	if err != nil {
		t.Fatal(err)
	}
	for i := 10; i < 20; i++ {
		j.Record(call(i))
	}
	_ = j.Flush(ctx)
	second, err := j.List(ctx, "acme", journal.Filter{}, first.Next, 100)
	if err != nil {
		t.Fatal(err)
	}
	if got := second.Entries[0].CallID; got != "c0005" || len(second.Entries) != 6 {
		t.Errorf("the second page begins with %s and has %d entries, want c0005 and 6", got, len(second.Entries))
	}
}

func TestFiltersChoose(t *testing.T) {
	j := open(t, nil)
	for i := range 60 {
		j.Record(call(i))
	}
	_ = j.Flush(context.Background())
	at := func(n int) time.Time { return time.Unix(1_790_000_000+int64(n), 0) }
	for _, c := range []struct {
		name   string
		filter journal.Filter
		want   int
	}{
		{"by user", journal.Filter{User: "u1"}, 20},
		{"by tool", journal.Filter{Tool: "t0"}, 30},
		{"by code", journal.Filter{Code: abi.CodeUpstream}, 12},
		{"failed", journal.Filter{Failed: true}, 12},
		{"by call", journal.Filter{CallID: "c0007"}, 1},
		{"by time", journal.Filter{Since: at(10), Until: at(20)}, 10},
		{"nothing", journal.Filter{Plugin: "none"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := all(t, j.Journal, "acme", c.filter, 9); len(got) != c.want {
				t.Errorf("got %d entries, want %d", len(got), c.want)
			}
		})
	}
}

func TestATenantSeesItsOwn(t *testing.T) {
	j := open(t, func(c *journal.Config) { c.FlushEvery = time.Millisecond })
	var wg sync.WaitGroup
	for g := range 6 {
		tenant := host.TenantID(fmt.Sprintf("t%d", g))
		wg.Go(func() {
			for i := range 100 {
				e := call(i)
				e.Tenant, e.CallID = tenant, string(tenant)
				j.Record(e)
			}
		})
	}
	wg.Wait()
	_ = j.Flush(context.Background())
	for g := range 6 {
		tenant := host.TenantID(fmt.Sprintf("t%d", g))
		got := all(t, j.Journal, tenant, journal.Filter{}, 33)
		if len(got) != 100 || strings.Trim(strings.Join(got, ""), string(tenant)) != "" {
			t.Errorf("%s sees %d entries, want its own 100", tenant, len(got))
		}
	}
}

func TestAFullQueueDropsTheOldestAndSaysSo(t *testing.T) {
	j := open(t, func(c *journal.Config) { c.Queue = 1 })
	for i := range 5 {
		j.Record(call(i))
	}
	_ = j.Flush(context.Background())
	s := j.Stats()
	if s.Lost+s.Written != 5 || s.Written == 0 || s.Queued != 0 {
		t.Errorf("got %+v, want 5 entries in all", s)
	}
	p, err := j.List(context.Background(), "acme", journal.Filter{}, "", 0)
	if err != nil || p.Lost != s.Lost || p.Entries[0].CallID != "c0004" {
		t.Errorf("got %+v, %v, want the newest entry and the loss", p, err)
	}
}

// refusing is a store without Append whose writes fail.
type refusing struct{ store.Store }

func (refusing) Put(context.Context, store.Key, []byte, store.PutOptions) (uint64, error) {
	return 0, host.Errorf("refusing.Put", abi.CodeUnavailable, "the disk is full")
}

func TestARefusingStoreIsCountedAsLoss(t *testing.T) {
	j := open(t, func(c *journal.Config) { c.Store = refusing{c.Store} })
	j.Record(call(1))
	_ = j.Flush(context.Background())
	if s := j.Stats(); s.Lost != 1 || s.Written != 0 {
		t.Errorf("got %+v, want one lost", s)
	}
}

func TestAStoreWithoutBatchesWillDo(t *testing.T) {
	j := open(t, func(c *journal.Config) { c.Store = struct{ store.Store }{c.Store} })
	j.Record(call(1))
	_ = j.Flush(context.Background())
	if got := all(t, j.Journal, "acme", journal.Filter{}, 10); len(got) != 1 {
		t.Errorf("got %v, want one entry", got)
	}
}

func TestEntriesEndAfterTheRetention(t *testing.T) {
	j := open(t, func(c *journal.Config) { c.Retention = time.Hour })
	j.Record(call(1))
	_ = j.Flush(context.Background())
	p, err := j.store.List(context.Background(), store.Key{"journal", "acme"}, "", 10)
	if err != nil || len(p.Records) != 1 {
		t.Fatal(p, err)
	}
	if left := time.Until(p.Records[0].Expires); left <= 50*time.Minute || left > time.Hour+time.Minute {
		t.Errorf("the record ends in %s, want an hour", left)
	}
}

func TestCloseWritesWhatIsQueuedAndRecordsNoMore(t *testing.T) {
	j := open(t, nil)
	j.Record(call(1))
	if err := j.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	j.Record(call(2))
	if s := j.Stats(); s.Written != 1 || s.Lost != 1 {
		t.Errorf("got %+v, want one written and one lost", s)
	}
}

func TestABadCursorOrLimitIsTold(t *testing.T) {
	j := open(t, nil)
	for _, c := range []struct {
		cursor string
		limit  int
		want   string
	}{{"!!", 1, "cursor"}, {"YWJj", 1, "cursor"}, {"", -1, "limit"}, {"", 1001, "limit"}} {
		_, err := j.List(context.Background(), "acme", journal.Filter{}, c.cursor, c.limit)
		if host.CodeOf(err) != abi.CodeInvalidArg || !strings.Contains(err.Error(), c.want) {
			t.Errorf("cursor %q, limit %d: got %v", c.cursor, c.limit, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		f.Fatal(err)
	}
	j, err := journal.New(journal.Config{Store: s})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = j.Close(context.Background()); _ = s.Close() })
	f.Add("")
	f.Add("ZmZmZmZmZmZmZmZmZmZmZiA")
	f.Fuzz(func(t *testing.T, cursor string) {
		_, err := j.List(context.Background(), "acme", journal.Filter{}, cursor, 1)
		if code := host.CodeOf(err); err != nil && code != abi.CodeInvalidArg {
			t.Errorf("%q: %v", cursor, err)
		}
	})
}
