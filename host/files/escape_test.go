// Copyright 2026 The Gantry Authors.

package files_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/files"
)

func TestNoPathLeadsOut(t *testing.T) {
	f := newFixture(t, files.Config{})
	g := guest("acme", "notes", "write")
	must(t, write(f, g, "in/a", "x"))
	inside := filepath.Join(f.root, "acme", "notes")
	for link, target := range map[string]string{
		"abs":      f.out,
		"rel":      "../../../out",
		"file":     filepath.Join(f.out, "canary"),
		"new":      filepath.Join(f.out, "new"),
		"in/deep":  "../../../../out",
		"chain":    "rel",
		"loop":     "loop",
		"proc":     "/proc/self/root" + f.out,
		"neighbor": "../other",
	} {
		must(t, os.Symlink(target, filepath.Join(inside, link)))
	}
	must(t, write(f, guest("acme", "other", "write"), "canary", canary))
	paths := []string{"../out/canary", "/etc/hostname", filepath.Join(f.out, "canary"), "..", "in/../../..", "..\\out",
		"abs/canary", "rel/canary", "file", "new", "in/deep/canary", "chain/canary", "loop", "loop/x", "proc/canary", "neighbor/canary"}
	for _, p := range paths {
		if got, err := read(f, g, p); err == nil {
			t.Errorf("read %s: %q", p, got)
		}
		if _, err := do[abi.FileList](f, g, abi.OpFileList, abi.FileRequest{Path: p}); err == nil {
			t.Errorf("list %s", p)
		}
		if _, err := do[abi.FileInfo](f, g, abi.OpFileStat, abi.FileRequest{Path: p}); err == nil {
			t.Errorf("stat %s", p)
		}
		// A link itself may be replaced or removed; what it points at must stay.
		_ = write(f, g, p+"/x", "hit")
		_ = remove(f, g, p)
	}
	checkCanary(t, f, filepath.Join(f.out, "canary"), filepath.Join(f.root, "acme", "other", "canary"))
}

func checkCanary(t *testing.T, f fixture, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if data, err := os.ReadFile(p); err != nil || string(data) != canary {
			t.Errorf("the canary %s is %q, %v", p, data, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(p)); err != nil || len(entries) != 1 {
			t.Errorf("beside the canary are %v, %v", entries, err)
		}
	}
}

// TestARenameInTheMiddleDoesNotLeadOut swaps a folder for a link to the outside, over and over,
// while guests go through it.
func TestARenameInTheMiddleDoesNotLeadOut(t *testing.T) {
	f := newFixture(t, files.Config{})
	g := guest("acme", "notes", "write")
	must(t, write(f, g, "door/canary", "inside"))
	inside := filepath.Join(f.root, "acme", "notes")
	must(t, os.Symlink(f.out, filepath.Join(inside, "link")))
	stop, flips := make(chan struct{}), 0
	var flipper, guests sync.WaitGroup
	flipper.Go(func() {
		door, link, aside := filepath.Join(inside, "door"), filepath.Join(inside, "link"), filepath.Join(inside, "aside")
		for {
			select {
			case <-stop:
				return
			default:
			}
			err := errors.Join(os.Rename(door, aside), os.Rename(link, door), os.Rename(door, link), os.Rename(aside, door))
			if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
				// A guest's write can make "door" anew in between; clear it and go on.
				_ = os.RemoveAll(door)
			}
			_ = os.Rename(aside, door)
			flips++
		}
	})
	for range 2 {
		guests.Go(func() {
			for i := range 200 {
				if got, err := read(f, g, "door/canary"); err == nil && got == canary {
					t.Error("read the canary")
				}
				_ = remove(f, g, "door/other")
				if i%8 == 0 {
					_ = write(f, g, "door/other", "hit")
				}
			}
		})
	}
	guests.Wait()
	close(stop)
	flipper.Wait()
	if flips == 0 {
		t.Fatal("nothing was swapped")
	}
	checkCanary(t, f, filepath.Join(f.out, "canary"))
}
