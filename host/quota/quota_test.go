// Copyright 2026 The Gantry Authors.

package quota

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

func TestMain(m *testing.M) {
	if dir := killedChildDir(); dir != "" {
		killedChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// noon is in the middle of a day, and of no minute's begin.
var noon = time.Date(2026, 11, 21, 12, 0, 5, 0, time.UTC)

type clock struct{ at atomic.Int64 }

func (c *clock) Now() time.Time           { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) add(d time.Duration)      { c.at.Add(int64(d)) }
func clockAt(t time.Time) (c *clock)      { c = &clock{}; c.at.Store(t.UnixNano()); return c }
func own(minute, day, fuel int64) Own     { return Own{&minute, &day, &fuel} }
func limits(minute, day, f int64) *Limits { return &Limits{minute, day, f} }

// memory is a store that may be told to refuse writes, and counts them.
type memory struct {
	store.Store
	puts   atomic.Int64
	refuse atomic.Bool
}

func (m *memory) Put(ctx context.Context, k store.Key, v []byte, o store.PutOptions) (uint64, error) {
	if m.refuse.Load() {
		return 0, host.Errorf("test", abi.CodeUnavailable, "the store is read-only")
	}
	m.puts.Add(1)
	return m.Store.Put(ctx, k, v, o)
}

func newStore(t testing.TB) *memory {
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
	return &memory{Store: s}
}

func open(t testing.TB, s store.Store, c *clock, d *Limits) *Service {
	t.Helper()
	q, err := New(Config{Store: s, Clock: c, Defaults: *d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close(context.Background()) }) // the store may be told to refuse it
	return q
}

// crash ends a service as a kill does a moment after its last call: what is on its way to the store
// arrives, nothing is given back.
func (s *Service) crash() {
	s.claims.Wait()
	s.opening.Lock()
	defer s.opening.Unlock()
	s.end()
	for _, t := range *s.tenants.Load() {
		t.mu.Lock()
		t.closed = true
		t.mu.Unlock()
	}
	s.claims.Wait()
}

// spend reserves until it is refused, at most most times, and returns how often it was granted.
func spend(t testing.TB, q *Service, c *clock, most int) (granted int, refusal error) {
	t.Helper()
	for granted < most {
		if _, err := q.Reserve(t.Context(), "acme", c.Now(), 1); err != nil {
			return granted, err
		}
		granted++
	}
	return granted, nil
}

func refused(t testing.TB, err error, limit string, wait time.Duration) {
	t.Helper()
	var he *host.Error
	if !errors.As(err, &he) || he.Code != abi.CodeRateLimited {
		t.Fatalf("got %v, want %s", err, abi.CodeRateLimited)
	}
	out := host.Outward(err)
	if !strings.Contains(out.Message, "limit: "+limit) || !out.Retryable || out.Hint == "" ||
		!strings.Contains(string(out.Details), `"limit":"`+limit+`"`) || he.RetryAfter != wait {
		t.Errorf("got %+v after %s, want %s after %s", out, he.RetryAfter, limit, wait)
	}
}

func TestLimits(t *testing.T) {
	t.Run("without limits nothing is counted or written", func(t *testing.T) {
		s, c := newStore(t), clockAt(noon)
		q := open(t, s, c, limits(0, 0, 0))
		if n, err := spend(t, q, c, 1000); n != 1000 || err != nil || s.puts.Load() != 0 {
			t.Errorf("got %d, %v, %d writes", n, err, s.puts.Load())
		}
	})
	t.Run("calls per minute are granted anew each minute", func(t *testing.T) {
		c := clockAt(noon)
		q := open(t, newStore(t), c, limits(60, 0, 0))
		n, err := spend(t, q, c, 100)
		if n != 60 {
			t.Errorf("got %d calls, want 60", n)
		}
		refused(t, err, "calls_per_minute", 55*time.Second)
		c.add(54 * time.Second)
		if n, err := spend(t, q, c, 100); n != 0 {
			t.Errorf("got %d more in the same minute, %v", n, err)
		}
		c.add(time.Second)
		if n, _ := spend(t, q, c, 100); n != 60 {
			t.Errorf("got %d calls in the next minute, want 60", n)
		}
	})
	t.Run("calls per day are granted anew each day", func(t *testing.T) {
		c := clockAt(noon)
		q := open(t, newStore(t), c, limits(0, 250, 0))
		n, err := spend(t, q, c, 1000)
		if n != 250 {
			t.Errorf("got %d calls, want 250", n)
		}
		refused(t, err, "calls_per_day", 12*time.Hour-5*time.Second)
		c.add(12 * time.Hour)
		if n, _ := spend(t, q, c, 1000); n != 250 {
			t.Errorf("got %d calls on the next day, want 250", n)
		}
	})
	t.Run("fuel bounds a call by what is left, and refuses the next when none is", func(t *testing.T) {
		c := clockAt(noon)
		q := open(t, newStore(t), c, limits(0, 0, 1_000_000))
		left, err := q.Reserve(t.Context(), "acme", c.Now(), 1)
		if err != nil || left != 1_000_000 {
			t.Fatalf("got %d, %v", left, err)
		}
		q.Settle("acme", c.Now(), 999_990)
		if left, err = q.Reserve(t.Context(), "acme", c.Now(), 1); err != nil || left != 10 {
			t.Fatalf("got %d, %v; want 10", left, err)
		}
		q.Settle("acme", c.Now(), 10_000) // side by side with others it may be more
		_, err = q.Reserve(t.Context(), "acme", c.Now(), 0)
		refused(t, err, "fuel_per_day", 12*time.Hour-5*time.Second)
	})
	t.Run("one tenant's use is not another's", func(t *testing.T) {
		c := clockAt(noon)
		q := open(t, newStore(t), c, limits(0, 10, 0))
		spend(t, q, c, 100)
		if _, err := q.Reserve(t.Context(), "beta", c.Now(), 1); err != nil {
			t.Error(err)
		}
	})
	t.Run("a call that never ran is given back", func(t *testing.T) {
		c := clockAt(noon)
		q := open(t, newStore(t), c, limits(5, 5, 0))
		spend(t, q, c, 5)
		q.Return("acme", c.Now())
		if n, _ := spend(t, q, c, 5); n != 1 {
			t.Errorf("got %d, want 1", n)
		}
	})
	t.Run("calls a little out of order do not begin a minute or a day twice", func(t *testing.T) {
		c := clockAt(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
		q := open(t, newStore(t), c, limits(3, 3, 0))
		granted := 0
		for i := range 20 {
			if _, err := q.Reserve(t.Context(), "acme", c.Now().Add(-time.Duration(i%2)), 1); err == nil {
				granted++
			}
		}
		if granted > 6 { // three of the day before, where they came first
			t.Errorf("got %d", granted)
		}
	})
	t.Run("a clock that was far ahead does not keep a tenant out", func(t *testing.T) {
		c := clockAt(noon.AddDate(1, 0, 0))
		q := open(t, newStore(t), c, limits(3, 3, 0))
		spend(t, q, c, 10)
		c.at.Store(noon.UnixNano())
		if n, err := spend(t, q, c, 10); n != 3 {
			t.Errorf("got %d, %v", n, err)
		}
	})
	t.Run("a reserved call costs no allocation and no write", func(t *testing.T) {
		s, c := newStore(t), clockAt(noon)
		q := open(t, s, c, limits(1e9, 1e9, 1e15))
		spend(t, q, c, 1)
		q.claims.Wait()
		before, now := s.puts.Load(), c.Now()
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := q.Reserve(t.Context(), "acme", now, 1); err != nil {
				t.Fatal(err)
			}
			q.Settle("acme", now, 1000)
		}); n != 0 || s.puts.Load() != before {
			t.Errorf("got %v allocations, %d writes", n, s.puts.Load()-before)
		}
	})
	t.Run("settings that cannot be are refused", func(t *testing.T) {
		if _, err := New(Config{}); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("without a store: %v", err)
		}
		if _, err := New(Config{Store: newStore(t), Defaults: Limits{FuelPerDay: -1}}); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("with a negative limit: %v", err)
		}
	})
}

