// Copyright 2026 The Gantry Authors.

package keys_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/keys"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestNoTokenInTheStoreOrTheLog(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st, err := badgerstore.Open(badgerstore.Config{Dir: dir, Sync: true, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	pep, err := keys.LoadPepper(filepath.Join(dir, "outside"))
	if err != nil {
		t.Fatal(err)
	}
	s := service(t, keys.Config{Store: st, Logger: logger, Pepper: pep})
	secrets := []string{"chosen-by-the-operator"}
	if _, err := s.ImportToken(t.Context(), secrets[0], keys.IssueRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []host.Kind{host.KindOrg, host.KindAdmin, host.KindWorkspace} {
		r := keys.IssueRequest{Kind: kind, Name: "a name that is found"}
		if kind == host.KindWorkspace {
			r.Workspace = "home"
		}
		token, k, err := s.Issue(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		_, secret, _ := strings.Cut(token, k.ID)
		secrets = append(secrets, strings.TrimPrefix(secret, "."))
	}
	for _, token := range secrets {
		_, err := s.Verify(t.Context(), token)
		logger.Info("verified", "err", err, "reason", keys.Reason(err))
	}
	var backup bytes.Buffer
	if _, err := st.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), st.Close(), os.RemoveAll(filepath.Join(dir, "outside"))); err != nil {
		t.Fatal(err)
	}
	everything := readAll(t, dir) + log.String() + backup.String()
	if !strings.Contains(everything, "a name that is found") {
		t.Fatal("the search finds nothing at all")
	}
	for i, secret := range append(secrets, string(pep), fmt.Sprintf("%x", pep)) {
		if strings.Contains(everything, secret) {
			t.Errorf("secret %d is in the data or the log", i)
		}
	}
}

func readAll(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestAnotherPepperIsNoticed(t *testing.T) {
	st := memory(t)
	service(t, keys.Config{Store: st})
	_, err := keys.New(keys.Config{Store: st, Pepper: bytes.Repeat([]byte{8}, keys.PepperBytes)})
	storetest.WantCode(t, err, abi.CodeInvalidArg)
	_, err = keys.New(keys.Config{Store: st, Pepper: []byte("short")})
	storetest.WantCode(t, err, abi.CodeInvalidArg)
}

func TestPepperFile(t *testing.T) {
	t.Run("of many that make it all get the same", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		var wg sync.WaitGroup
		got := make([][]byte, 16)
		for i := range got {
			wg.Go(func() {
				var err error
				if got[i], err = keys.LoadPepper(dir); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, p := range got {
			if len(p) != keys.PepperBytes || !bytes.Equal(p, got[0]) {
				t.Fatalf("got peppers %x", got)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("the folder holds %v, %v", entries, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "pepper")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
	})
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"one that everybody may read is refused": {strings.Repeat("ab", 32), 0o644},
		"a short one is refused":                 {"abcd", 0o600},
		"another text is refused":                {strings.Repeat("zz", 32), 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "pepper"), []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := keys.LoadPepper(dir)
			storetest.WantCode(t, err, abi.CodeInvalidArg)
		})
	}
}
