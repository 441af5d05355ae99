// Copyright 2026 The Gantry Authors.

package skills

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/yamlfile"
)

// manifestName is the file that makes a folder a skill.
const manifestName = "SKILL.md"

// What Gantry adds to the convention, below metadata, where the convention has room for it.
const (
	metaTitle   = "title"
	metaService = "service"
)

// front is the head of a SKILL.md, as the convention of Agent Skills has it.
type front struct {
	Name          string         `yaml:"name"`
	Description   string         `yaml:"description"`
	License       string         `yaml:"license"`
	Compatibility string         `yaml:"compatibility"`
	AllowedTools  string         `yaml:"allowed-tools"`
	Metadata      map[string]any `yaml:"metadata"`
}

// parseManifest reads a SKILL.md. Head is its text up to where the prompt begins, so that head and
// prompt together are the file. The errors name the line.
func parseManifest(text string) (k Skill, head string, err error) {
	const op = "skills.parseManifest"
	if !utf8.ValidString(text) {
		return k, "", bad(op, "%s: is not UTF-8 text", manifestName)
	}
	inner, head, err := cutFront(text)
	if err != nil {
		return k, "", err
	}
	var f front
	if err := yamlfile.DecodeVerbatim([]byte(inner), &f); err != nil {
		return k, "", inManifest(op, err)
	}
	if f.Name == "" {
		return k, "", bad(op, "%s: name: is missing; it is the skill's id, such as name: pdf-forms", manifestName)
	}
	k = Skill{ID: f.Name, Name: f.Name, Description: f.Description, License: f.License,
		Compatibility: f.Compatibility, AllowedTools: f.AllowedTools, SystemPrompt: text[len(head):]}
	for key, field := range map[string]*string{metaTitle: &k.Name, metaService: &k.Service} {
		if v, ok := f.Metadata[key]; ok && v != nil {
			s, isText := v.(string)
			if !isText {
				return k, "", bad(op, "%s: metadata.%s: has to be a text; write it in quotes", manifestName, key)
			}
			*field = s
			delete(f.Metadata, key)
		}
	}
	if k.Metadata, err = plainMetadata(op, f.Metadata); err != nil {
		return k, "", inManifest(op, err)
	}
	if err := k.check(op); err != nil {
		return k, "", inManifest(op, err)
	}
	return k, head, nil
}

// inManifest puts the file's name before what went wrong in it.
func inManifest(op string, err error) error {
	out := host.Outward(err)
	e := host.Errorf(op, out.Code, "%s: %s", manifestName, out.Message)
	e.Hint, e.Err = out.Hint, err
	return e
}

// cutFront finds the YAML between the first two lines of three dashes. Inner begins with an empty
// line in the place of the first, so that a decoder counts lines as the file does.
func cutFront(text string) (inner, head string, err error) {
	const op = "skills.parseManifest"
	rest := strings.TrimPrefix(text, "\ufeff")
	first, rest, more := strings.Cut(rest, "\n")
	if !dashes(first) || !more {
		return "", "", bad(op, "%s: line 1: has to be ---; name and description follow, then another line ---", manifestName)
	}
	for from := rest; ; {
		line, after, more := strings.Cut(from, "\n")
		if dashes(line) {
			inner = rest[:len(rest)-len(from)]
			from = strings.TrimLeft(after, "\r\n")
			if len(inner) > MaxFrontBytes {
				return "", "", host.Errorf(op, abi.CodeLimit, "%s: the part between the lines --- has %d bytes; at most %d are allowed",
					manifestName, len(inner), MaxFrontBytes)
			}
			return "\n" + inner, text[:len(text)-len(from)], nil
		}
		if !more {
			return "", "", bad(op, "%s: the front matter that begins in line 1 has no end; close it with a line ---", manifestName)
		}
		from = after
	}
}

func dashes(line string) bool { return strings.TrimRight(line, " \t\r") == "---" }

// manifest is the skill's SKILL.md: with the head it came with as long as that says what the skill
// is now, else with one written anew.
func (r *record) manifest() string {
	if r.Front != "" {
		k, head, err := parseManifest(r.Front + r.SystemPrompt)
		if err == nil && head == r.Front && reflect.DeepEqual(k.told(), r.told()) {
			return r.Front + r.SystemPrompt
		}
	}
	return r.newFront() + r.SystemPrompt
}

// told is what a SKILL.md tells of a skill, and nothing else.
func (k *Skill) told() Skill {
	return Skill{ID: k.ID, Name: k.Name, Description: k.Description, Service: k.Service, License: k.License,
		Compatibility: k.Compatibility, AllowedTools: k.AllowedTools, Metadata: k.Metadata}
}

func (k *Skill) newFront() string {
	var b strings.Builder
	b.WriteString("---\n")
	for _, f := range []struct{ name, value string }{
		{"name", k.ID}, {"description", k.Description}, {"license", k.License},
		{"compatibility", k.Compatibility}, {"allowed-tools", k.AllowedTools},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, "%s: %s\n", f.name, yamlText(f.value))
		}
	}
	if meta := k.allMetadata(); len(meta) > 0 {
		b.WriteString("metadata:\n")
		for _, key := range slices.Sorted(maps.Keys(meta)) {
			fmt.Fprintf(&b, "  %s: %s\n", yamlText(key), yamlValue(meta[key]))
		}
	}
	b.WriteString("---\n\n")
	return b.String()
}

// allMetadata is the metadata with what Gantry keeps there.
func (k *Skill) allMetadata() map[string]any {
	meta := maps.Clone(k.Metadata)
	if meta == nil {
		meta = map[string]any{}
	}
	if k.Name != k.ID {
		meta[metaTitle] = k.Name
	}
	if k.Service != "" {
		meta[metaService] = k.Service
	}
	return meta
}

// frontmatter is the front matter as JSON, for SEP-2640.
func (k *Skill) frontmatter() map[string]any {
	out := map[string]any{"name": k.ID, "description": k.Description}
	for name, v := range map[string]string{"license": k.License, "compatibility": k.Compatibility, "allowed-tools": k.AllowedTools} {
		if v != "" {
			out[name] = v
		}
	}
	if meta := k.allMetadata(); len(meta) > 0 {
		out["metadata"] = meta
	}
	return out
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./()-]*( [A-Za-z0-9_.,;/()'-]+)*$`)
	otherKind = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null|nan|inf)$`)
)

// yamlText writes a text: bare where YAML cannot read it as anything else, quoted otherwise. Go's
// quotes and YAML's double ones know the same escapes.
func yamlText(s string) string {
	if plainText.MatchString(s) && !otherKind.MatchString(s) {
		return s
	}
	return strconv.QuoteToGraphic(s)
}

func yamlValue(v any) string {
	switch v := v.(type) {
	case string:
		return yamlText(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