func TestAcrossRestarts(t *testing.T) {
	t.Run("a clean stop forfeits nothing", func(t *testing.T) {
		s, c, total := newStore(t), clockAt(noon), 0
		for range 20 {
			q := open(t, s, c, limits(0, 1000, 0))
			n, _ := spend(t, q, c, 53)
			total += n
			if err := q.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if total != 1000 {
			t.Errorf("got %d calls, want 1000", total)
		}
	})
	t.Run("a crash forfeits the rest of a chunk and grants nothing twice", func(t *testing.T) {
		s, c, total, crashes := newStore(t), clockAt(noon), 0, 0
		for ; ; crashes++ {
			q := open(t, s, c, limits(0, 1000, 0))
			n, err := spend(t, q, c, 53)
			total += n
			q.crash()
			if err != nil {
				refused(t, err, "calls_per_day", 12*time.Hour-5*time.Second)
				break
			}
		}
		if least := 1000 - crashes*2*int(chunk(1000)); total > 1000 || total < least {
			t.Errorf("got %d calls with %d crashes, want %d to 1000", total, crashes, least)
		}
	})
	t.Run("fuel that was used stays used", func(t *testing.T) {
		s, c := newStore(t), clockAt(noon)
		q := open(t, s, c, limits(0, 0, 1000))
		spend(t, q, c, 1)
		q.Settle("acme", c.Now(), 5000)
		q.crash()
		q = open(t, s, c, limits(0, 0, 1000))
		_, err := q.Reserve(t.Context(), "acme", c.Now(), 1)
		refused(t, err, "fuel_per_day", 12*time.Hour-5*time.Second)
	})
	t.Run("a day's record says nothing about the next", func(t *testing.T) {
		s, c := newStore(t), clockAt(noon)
		q := open(t, s, c, limits(0, 5, 0))
		spend(t, q, c, 10)
		q.crash()
		c.add(24 * time.Hour)
		q = open(t, s, c, limits(0, 5, 0))
		if n, _ := spend(t, q, c, 10); n != 5 {
			t.Errorf("got %d, want 5", n)
		}
	})
	t.Run("two hosts on one store together grant no more than the limit", func(t *testing.T) {
		s, c := newStore(t), clockAt(noon)
		a, b := open(t, s, c, limits(0, 500, 0)), open(t, s, c, limits(0, 500, 0))
		total := 0
		for range 200 {
			n, _ := spend(t, a, c, 3)
			m, _ := spend(t, b, c, 2)
			total += n + m
			a.claims.Wait()
			b.claims.Wait()
		}
		if total > 500 || total < 250 { // who finds that the other claimed forfeits the rest of its own
			t.Errorf("got %d, want 250 to 500", total)
		}
	})
	t.Run("a store that takes no writes grants what was claimed, and then says so", func(t *testing.T) {
		s, c := newStore(t), clockAt(noon)
		q := open(t, s, c, limits(0, 1000, 0))
		spend(t, q, c, 1)
		q.claims.Wait()
		s.refuse.Store(true)
		n, err := spend(t, q, c, 1000)
		if host.CodeOf(err) != abi.CodeUnavailable || n > 20 {
			t.Errorf("got %d calls, %v", n, err)
		}
		s.refuse.Store(false)
		if more, err := spend(t, q, c, 1000); more+n != 999 {
			t.Errorf("got %d and %d calls, %v; want 999", n, more, err)
		}
	})
	t.Run("after Close what needs a claim is told that the host stops", func(t *testing.T) {
		c := clockAt(noon)
		q := open(t, newStore(t), c, limits(0, 1000, 0))
		spend(t, q, c, 1)
		if err := errors.Join(q.Close(t.Context()), q.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if _, err := spend(t, q, c, 1000); host.CodeOf(err) != abi.CodeUnavailable {
			t.Errorf("got %v", err)
		}
	})
}

func TestSetting(t *testing.T) {
	c := clockAt(noon)
	s := newStore(t)
	q := open(t, s, c, limits(100, 0, 0))
	t.Run("a tenant has the defaults", func(t *testing.T) {
		st, err := q.Show(t.Context(), "acme")
		if err != nil || st.Limits != *limits(100, 0, 0) || st.Own != (Own{}) {
			t.Errorf("got %+v, %v", st, err)
		}
	})
	t.Run("until it gets limits of its own, from the next call on", func(t *testing.T) {
		if _, err := spend(t, q, c, 7); err != nil {
			t.Fatal(err)
		}
		day := int64(20)
		st, err := q.Set(t.Context(), "acme", Own{CallsPerDay: &day})
		if err != nil || st.Limits != *limits(100, 20, 0) || st.Used.CallsPerMinute != 7 {
			t.Fatalf("got %+v, %v", st, err)
		}
		n, err := spend(t, q, c, 50)
		if n != 20 {
			t.Errorf("got %d, want 20", n)
		}
		refused(t, err, "calls_per_day", 12*time.Hour-5*time.Second)
	})
	t.Run("0 is no limit, also against the default", func(t *testing.T) {
		if st, err := q.Set(t.Context(), "acme", own(0, 0, 0)); err != nil || st.Limits != (Limits{}) {
			t.Fatalf("got %+v, %v", st, err)
		}
		if n, err := spend(t, q, c, 500); n != 500 {
			t.Errorf("got %d, %v", n, err)
		}
	})
	t.Run("they outlive the host", func(t *testing.T) {
		if err := q.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := open(t, s, c, limits(100, 0, 0))
		all, err := again.List(t.Context())
		if err != nil || len(all) != 1 || all[0].Tenant != "acme" || all[0].Limits != (Limits{}) {
			t.Errorf("got %+v, %v", all, err)
		}
		if st, err := again.Reset(t.Context(), "acme"); err != nil || st.Limits != *limits(100, 0, 0) {
			t.Errorf("got %+v, %v", st, err)
		}
		if all, err := again.List(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("got %+v, %v after the reset", all, err)
		}
	})
	t.Run("what cannot be is refused and changes nothing", func(t *testing.T) {
		again := open(t, s, c, limits(0, 0, 0))
		if _, err := again.Set(t.Context(), "acme", own(-1, 0, 0)); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("got %v", err)
		}
		if _, err := again.Set(t.Context(), "../x", own(1, 1, 1)); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("got %v", err)
		}
		if st, err := again.Show(t.Context(), "acme"); err != nil || st.Limits != (Limits{}) {
			t.Errorf("got %+v, %v", st, err)
		}
	})
}

