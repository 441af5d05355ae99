// Copyright 2026 The Gantry Authors.

package skills

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const sample = "---\nname: pdf-forms\ndescription: 'Fills: forms' # as people write\nmetadata:\n  version: 1.0\n  service: wildberries\n  title: PDF forms\n---\n\n# Forms\n\nUse ${HOME}.\n"

func put(t testing.TB, dir, name, text string, mode fs.FileMode) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, p))
		out[p] = info.Mode().String() + " " + string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFolderComesBackAsItWent(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "new")
	put(t, in, "SKILL.md", sample, 0o644)
	put(t, in, "scripts/fill.py", "#!/usr/bin/env python3\n", 0o755)
	put(t, in, "references/FIELDS.md", "# Fields\n", 0o644)
	put(t, in, "assets/logo.png", "\x89PNG\x00\xff", 0o644)
	want := tree(t, in)
	put(t, in, ".DS_Store", "litter", 0o644)
	put(t, in, "scripts/__pycache__/fill.pyc", "litter", 0o644)
	s := newService(t, Config{})
	folder, err := ReadFolder(in)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ReadDraft(folder)
	if err != nil {
		t.Fatal(err)
	}
	k := must(t)(s.Import(t.Context(), "acme", d, false))
	if k.Name != "PDF forms" || k.Service != "wildberries" || k.Description != "Fills: forms" || !k.Enabled ||
		!reflect.DeepEqual(k.Metadata, map[string]any{"version": 1.0}) || k.SystemPrompt != "# Forms\n\nUse ${HOME}.\n" {
		t.Errorf("got %+v", k)
	}
	export := func(t *testing.T) *Folder {
		got, k, err := s.Export(t.Context(), "acme", "pdf-forms")
		if err != nil {
			t.Fatal(err)
		}
		archive, err := got.Zip(k.ID, k.UpdatedAt)
		if err != nil {
			t.Fatal(err)
		}
		if got, err = ReadZip(archive); err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("byte for byte, through the store and a zip", func(t *testing.T) {
		if err := export(t).WriteFolder(out); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, out); !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		wantCode(t, export(t).WriteFolder(out), abi.CodeConflict, "not empty")
	})
	t.Run("after an edit it says what the skill is now", func(t *testing.T) {
		name := "Forms: all of them"
		must(t)(s.Update(t.Context(), "acme", k.ID, Edit{Name: &name}))
		d, err := ReadDraft(export(t))
		if err != nil {
			t.Fatal(err)
		}
		if d.Name != name || d.Service != k.Service || d.SystemPrompt != k.SystemPrompt || !reflect.DeepEqual(d.Metadata, k.Metadata) {
			t.Errorf("got %+v", d.Skill)
		}
	})
	t.Run("replacing keeps it switched off", func(t *testing.T) {
		off := false
		must(t)(s.Update(t.Context(), "acme", k.ID, Edit{Enabled: &off}))
		if got := must(t)(s.Import(t.Context(), "acme", d, true)); got.Enabled || got.Name != "PDF forms" {
			t.Errorf("got %+v", got)
		}
		_, err := s.Import(t.Context(), "acme", d, false)
		wantCode(t, err, abi.CodeConflict, "replace")
	})
}

// TestManifestSaysTheSkill writes the head anew for skills at random and reads it back.
func TestManifestSaysTheSkill(t *testing.T) {
	line := rapid.StringOfN(rapid.Rune(), 1, 40, -1).Filter(func(s string) bool {
		return strings.TrimSpace(s) != "" && checkText("", "", s, 100) == nil && strings.TrimSpace(s) == s
	})
	rapid.Check(t, func(t *rapid.T) {
		r := &record{Skill: Skill{ID: "id-1", Name: line.Draw(t, "name"), Description: line.Draw(t, "description"),
			License: line.Draw(t, "license"), Service: "ozon", SystemPrompt: "text\n", Metadata: map[string]any{
				line.Draw(t, "key"): line.Draw(t, "value"), "n": rapid.Float64Range(-1e9, 1e9).Draw(t, "n"), "b": true}}}
		delete(r.Metadata, metaTitle)
		delete(r.Metadata, metaService)
		got, _, err := parseManifest(r.manifest())
		if err != nil {
			t.Fatalf("%v\n%s", err, r.manifest())
		}
		if !reflect.DeepEqual(got.told(), r.told()) || got.SystemPrompt != r.SystemPrompt {
			t.Fatalf("got %#v, want %#v\n%s", got, r.Skill, r.manifest())
		}
	})
}

