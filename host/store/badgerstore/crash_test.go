// Copyright 2026 The Gantry Authors.

package badgerstore_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

const (
	childEnv = "GANTRY_TEST_STORE_CHILD"
	killsEnv = "GANTRY_KILLS"
	writers  = 8
)

// crashValue is what writer w writes as its nth record: small, now and then a large one, so that the
// value log is used as well.
func crashValue(w, n int) []byte {
	size := 50 + (n*37)%2000
	if n%40 == 0 {
		size = 300 << 10
	}
	return bytes.Repeat(fmt.Appendf(nil, "%d/%d.", w, n), size/4)
}

// crashKey is the nth record of writer w in one life of the child. The record kept records before it
// is deleted in the same step.
func crashKey(life, w, n int) store.Key {
	return store.Key{"crash", strconv.Itoa(life), strconv.Itoa(w), strconv.Itoa(n)}
}

const kept = 30

// runChild turns the test binary into the process that is killed: it writes, and says on its
// standard output which records are acknowledged.
func runChild() {
	spec := os.Getenv(childEnv)
	if spec == "" {
		return
	}
	mode, life, dir := "", 0, ""
	if _, err := fmt.Sscanf(spec, "%s %d %s", &mode, &life, &dir); err != nil {
		panic(err)
	}
	if mode == "check" {
		checkDamaged(dir)
		os.Exit(0)
	}
	s, err := badgerstore.Open(badgerstore.Config{Dir: dir, Sync: mode == "synced"})
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := 0; ; n++ {
				if err := writeCrash(s, life, w, n); err != nil {
					fmt.Println("put:", err)
					os.Exit(1)
				}
				fmt.Printf("%d %d\n", w, n)
			}
		})
	}
	wg.Wait()
}

// writeCrash puts a record and removes one written long before, which so must not come back.
func writeCrash(s *badgerstore.Store, life, w, n int) error {
	ctx := context.Background()
	var err error
	if w%2 == 0 {
		_, err = s.Put(ctx, crashKey(life, w, n), crashValue(w, n), store.PutOptions{})
	} else {
		err = s.Append(ctx, []store.Record{{Key: crashKey(life, w, n), Value: crashValue(w, n)}})
	}
	if err != nil || n < kept {
		return err
	}
	return s.Delete(ctx, crashKey(life, w, n-kept), store.AnyRev)
}

// TestKill9LosesNothing kills a writing process at a random moment, again and again, and looks for
// what it was told is written.
func TestKill9LosesNothing(t *testing.T) {
	t.Parallel()
	kills := 8
	if s := os.Getenv(killsEnv); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []string{"synced", "unsynced"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir, total := t.TempDir(), 0
			var lives [][]int
			for life := range kills {
				lives = append(lives, killOnce(t, dir, mode, life))
				for _, n := range lives[life] {
					total += n + 1
				}
				verifyLives(t, dir, mode, lives)
				if t.Failed() {
					return
				}
			}
			t.Logf("%d kills, %d acknowledged writes, 0 lost", kills, total)
			if total == 0 {
				t.Error("nothing was written; the test proves nothing")
			}
		})
	}
}

// killOnce runs the child until it is killed, and returns the last acknowledged record of each
// writer, -1 for none.
func killOnce(t *testing.T, dir, mode string, life int) []int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", childEnv, mode, life, dir))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := make([]int, writers)
	for i := range last {
		last[i] = -1
	}
	var timer *time.Timer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var w, n int
		// A line that the kill has cut short acknowledges nothing.
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &w, &n); err != nil {
			if strings.HasPrefix(lines.Text(), "open:") || strings.HasPrefix(lines.Text(), "put:") {
				t.Errorf("the child says %s", lines.Text())
			}
			continue
		}
		if w < writers && n == last[w]+1 {
			last[w] = n
		}
		if timer == nil {
			timer = time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the child was not killed: %v", err)
	}
	return last
}

// verifyLives opens the store and holds it against what the writers of the last life were told, and
// those of an earlier one.
func verifyLives(t *testing.T, dir, mode string, lives [][]int) {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Config{Dir: dir, Sync: mode == "synced"})
	if err != nil {
		t.Fatalf("after the kill it does not open: %v", err)
	}
	defer s.Close()
	for _, life := range []int{len(lives) - 1, rand.IntN(len(lives))} {
		for w, last := range lives[life] {
			verifyWriter(t, s, life, w, last)
		}
	}
}

