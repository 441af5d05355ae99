// Copyright 2026 The Gantry Authors.

package files_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is the text of a file that no guest may read, write or remove.
const canary = "outside"

type fixture struct {
	*files.Service
	// root is the service's folder, out a folder beside it that holds a canary.
	root, out string
}

func newFixture(t testing.TB, c files.Config) fixture {
	t.Helper()
	base := t.TempDir()
	f := fixture{root: filepath.Join(base, "root"), out: filepath.Join(base, "out")}
	c.Root = f.root
	s, err := files.New(c)
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
	must(t, os.Mkdir(f.out, 0o700))
	must(t, os.WriteFile(filepath.Join(f.out, "canary"), []byte(canary), 0o600))
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, want abi.Code) {
	t.Helper()
	if got := host.CodeOf(err); got != want {
		t.Fatalf("got code %q (%v), want %q", got, err, want)
	}
}

func guest(tenant host.TenantID, plugin, right string) *host.CallInfo {
	return &host.CallInfo{Principal: &host.Principal{Tenant: tenant}, Plugin: plugin, Granted: &abi.Rights{Files: right}}
}

func do[Out any](f fixture, call *host.CallInfo, op string, in any) (Out, error) {
	var out Out
	req, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	data, err := f.Ops()[op](context.Background(), call, req)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(data, &out)
}

func write(f fixture, g *host.CallInfo, path, text string) error {
	_, err := do[abi.FileInfo](f, g, abi.OpFileWrite, abi.FileWrite{Path: path, Data: []byte(text)})
	return err
}

func read(f fixture, g *host.CallInfo, path string) (string, error) {
	d, err := do[abi.FileData](f, g, abi.OpFileRead, abi.FileRequest{Path: path})
	return string(d.Data), err
}

func remove(f fixture, g *host.CallInfo, path string) error {
	_, err := do[struct{}](f, g, abi.OpFileDelete, abi.FileRequest{Path: path})
	return err
}

func names(t testing.TB, f fixture, g *host.CallInfo, path string) string {
	t.Helper()
	l, err := do[abi.FileList](f, g, abi.OpFileList, abi.FileRequest{Path: path})
	must(t, err)
	var out []string
	for _, e := range l.Entries {
		if e.Dir {
			e.Name += "/"
		}
		out = append(out, e.Name)
	}
	return strings.Join(out, " ")
}

func TestFilesAreKept(t *testing.T) {
	f := newFixture(t, files.Config{})
	g := guest("acme", "notes", "write")
	if got := names(t, f, g, ""); got != "" {
		t.Errorf("a new folder holds %q", got)
	}
	must(t, write(f, g, "b/c/deep ü.txt", "one"))
	must(t, write(f, g, "a.txt", "two"))
	must(t, write(f, g, "a.txt", "three"))
	for path, want := range map[string]string{"a.txt": "three", "./b//c/../c/deep ü.txt": "one"} {
		if got, err := read(f, g, path); err != nil || got != want {
			t.Errorf("%s: got %q, %v", path, got, err)
		}
	}
	if got := names(t, f, g, "."); got != "a.txt b/" {
		t.Errorf("the folder holds %q", got)
	}
	info, err := do[abi.FileInfo](f, g, abi.OpFileStat, abi.FileRequest{Path: "a.txt"})
	if _, terr := time.Parse(time.RFC3339, info.Modified); err != nil || terr != nil || info.Size != 5 || info.Dir || info.Name != "a.txt" {
		t.Errorf("got %+v, %v, %v", info, err, terr)
	}
	wantCode(t, remove(f, g, "b/c"), abi.CodeConflict)
	must(t, remove(f, g, "b/c/deep ü.txt"))
	must(t, remove(f, g, "b/c"))
	wantCode(t, remove(f, g, "b/c"), abi.CodeNotFound)
}