func TestManifestErrorsNameTheLine(t *testing.T) {
	for words, text := range map[string]string{
		"SKILL.md: line 1: has to be ---":                  "# Forms\n",
		"SKILL.md: the front matter that begins in line 1": "---\nname: a\n",
		"SKILL.md: line 3: descripton":                     "---\nname: a\ndescripton: b\n---\nx",
		"SKILL.md: line 4: name: is set twice":             "---\nname: a\ndescription: b\nname: c\n---\nx",
		"SKILL.md: name: is missing":                       "---\ndescription: b\n---\nx",
		`SKILL.md: id: "PDF Forms"`:                        "---\nname: PDF Forms\ndescription: b\n---\nx",
		"SKILL.md: description: is missing":                "---\nname: a\n---\nx",
		"SKILL.md: system_prompt: is missing":              "---\nname: a\ndescription: b\n---\n\n",
		"SKILL.md: line 4: metadata: is one value":         "---\nname: a\ndescription: b\nmetadata: c\n---\nx",
		"SKILL.md: metadata.service: has to be a text":     "---\nname: a\ndescription: b\nmetadata:\n  service: 5\n---\nx",
		"SKILL.md: metadata.deep":                          "---\nname: a\ndescription: b\nmetadata:\n  deep: [1]\n---\nx",
		"SKILL.md: is not UTF-8":                           "---\nname: \xff\n---\nx",
		"SKILL.md: line 3: description: anchors":           "---\nname: a\ndescription: &x b\n---\nx",
		"SKILL.md: the part between":                       "---\nname: a\ndescription: b # " + strings.Repeat("x", MaxFrontBytes) + "\n---\nx",
	} {
		t.Run(words, func(t *testing.T) {
			_, err := ReadDraft(&Folder{Manifest: text})
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("windows line ends are taken", func(t *testing.T) {
		d, err := ReadDraft(&Folder{Manifest: "\ufeff---\r\nname: a\r\ndescription: b\r\n---\r\n\r\nx\r\n"})
		if err != nil || d.ID != "a" || d.SystemPrompt != "x\r\n" {
			t.Errorf("got %+v, %v", d, err)
		}
	})
}

func TestFoldersThatAreRefused(t *testing.T) {
	fresh := func(t *testing.T) string {
		dir := t.TempDir()
		put(t, dir, "SKILL.md", sample, 0o644)
		return dir
	}
	t.Run("no manifest", func(t *testing.T) {
		_, err := ReadFolder(t.TempDir())
		wantCode(t, err, abi.CodeInvalidArg, "SKILL.md")
	})
	t.Run("no folder", func(t *testing.T) {
		_, err := ReadFolder(filepath.Join(t.TempDir(), "none"))
		wantCode(t, err, abi.CodeInvalidArg)
	})
	for name, target := range map[string]string{"a link out": "/etc/passwd", "a link within": "SKILL.md", "a link to a folder": "/tmp"} {
		t.Run(name, func(t *testing.T) {
			dir := fresh(t)
			if err := os.Symlink(target, filepath.Join(dir, "link.md")); err != nil {
				t.Fatal(err)
			}
			_, err := ReadFolder(dir)
			wantCode(t, err, abi.CodeInvalidArg, "link.md", "link")
		})
	}
	t.Run("a file that is too long", func(t *testing.T) {
		dir := fresh(t)
		put(t, dir, "big.bin", strings.Repeat("x", MaxFileBytes+1), 0o644)
		_, err := ReadFolder(dir)
		wantCode(t, err, abi.CodeLimit, "big.bin")
	})
}

// entry is one file of an archive made for a test.
type entry struct {
	name, text string
	mode       fs.FileMode
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(0o644 | e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestArchivesThatAreRefused(t *testing.T) {
	manifest := entry{name: "SKILL.md", text: sample}
	many := []entry{manifest}
	for i := range MaxFiles + 1 {
		many = append(many, entry{name: "f" + strings.Repeat("x", i%50) + time.Duration(i).String()})
	}
	for name, c := range map[string]struct {
		code  abi.Code
		words string
		data  []byte
	}{
		"no archive":           {abi.CodeInvalidArg, "zip", []byte("PK")},
		"no manifest":          {abi.CodeInvalidArg, "SKILL.md", archive(t, entry{name: "a.md"})},
		"a path that goes up":  {abi.CodeInvalidArg, "stay within", archive(t, manifest, entry{name: "../../etc/cron.d/x"})},
		"a path from the root": {abi.CodeInvalidArg, "stay within", archive(t, manifest, entry{name: "/etc/passwd"})},
		"a path of windows":    {abi.CodeInvalidArg, "stay within", archive(t, manifest, entry{name: `..\x`})},
		"a link":               {abi.CodeInvalidArg, "link", archive(t, manifest, entry{name: "l", text: "/etc/passwd", mode: fs.ModeSymlink})},
		"a device":             {abi.CodeInvalidArg, "special", archive(t, manifest, entry{name: "d", mode: fs.ModeDevice})},
		"a file twice":         {abi.CodeInvalidArg, "twice", archive(t, manifest, entry{name: "a"}, entry{name: "a"})},
		"too many files":       {abi.CodeLimit, "more than 511", archive(t, many...)},
		"a bomb":               {abi.CodeLimit, "weighs", archive(t, manifest, entry{name: "a", text: strings.Repeat("0", MaxFileBytes)}, entry{name: "b", text: strings.Repeat("0", MaxFileBytes)})},
		"a file too long":      {abi.CodeLimit, "a has more", archive(t, manifest, entry{name: "a", text: strings.Repeat("0", MaxFileBytes+1)})},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadZip(c.data)
			wantCode(t, err, c.code, c.words)
		})
	}
	t.Run("one folder around it is taken off", func(t *testing.T) {
		f, err := ReadZip(archive(t, entry{name: "my-skill/SKILL.md", text: sample}, entry{name: "my-skill/scripts/a.py", text: "1"}, entry{name: "__MACOSX/._x"}))
		if err != nil || len(f.Files) != 1 || f.Files[0].Path != "scripts/a.py" {
			t.Errorf("got %+v, %v", f, err)
		}
	})
}

func TestEntriesAreTheFiles(t *testing.T) {
	s := newService(t, Config{})
	d, err := ReadDraft(&Folder{Manifest: sample, Files: []Body{{Path: "scripts/deep/a b.py", Data: []byte("1")}, {Path: "z.md", Data: []byte("z")}}})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(s.Create(t.Context(), "acme", d))
	must(t)(s.Create(t.Context(), "acme", draft("under_score")))
	ctx := reader(t, "acme")
	all := s.Entries(ctx)
	if len(all) != 1 || all[0].URI != "skill://pdf-forms/SKILL.md" || len(all[0].Files) != 3 {
		t.Fatalf("got %+v", all)
	}
	for _, f := range all[0].Files {
		body := read(t, s, "acme", f.URI)
		if len(body) != f.Size || digest([]byte(body)) != f.Digest {
			t.Errorf("%s is not what its entry says", f.URI)
		}
	}
	data, err := json.Marshal(all[0].Frontmatter)
	if want := `{"description":"Fills: forms","metadata":{"service":"wildberries","title":"PDF forms","version":1},"name":"pdf-forms"}`; err != nil || string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	names := func(uri string) string {
		got, err := s.Directory(ctx, uri)
		if err != nil {
			return string(host.CodeOf(err))
		}
		var out []string
		for _, r := range got {
			out = append(out, strings.TrimPrefix(r.URI, "skill://pdf-forms/")+" "+r.MIMEType)
		}
		return strings.Join(out, ", ")
	}
	for uri, want := range map[string]string{
		"skill://pdf-forms":              "SKILL.md text/markdown, scripts inode/directory, z.md text/markdown",
		"skill://pdf-forms/scripts/":     "scripts/deep inode/directory",
		"skill://pdf-forms/scripts/deep": "scripts/deep/a%20b.py text/x-python",
		"skill://pdf-forms/SKILL.md":     "NOT_FOUND",
		"skill://pdf-forms/script":       "NOT_FOUND",
		"skill://other":                  "NOT_FOUND",
	} {
		if got := names(uri); got != want {
			t.Errorf("%s has %q, want %q", uri, got, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	s := newService(t, Config{})
	for _, id := range []string{"wb", "wb_analytics", "ozon"} {
		must(t)(s.Create(t.Context(), "acme", draft(id, Body{Path: "scripts/a.py"})))
	}
	for _, c := range []struct {
		r    abi.CompleteRequest
		want []string
	}{
		{abi.CompleteRequest{Argument: "id", Value: "wb"}, []string{"wb", "wb_analytics"}},
		{abi.CompleteRequest{Argument: "id", Value: "x"}, []string{}},
		{abi.CompleteRequest{Argument: "path", Known: map[string]string{"id": "wb"}}, []string{"SKILL.md", "scripts/a.py"}},
		{abi.CompleteRequest{Argument: "path"}, []string{}},
	} {
		got, err := s.Complete(reader(t, "acme"), &c.r)
		if err != nil || !reflect.DeepEqual(got.Values, c.want) {
			t.Errorf("%+v: got %v (%v), want %v", c.r, got, err, c.want)
		}
	}
}

func FuzzManifest(f *testing.F) {
	for _, s := range []string{sample, "---\n---\n", "---\nname: a\ndescription: b\n---\nx", "\ufeff---\r\nname: a\r\ndescription: b\r\n---\r\nx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, head, err := parseManifest(text)
		if err != nil {
			if code := host.CodeOf(err); code != abi.CodeInvalidArg && code != abi.CodeLimit {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if head+k.SystemPrompt != text {
			t.Fatalf("%q is cut into %q and %q", text, head, k.SystemPrompt)
		}
		r := &record{Skill: k, Front: head}
		if r.manifest() != text {
			t.Fatalf("%q comes back as %q", text, r.manifest())
		}
		r.Front = ""
		again, _, err := parseManifest(r.manifest())
		if err != nil || !reflect.DeepEqual(again.told(), k.told()) {
			t.Fatalf("%q is told anew as %q: %v", text, r.manifest(), err)
		}
	})
}

func FuzzZip(f *testing.F) {
	f.Add(archive(f, entry{name: "SKILL.md", text: sample}, entry{name: "a/b", text: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadZip(data)
		if err != nil {
			return
		}
		for _, b := range got.Files {
			if err := checkPath("", b.Path); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzURI(f *testing.F) {
	for _, s := range []string{"skill://a", "skill://a/", "skill://a/b%2Fc", "skill://a/../b", "skill://A", "skill://a/x y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if id, p, ok := parseURI(uri); ok {
			id2, p2, ok := parseURI(uriOf(id, p))
			if !ok || id2 != id || p2 != p {
				t.Fatalf("%q is %q %q, and %q %q when written again", uri, id, p, id2, p2)
			}
		}
	})
}
