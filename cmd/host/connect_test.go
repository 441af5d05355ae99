// Copyright 2026 The Gantry Authors.

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhereClientsKeepTheirSettings(t *testing.T) {
	for _, c := range []struct {
		client, goos string
		env          map[string]string
		want         []string
	}{
		{"claude-desktop", "darwin", map[string]string{"HOME": "/h"}, []string{"/h", "Library", "Application Support", "Claude", "claude_desktop_config.json"}},
		{"claude-desktop", "windows", map[string]string{"APPDATA": "/r"}, []string{"/r", "Claude", "claude_desktop_config.json"}},
		{"claude-desktop", "windows", map[string]string{"USERPROFILE": "/u"}, []string{"/u", "AppData", "Roaming", "Claude", "claude_desktop_config.json"}},
		{"claude-desktop", "linux", map[string]string{"HOME": "/h"}, []string{"/h", ".config", "Claude", "claude_desktop_config.json"}},
		{"claude-desktop", "linux", map[string]string{"XDG_CONFIG_HOME": "/c"}, []string{"/c", "Claude", "claude_desktop_config.json"}},
		{"cursor", "windows", map[string]string{"USERPROFILE": "/u"}, []string{"/u", ".cursor", "mcp.json"}},
		{"windsurf", "darwin", map[string]string{"HOME": "/h"}, []string{"/h", ".codeium", "windsurf", "mcp_config.json"}},
		{"vscode", "linux", nil, []string{".vscode", "mcp.json"}},
		{"claude-code", "linux", nil, []string{".mcp.json"}},
		{"cursor", "linux", nil, nil},
	} {
		t.Run(c.client+" on "+c.goos, func(t *testing.T) {
			for _, client := range mcpClients() {
				if client.ID != c.client {
					continue
				}
				got, err := client.file(c.goos, func(name string) string { return c.env[name] })
				if c.want == nil {
					if err == nil || !strings.Contains(err.Error(), "--file") {
						t.Errorf("got %s %v", got, err)
					}
				} else if want := filepath.Join(c.want...); err != nil || got != want {
					t.Errorf("got %s %v, want %s", got, err, want)
				}
			}
		})
	}
}

func TestSettingsBehindALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "dotfiles.json"), filepath.Join(dir, "mcp.json")
	if err := os.WriteFile(real, []byte("{}"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skip(err)
	}
	t.Run("are changed where they are, with the mode they have", func(t *testing.T) {
		target, old, err := readSettings(link)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := replaceSettings(target, old, []byte(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(real)
		info, statErr := os.Stat(real)
		if err != nil || statErr != nil || string(got) != `{"a":1}` || info.Mode().Perm() != 0o640 {
			t.Errorf("got %s %v %v %v", got, info.Mode(), err, statErr)
		}
		if at, err := os.Readlink(link); err != nil || at != real {
			t.Errorf("the link: got %s %v", at, err)
		}
	})
	t.Run("that leads nowhere are refused", func(t *testing.T) {
		if err := os.Remove(real); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readSettings(link); err == nil || !strings.Contains(err.Error(), "link to nothing") {
			t.Errorf("got %v", err)
		}
	})
}

func TestLineDiff(t *testing.T) {
	got := lineDiff("a\nb\nc\nd\ne\nf\ng\n", "a\nb\nc\nD\ne\nF\nF2\ng\n")
	want := "  b\n  c\n- d\n+ D\n  e\n- f\n+ F\n+ F2\n  g\n  \n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	long := strings.Repeat("x\n", maxDiffLines+5)
	if got := lineDiff(long, "y\n"); strings.Count(got, "\n") < maxDiffLines {
		t.Errorf("got %d lines", strings.Count(got, "\n"))
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{
		"https://x/mcp": "https://x/mcp", "A: B c": `"A: B c"`, `a"b$(c)`: `'a"b$(c)'`, `it's $x`: `'it'\''s $x'`, "": `""`,
	} {
		if got := shellWord(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
