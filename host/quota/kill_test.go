// Copyright 2026 The Gantry Authors.

package quota

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gantryhost/gantry/host/store/badgerstore"
)

const childEnv = "GANTRY_QUOTA_CHILD"

// killedChildDir is set in the process that TestKill kills.
func killedChildDir() string { return os.Getenv(childEnv) }

// killedLimit is the budget that the killed processes spend.
const killedLimit = 2000

// killedChild reserves calls and tells of each, until it is killed or refused.
func killedChild(dir string) {
	s, err := badgerstore.Open(badgerstore.Config{Dir: dir, Sync: true})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	q, err := New(Config{Store: s, Clock: clockAt(noon), Defaults: Limits{CallsPerDay: killedLimit}})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for {
		if _, err := q.Reserve(context.Background(), "acme", noon, 1); err != nil {
			fmt.Println("refused")
			select {} // the parent kills it here too
		}
		fmt.Println("granted")
	}
}

// TestKill kills processes that spend one day's calls: all of them together get no more than there
// are, and lose no more than two chunks each.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	total, kills := 0, 0
	for refused := false; !refused && kills < 40; kills++ {
		var n int
		n, refused = spendAndKill(t, dir, 137+31*kills)
		total += n
	}
	least := killedLimit - kills*2*int(chunk(killedLimit)) - kills
	if total > killedLimit || total < least || kills < 3 {
		t.Errorf("%d processes were granted %d calls, want %d to %d", kills, total, least, killedLimit)
	}
}

func spendAndKill(t *testing.T, dir string, after int) (granted int, refused bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch lines.Text() {
		case "granted":
			granted++
		case "refused":
			refused = true
		default:
			t.Errorf("the process said %q", lines.Text())
		}
		if (granted >= after || refused) && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return granted, refused
}