func TestMistakesAreNamed(t *testing.T) {
	f := newFixture(t, files.Config{})
	g := guest("acme", "notes", "write")
	must(t, write(f, g, "file", "x"))
	must(t, write(f, g, "dir/file", "x"))
	for name, c := range map[string]struct {
		err  error
		code abi.Code
		says string
	}{
		"reading a folder":     {second(read(f, g, "dir")), abi.CodeInvalidArg, "list it"},
		"reading nothing":      {second(read(f, g, "none")), abi.CodeNotFound, `"none"`},
		"below a file":         {second(read(f, g, "file/x")), abi.CodeConflict, "not a folder"},
		"writing below a file": {write(f, g, "file/x", ""), abi.CodeConflict, "not a folder"},
		"writing a folder":     {write(f, g, "dir", ""), abi.CodeConflict, "exists"},
		"writing no name":      {write(f, g, "", ""), abi.CodeInvalidArg, "name the file"},
		"deleting the root":    {remove(f, g, "dir/.."), abi.CodeInvalidArg, "own folder"},
		"a long file":          {longFile(f, g), abi.CodeLimit, "16777216"},
		"a long path":          {write(f, g, strings.Repeat("p/", 600), ""), abi.CodeInvalidArg, "1024"},
		"a deep path":          {write(f, g, strings.Repeat("p/", 33), ""), abi.CodeInvalidArg, "33 parts"},
		"a long name":          {write(f, g, strings.Repeat("n", 256), ""), abi.CodeInvalidArg, "256 bytes"},
		"a zero byte":          {write(f, g, "a\x00b", ""), abi.CodeInvalidArg, "zero byte"},
		"the host's names":     {write(f, g, "dir/.gantry-tmp-x", ""), abi.CodeInvalidArg, "host's"},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, c.err, c.code)
			out := host.Outward(c.err)
			if !strings.Contains(out.Message, c.says) || strings.Contains(out.Message, f.root) {
				t.Errorf("it says %q", out.Message)
			}
		})
	}
	_, err := f.Ops()[abi.OpFileRead](t.Context(), g, []byte("{"))
	wantCode(t, err, abi.CodeInvalidArg)
	_, err = files.New(files.Config{})
	wantCode(t, err, abi.CodeInvalidArg)
}

// longFile writes a file that is too long, in JSON made by hand: it is large.
func longFile(f fixture, g *host.CallInfo) error {
	req := `{"path":"long","data":"` + strings.Repeat("eHh4", files.MaxFileBytes/3+1) + `"}`
	_, err := f.Ops()[abi.OpFileWrite](context.Background(), g, []byte(req))
	return err
}

func second[T any](_ T, err error) error { return err }

func TestRightsAreKept(t *testing.T) {
	f := newFixture(t, files.Config{})
	for right, allowed := range map[string]map[string]bool{
		"":      {},
		"read":  {abi.OpFileRead: true, abi.OpFileList: true, abi.OpFileStat: true},
		"write": {abi.OpFileRead: true, abi.OpFileList: true, abi.OpFileStat: true, abi.OpFileWrite: true, abi.OpFileDelete: true},
	} {
		must(t, write(f, guest("acme", "notes", "write"), "a", "x")) // the round before may have deleted it
		for _, op := range []string{abi.OpFileRead, abi.OpFileList, abi.OpFileStat, abi.OpFileWrite, abi.OpFileDelete} {
			path := "a"
			if op == abi.OpFileList {
				path = ""
			}
			_, err := do[any](f, guest("acme", "notes", right), op, abi.FileRequest{Path: path})
			if allowed[op] {
				must(t, err)
				continue
			}
			wantCode(t, err, abi.CodeForbidden)
			if hint := host.Outward(err).Hint; !strings.HasPrefix(hint, "add to notes.yaml: grants: {files: ") {
				t.Errorf("the hint is %q", hint)
			}
		}
	}
	wantCode(t, second(read(f, &host.CallInfo{Plugin: "notes", Principal: &host.Principal{Tenant: "acme"}}, "a")), abi.CodeForbidden)
}

func TestAFolderIsOnePluginsForOneTenant(t *testing.T) {
	f := newFixture(t, files.Config{})
	must(t, write(f, guest("acme", "notes", "write"), "a", "mine"))
	for _, g := range []*host.CallInfo{guest("acme", "other", "write"), guest("other", "notes", "write")} {
		for _, path := range []string{"a", "../notes/a", "../../acme/notes/a"} {
			if got, err := read(f, g, path); err == nil {
				t.Errorf("%s of %s reads %s: %q", g.Plugin, g.Principal.Tenant, path, got)
			}
		}
	}
	for _, g := range []*host.CallInfo{guest("..", "notes", "write"), guest("acme", "../other", "write"), guest("", "notes", "write")} {
		wantCode(t, write(f, g, "a", ""), abi.CodeInternal)
	}
}

