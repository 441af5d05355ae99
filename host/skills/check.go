// Copyright 2026 The Gantry Authors.

package skills

import (
	"encoding/json"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const maxIDBytes = 64

// ValidID tells whether s can be the id of a skill, or the name of a service:
// [a-z0-9][a-z0-9_-]{0,63}.
func ValidID(s string) bool {
	if s == "" || len(s) > maxIDBytes || s[0] == '-' || s[0] == '_' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func bad(op, format string, args ...any) *host.Error {
	return host.Errorf(op, abi.CodeInvalidArg, format, args...)
}

// check holds everything but the files against the rules; the error names the field.
func (k *Skill) check(op string) error {
	switch {
	case !ValidID(k.ID):
		return bad(op, "id: %q is not one; use 1 to %d of the characters a-z, 0-9, _ and -, the first a letter or digit", clip(k.ID), maxIDBytes)
	case k.Service != "" && !ValidID(k.Service):
		return bad(op, "service: %q is not the name of a connector, such as wildberries", clip(k.Service))
	case strings.TrimSpace(k.Description) == "":
		return bad(op, "description: is missing; say in a sentence or two what the skill does and when to use it")
	case strings.TrimSpace(k.SystemPrompt) == "":
		return bad(op, "system_prompt: is missing; it is the text the model reads")
	case len(k.SystemPrompt) > MaxPromptBytes:
		return host.Errorf(op, abi.CodeLimit, "system_prompt: has %d bytes; at most %d are allowed", len(k.SystemPrompt), MaxPromptBytes).
			WithHint("move parts into files below references/, which the model reads when it needs them")
	case !utf8.ValidString(k.SystemPrompt) || strings.IndexByte(k.SystemPrompt, 0) >= 0:
		return bad(op, "system_prompt: is not UTF-8 text, or holds a zero byte")
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{
		{"name", k.Name, MaxNameRunes}, {"description", k.Description, MaxDescriptionRunes},
		{"license", k.License, 500}, {"compatibility", k.Compatibility, 500}, {"allowed_tools", k.AllowedTools, 2000},
	} {
		if err := checkText(op, f.name, f.value, f.most); err != nil {
			return err
		}
	}
	return checkMetadata(op, k.Metadata)
}

func checkText(op, name, value string, most int) error {
	switch n := utf8.RuneCountInString(value); {
	case n > most:
		return bad(op, "%s: has %d characters; at most %d are allowed", name, n, most)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return bad(op, "%s: is not UTF-8 text, or holds a control character", name)
	}
	return nil
}

// checkMetadata allows what the convention allows, and numbers and truth values, which people write
// without quotes.
func checkMetadata(op string, m map[string]any) error {
	for key, v := range m {
		if err := checkText(op, "metadata", key, 100); err != nil {
			return err
		}
		switch v := v.(type) {
		case string:
			if err := checkText(op, "metadata."+clip(key), v, MaxDescriptionRunes); err != nil {
				return err
			}
		case float64, bool:
		default:
			return bad(op, "metadata.%s: has to be a text, a number or a truth value", clip(key))
		}
		switch key {
		case "":
			return bad(op, "metadata: a key is empty; name it")
		case metaTitle, metaService:
			return bad(op, "metadata.%s: is what the field %s stands for; set that", key, map[string]string{metaTitle: "name", metaService: "service"}[key])
		}
	}
	return nil
}

// plainMetadata makes m what it is when it comes out of the store: JSON knows one kind of number.
func plainMetadata(op string, m map[string]any) (map[string]any, error) {
	for key, v := range m {
		if v == nil {
			delete(m, key)
		}
	}
	if len(m) == 0 {
		return nil, nil
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, bad(op, "metadata: %w", err)
	}
	out := map[string]any{}
	return out, json.Unmarshal(data, &out)
}

// checkPath refuses what is no relative path with slashes that every system can write.
func checkPath(op, p string) error {
	switch {
	case p == "" || len(p) > 200:
		return bad(op, "files: the path %q has %d bytes; use 1 to 200", clip(p), len(p))
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl) || strings.ContainsAny(p, `\:`):
		return bad(op, `files: the path %q holds a backslash, a colon, a control character or no UTF-8`, clip(p))
	case path.IsAbs(p) || path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../"):
		return bad(op, "files: the path %q does not stay within the skill; write one such as scripts/report.py", clip(p))
	case strings.Count(p, "/") > 7:
		return bad(op, "files: the path %q has more than 8 levels", clip(p))
	case strings.EqualFold(p, manifestName):
		return bad(op, "files: %s is the skill itself, not one of its files", p)
	}
	return nil
}

// checkFiles holds the files of a skill against the bounds and each other.
func checkFiles(op string, files []File) error {
	if len(files) > MaxFiles {
		return host.Errorf(op, abi.CodeLimit, "files: there are %d; a skill may have %d", len(files), MaxFiles)
	}
	total := 0
	seen := map[string]string{} // by small letters: not every disk tells letters apart
	for _, f := range files {
		if err := checkPath(op, f.Path); err != nil {
			return err
		}
		if f.Size > MaxFileBytes {
			return host.Errorf(op, abi.CodeLimit, "files: %s has %d bytes; a file may have %d", f.Path, f.Size, MaxFileBytes)
		}
		if total += f.Size; total > MaxBytes {
			return host.Errorf(op, abi.CodeLimit, "files: together they have more than %d bytes, the limit of a skill", MaxBytes)
		}
		low := strings.ToLower(f.Path)
		if other, twice := seen[low]; twice {
			return bad(op, "files: %s and %s differ in no more than the size of letters", other, f.Path)
		}
		seen[low] = f.Path
	}
	for _, f := range files {
		for dir := path.Dir(strings.ToLower(f.Path)); dir != "."; dir = path.Dir(dir) {
			if other, ok := seen[dir]; ok {
				return bad(op, "files: %s is a file, and %s would need it to be a folder", other, f.Path)
			}
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