// TestHammerQuota has many callers spend one budget: exactly so many succeed.
func TestHammerQuota(t *testing.T) {
	c := clockAt(noon)
	q := open(t, newStore(t), c, limits(0, 3000, 0))
	var granted atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 150 {
				if _, err := q.Reserve(t.Context(), "acme", c.Now(), 1); err == nil {
					granted.Add(1)
				}
				q.Settle("acme", c.Now(), 10)
			}
		})
	}
	wg.Wait()
	if n := granted.Load(); n != 3000 {
		t.Errorf("got %d, want 3000", n)
	}
}

// TestModel plays calls, stops, crashes and days against a count: never more than the limit is granted
// of a day, and what is refused was used or forfeited.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		badger, err := badgerstore.Open(badgerstore.Config{InMemory: true})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = badger.Close() }()
		c := clockAt(noon)
		max := &Limits{CallsPerDay: rapid.Int64Range(1, 700).Draw(rt, "calls"), FuelPerDay: rapid.Int64Range(1, 5000).Draw(rt, "fuel")}
		openOne := func() *Service {
			q, err := New(Config{Store: badger, Clock: c, Defaults: *max})
			if err != nil {
				rt.Fatal(err)
			}
			return q
		}
		q := openOne()
		defer func() { _ = q.Close(context.Background()) }()
		var calls, fuel, lostCalls, lostFuel int64
		rt.Repeat(map[string]func(*rapid.T){
			"call": func(rt *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(rt, "n") {
					left, err := q.Reserve(t.Context(), "acme", c.Now(), 1)
					if err != nil {
						if calls+lostCalls < max.CallsPerDay && fuel+lostFuel < max.FuelPerDay {
							rt.Fatalf("refused at %d calls and %d fuel with %d and %d forfeited: %v", calls, fuel, lostCalls, lostFuel, err)
						}
						return
					}
					calls++
					use := min(int64(left), rapid.Int64Range(0, 60).Draw(rt, "fuel"))
					q.Settle("acme", c.Now(), uint64(use))
					fuel += use
				}
			},
			"stop": func(rt *rapid.T) {
				if err := q.Close(t.Context()); err != nil {
					rt.Fatal(err)
				}
				q = openOne()
			},
			"crash": func(rt *rapid.T) {
				q.crash()
				q = openOne()
				lostCalls += 2 * chunk(max.CallsPerDay)
				lostFuel += 2 * chunk(max.FuelPerDay)
			},
			"next day": func(rt *rapid.T) {
				c.add(24 * time.Hour)
				calls, fuel, lostCalls, lostFuel = 0, 0, 0, 0
			},
			"": func(rt *rapid.T) {
				if calls > max.CallsPerDay || fuel > max.FuelPerDay {
					rt.Fatalf("granted %d calls of %d and %d fuel of %d", calls, max.CallsPerDay, fuel, max.FuelPerDay)
				}
			},
		})
	})
}

func BenchmarkReserveAndSettle(b *testing.B) {
	c := clockAt(noon)
	q := open(b, newStore(b), c, limits(1e15, 1e15, 1e18))
	now := c.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := q.Reserve(b.Context(), "acme", now, 1); err != nil {
			b.Fatal(err)
		}
		q.Settle("acme", now, 1000)
	}
}