func TestAPipeDoesNotHoldACallUp(t *testing.T) {
	f := newFixture(t, files.Config{})
	g := guest("acme", "notes", "write")
	must(t, write(f, g, "a", "x"))
	must(t, syscall.Mkfifo(filepath.Join(f.root, "acme", "notes", "pipe"), 0o600))
	wantCode(t, second(read(f, g, "pipe")), abi.CodeInvalidArg)
	_, err := do[abi.FileList](f, g, abi.OpFileList, abi.FileRequest{Path: "pipe"})
	wantCode(t, err, abi.CodeInvalidArg)
	if got := names(t, f, g, ""); got != "a" {
		t.Errorf("the folder holds %q", got)
	}
}

func TestAReaderSeesTheOldFileOrTheNew(t *testing.T) {
	f := newFixture(t, files.Config{})
	g := guest("acme", "notes", "write")
	text := func(i int) string { return strings.Repeat(fmt.Sprint(i%10), 10_000) }
	must(t, write(f, g, "a", text(0)))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := read(f, g, "a")
				if err != nil || len(got) != 10_000 || strings.Trim(got, got[:1]) != "" {
					t.Errorf("got %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for i := range 20 {
		must(t, write(f, g, "a", text(i)))
	}
	close(stop)
	wg.Wait()
}

func TestTheQuotaHolds(t *testing.T) {
	f := newFixture(t, files.Config{QuotaBytes: 1000, MaxFiles: 10})
	g := guest("acme", "notes", "write")
	var wg sync.WaitGroup
	var mu sync.Mutex
	kept := 0
	for i := range 30 {
		wg.Go(func() {
			err := write(f, g, fmt.Sprint("f", i), strings.Repeat("x", 200))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kept++
			} else if host.CodeOf(err) != abi.CodeLimit || !strings.Contains(err.Error(), "quota is 1000") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if kept != 5 {
		t.Fatalf("%d files of 200 bytes are in 1000 bytes", kept)
	}
	first, _, _ := strings.Cut(names(t, f, g, ""), " ")
	must(t, write(f, g, first, strings.Repeat("y", 200))) // in place of the old
	must(t, remove(f, g, first))
	must(t, write(f, g, "again", strings.Repeat("y", 200)))
	must(t, remove(f, g, "again"))
	must(t, write(f, g, "a/b/c", "")) // 4 files and 3 names
	must(t, write(f, g, "d", ""))
	must(t, write(f, g, "e", ""))
	err := write(f, g, "g/h", "")
	wantCode(t, err, abi.CodeLimit)
	if !strings.Contains(err.Error(), "the limit is 10") {
		t.Error(err)
	}
	must(t, write(f, g, "g", ""))
	must(t, write(f, guest("acme", "other", "write"), "a", strings.Repeat("x", 1000))) // another's quota

	t.Run("also for a service that begins with full folders", func(t *testing.T) {
		s, err := files.New(files.Config{Root: f.root, QuotaBytes: 1000, MaxFiles: 10})
		must(t, err)
		wantCode(t, write(fixture{Service: s}, g, "k", ""), abi.CodeLimit)
	})
}

func TestWhatACrashLeftIsSweptAndNeverSeen(t *testing.T) {
	f := newFixture(t, files.Config{})
	g := guest("acme", "notes", "write")
	dir := filepath.Join(f.root, "acme", "notes", "d")
	must(t, os.MkdirAll(dir, 0o700))
	left := filepath.Join(dir, ".gantry-tmp-LEFT")
	must(t, os.WriteFile(left, []byte("half"), 0o600))
	if got := names(t, f, g, "d"); got != "" {
		t.Errorf("the folder holds %q", got)
	}
	must(t, write(f, g, "a", "x"))
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func FuzzPaths(f *testing.F) {
	fx := newFixture(f, files.Config{QuotaBytes: 1 << 20})
	g := guest("acme", "notes", "write")
	must(f, os.MkdirAll(filepath.Join(fx.root, "acme", "notes"), 0o700))
	must(f, os.Symlink(fx.out, filepath.Join(fx.root, "acme", "notes", "l")))
	for _, seed := range []string{"a", "../x", "/x", "a/../../x", "l/canary", "l/../canary", "..\\x", "a//b", ".", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if got, err := read(fx, g, path); err == nil && got == canary {
			t.Fatalf("%q reads the canary", path)
		}
		err := write(fx, g, path, "hit")
		if host.CodeOf(err) == abi.CodeInternal {
			t.Fatalf("%q: %v", path, err)
		}
		_ = remove(fx, g, path)
		if data, err := os.ReadFile(filepath.Join(fx.out, "canary")); err != nil || string(data) != canary {
			t.Fatalf("%q: the canary is %q, %v", path, data, err)
		}
	})
}
