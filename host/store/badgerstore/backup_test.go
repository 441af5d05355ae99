// Copyright 2026 The Gantry Authors.

package badgerstore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func filled(t testing.TB) (*badgerstore.Store, map[string]store.Record) {
	t.Helper()
	s := open(t, badgerstore.Config{InMemory: true})
	want := map[string]store.Record{}
	for i := range 300 {
		k := store.Key{"b", fmt.Sprint(i), "ü"}
		o := store.PutOptions{Expect: store.AnyRev}
		if i%10 == 0 {
			o.TTL = time.Hour
		}
		if _, err := s.Put(t.Context(), k, bytes.Repeat([]byte{byte(i)}, i), o); err != nil {
			t.Fatal(err)
		}
		rec, err := s.Get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		want[k.String()] = rec
	}
	return s, want
}

func backup(t testing.TB, s *badgerstore.Store) []byte {
	t.Helper()
	var buf bytes.Buffer
	if _, err := s.Backup(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestARestoreIsWhatWasBackedUp(t *testing.T) {
	s, want := filled(t)
	for name, c := range map[string]badgerstore.Config{
		"in memory": {InMemory: true}, "on disk": {Dir: t.TempDir(), Sync: true},
	} {
		t.Run(name, func(t *testing.T) {
			to := open(t, c)
			n, err := to.Restore(t.Context(), bytes.NewReader(backup(t, s)))
			if err != nil || n != len(want) {
				t.Fatalf("restored %d, %v", n, err)
			}
			var last uint64
			for cursor, more := "", true; more; {
				page, err := to.List(t.Context(), nil, cursor, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, got := range page.Records {
					w := want[got.Key.String()]
					if !bytes.Equal(got.Value, w.Value) || got.Rev != w.Rev || !got.Expires.Equal(w.Expires) {
						t.Fatalf("got %+v, want %+v", got, w)
					}
					last = max(last, got.Rev)
					n--
				}
				cursor, more = page.Next, page.Next != ""
			}
			if n != 0 {
				t.Errorf("%d records are missing", n)
			}
			rev, err := to.Put(t.Context(), store.Key{"b", "1", "ü"}, nil, blind)
			if err != nil || rev <= last {
				t.Errorf("the next revision is %d after %d, %v", rev, last, err)
			}
			_, err = to.Restore(t.Context(), bytes.NewReader(backup(t, s)))
			storetest.WantCode(t, err, abi.CodeConflict)
		})
	}
}

func TestADamagedBackupRestoresNothing(t *testing.T) {
	s, _ := filled(t)
	whole := backup(t, s)
	to := open(t, badgerstore.Config{InMemory: true})
	try := func(name string, data []byte) {
		_, err := to.Restore(t.Context(), bytes.NewReader(data))
		if host.CodeOf(err) != abi.CodeInvalidArg {
			t.Fatalf("%s: %v", name, err)
		}
		if page, err := to.List(t.Context(), nil, "", 1); err != nil || len(page.Records) > 0 {
			t.Fatalf("%s left %v, %v", name, page.Records, err)
		}
	}
	try("nothing", nil)
	try("another file", []byte("PK\x03\x04 and so on, a little longer"))
	for range 20 {
		n := rand.IntN(len(whole))
		try(fmt.Sprint("cut at ", n), whole[:n])
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << rand.IntN(8)
		try(fmt.Sprint("flipped at ", n), flipped)
	}
	if _, err := to.Restore(t.Context(), bytes.NewReader(whole)); err != nil {
		t.Errorf("the whole one afterwards: %v", err)
	}
}

// TestABackupIsOneMoment has a writer raise two counters in turn, far apart in the order of keys.
// At no moment are they more than one apart, so in no backup may they be.
func TestABackupIsOneMoment(t *testing.T) {
	s := open(t, badgerstore.Config{Dir: t.TempDir()})
	put := func(k string, n uint64) error {
		_, err := s.Put(t.Context(), store.Key{k}, binary.BigEndian.AppendUint64(nil, n), blind)
		return err
	}
	var filler []store.Record
	for i := range 2000 {
		filler = append(filler, store.Record{Key: store.Key{"m", fmt.Sprint(i)}, Value: make([]byte, 500)})
	}
	if err := errors.Join(put("a", 0), put("z", 0), s.Append(t.Context(), filler)); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := errors.Join(put("a", n), put("z", n)); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 10 {
		to := open(t, badgerstore.Config{InMemory: true})
		if n, err := to.Restore(t.Context(), bytes.NewReader(backup(t, s))); err != nil || n != 2002 {
			t.Fatalf("restored %d, %v", n, err)
		}
		a, aerr := to.Get(t.Context(), store.Key{"a"})
		z, zerr := to.Get(t.Context(), store.Key{"z"})
		if err := errors.Join(aerr, zerr); err != nil {
			t.Fatal(err)
		}
		if d := binary.BigEndian.Uint64(a.Value) - binary.BigEndian.Uint64(z.Value); d > 1 {
			t.Fatalf("the counters are %d apart", d)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("the pipe is broken")
	}
	return len(p), nil
}

func TestABackupThatCannotBeWrittenSaysSo(t *testing.T) {
	s, _ := filled(t)
	for _, room := range []int{0, 10_000, len(backup(t, s)) - 1} {
		_, err := s.Backup(t.Context(), &failing{room})
		storetest.WantCode(t, err, abi.CodeUnavailable)
	}
}

func FuzzRestore(f *testing.F) {
	s := open(f, badgerstore.Config{InMemory: true})
	if _, err := s.Put(f.Context(), store.Key{"a", "b"}, []byte("v"), blind); err != nil {
		f.Fatal(err)
	}
	f.Add(backup(f, s))
	f.Add([]byte("gantry-store-backup 1\n\x00\x00"))
	f.Add([]byte("gantry-store-backup 1\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	to := open(f, badgerstore.Config{InMemory: true})
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := to.Restore(t.Context(), bytes.NewReader(data))
		if err != nil && host.CodeOf(err) != abi.CodeInvalidArg {
			t.Fatal(err)
		}
		page, lerr := to.List(t.Context(), nil, "", 1000)
		if lerr != nil || err != nil && len(page.Records) > 0 || err == nil && len(page.Records) > n {
			t.Fatalf("restored %d, %v, and found %d, %v", n, err, len(page.Records), lerr)
		}
		for _, rec := range page.Records {
			if err := to.Delete(t.Context(), rec.Key, store.AnyRev); err != nil {
				t.Fatal(err)
			}
		}
	})
}