func verifyWriter(t *testing.T, s *badgerstore.Store, life, w, last int) {
	t.Helper()
	for n := max(0, last-2*kept); n < last+3; n++ {
		rec, err := s.Get(t.Context(), crashKey(life, w, n))
		whole, gone := err == nil && bytes.Equal(rec.Value, crashValue(w, n)), host.CodeOf(err) == abi.CodeNotFound
		switch {
		case n <= last-kept: // its deletion is acknowledged
			if !gone {
				t.Errorf("life %d writer %d: deleted record %d of %d is back", life, w, n, last)
			}
		case n == last-kept+1: // its deletion may have been under way
			if !whole && !gone {
				t.Errorf("life %d writer %d: record %d of %d is half deleted: %v", life, w, n, last, err)
			}
		case n <= last:
			if !whole {
				t.Errorf("life %d writer %d: acknowledged record %d of %d is %d bytes, %v", life, w, n, last, len(rec.Value), err)
			}
		case !whole && !gone: // not acknowledged
			t.Errorf("life %d writer %d: record %d after %d is %d bytes, %v", life, w, n, last, len(rec.Value), err)
		}
	}
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// tables makes a store whose records all lie in table and value-log files.
func tables(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, badgerstore.Config{Dir: dir})
	var recs []store.Record
	for n := range damagedRecords {
		recs = append(recs, store.Record{Key: crashKey(0, 0, n), Value: crashValue(0, n)})
	}
	if err := s.Append(t.Context(), recs); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // moves everything into a table
		t.Fatal(err)
	}
	return dir
}

// TestAFlippedBitIsNeverGoodData damages one bit of a table or a value log at a time.
func TestAFlippedBitIsNeverGoodData(t *testing.T) {
	t.Parallel()
	dir := tables(t)
	for _, ext := range []string{".sst", ".vlog"} {
		t.Run(ext, func(t *testing.T) {
			flips := 5
			if os.Getenv(killsEnv) != "" {
				flips = 200
			}
			refused := 0
			for range flips {
				refused += flipOnce(t, dir, ext)
			}
			t.Logf("%d flips, %d refused at open", flips, refused)
			if ext == ".sst" && refused != flips {
				t.Errorf("of %d damaged tables %d were opened", flips, flips-refused)
			}
		})
	}
}

// flipOnce flips a bit in a copy, and returns 1 where the copy did not open. Opening it is left to a
// child, because Badger ends the process over some damage, and leaves goroutines behind over other.
func flipOnce(t *testing.T, dir, ext string) int {
	t.Helper()
	copied := copyDir(t, dir)
	files, err := filepath.Glob(filepath.Join(copied, "*"+ext))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no %s files, %v", ext, err)
	}
	path := files[rand.IntN(len(files))]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := rand.IntN(len(data))
	data[at] ^= 1 << rand.IntN(8)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := check(copied)
	switch {
	case bytes.Contains(out, []byte("refused: "+abi.CodeInternal)):
		return 1
	case err != nil:
		t.Logf("%s byte %d: the process ended: %v", ext, at, err)
		return 1
	case string(out) != "good\n":
		t.Errorf("%s byte %d: %s", ext, at, out)
	}
	return 0
}

const damagedRecords = 400

// checkDamaged reads everything from a damaged store: each record is right or an error that does not
// say that there is none.
func checkDamaged(dir string) {
	s, err := badgerstore.Open(badgerstore.Config{Dir: dir})
	if err != nil {
		fmt.Println("refused:", host.CodeOf(err))
		return
	}
	for n := range damagedRecords {
		rec, err := s.Get(context.Background(), crashKey(0, 0, n))
		if err == nil && !bytes.Equal(rec.Value, crashValue(0, n)) || host.CodeOf(err) == abi.CodeNotFound {
			fmt.Printf("record %d is served as %d bytes, %v\n", n, len(rec.Value), err)
			return
		}
	}
	fmt.Println("good")
}

func check(dir string) ([]byte, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=check 0 %s", childEnv, dir))
	return cmd.Output()
}

func TestAnEmptyLogFileDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	dir := tables(t)
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// In a child, because the first of the two Opens leaves goroutines of Badger's behind.
	if out, err := check(dir); err != nil || string(out) != "good\n" {
		t.Fatalf("the child says %q, %v", out, err)
	}
}
