// Copyright 2026 The Gantry Authors.

package drive

import (
	"bytes"
	"fmt"
	"mime"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Put is a document to be kept, in place of the one at its path.
type Put struct {
	// Path has parts with slashes between. It is cleaned: "/a//b" is "a/b"; ".." is refused.
	Path string
	// Title is taken from the text (its HTML title or first Markdown heading) where it is empty.
	Title string
	// Tags are kept in small letters, each once, in order.
	Tags []string
	// MediaType is text/plain, text/markdown, text/html or another type of text; where it is empty
	// the end of the path decides. The charset has to be UTF-8.
	MediaType string
	// Body is the document as it was sent, at most MaxTextBytes. It is not changed and not kept.
	Body []byte
	// IfRevision, where it is not nil, makes the write fail with abi.CodeConflict unless the document
	// has this revision; 0 means that it must not exist.
	IfRevision *uint64
}

// The media types that have a meaning here.
const (
	typePlain    = "text/plain"
	typeMarkdown = "text/markdown"
	typeHTML     = "text/html"
)

func invalid(format string, args ...any) *host.Error {
	return host.Errorf("drive", abi.CodeInvalidArg, format, args...)
}

// CleanPath returns the one spelling of a document's path: NFC, without empty parts and ".".
func CleanPath(p string) (string, error) {
	switch {
	case len(p) > 2*MaxPathBytes: // not even looked at
		return "", invalid("path has %d bytes; at most %d are allowed", len(p), MaxPathBytes)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return "", invalid("path is not UTF-8 or holds control characters")
	case strings.HasSuffix(p, "/"):
		return "", invalid("path %q ends with a slash; name a document in the folder", p)
	}
	var parts []string
	for part := range strings.SplitSeq(norm.NFC.String(p), "/") {
		switch part {
		case "", ".":
		case "..":
			return "", invalid("path %q has .. in it; name the document from the top", p)
		default:
			parts = append(parts, part)
		}
	}
	out := strings.Join(parts, "/")
	switch {
	case out == "":
		return "", invalid("path is empty; name the document, such as policies/refunds.md")
	case len(out) > MaxPathBytes:
		return "", invalid("path has %d bytes; at most %d are allowed", len(out), MaxPathBytes)
	case len(parts) > MaxPathParts:
		return "", invalid("path has %d parts; at most %d are allowed", len(parts), MaxPathParts)
	}
	return out, nil
}

// CleanTags returns tags in small letters, sorted, each once.
func CleanTags(tags []string) ([]string, error) {
	var out []string
	for i, t := range tags {
		t = strings.ToLower(norm.NFC.String(strings.TrimSpace(t)))
		switch {
		case t == "":
			return nil, invalid("tags[%d] is empty", i)
		case len(t) > MaxTagBytes:
			return nil, invalid("tags[%d] has %d bytes; at most %d are allowed", i, len(t), MaxTagBytes)
		case !utf8.ValidString(t) || strings.ContainsFunc(t, unicode.IsControl) || strings.Contains(t, ","):
			return nil, invalid("tags[%d] holds a comma or a control character, or is not UTF-8", i)
		}
		out = append(out, t)
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > MaxTags {
		return nil, invalid("there are %d tags; at most %d are allowed", len(out), MaxTags)
	}
	return out, nil
}

// clean checks p and returns it as it is kept, with the text made of it.
func (p Put) clean() (Put, string, error) {
	var err error
	if p.Path, err = CleanPath(p.Path); err != nil {
		return p, "", err
	}
	if p.Tags, err = CleanTags(p.Tags); err != nil {
		return p, "", err
	}
	if p.MediaType, err = mediaType(p.MediaType, p.Path); err != nil {
		return p, "", err
	}
	switch {
	case len(p.Title) > MaxTitleBytes:
		return p, "", invalid("title has %d bytes; at most %d are allowed", len(p.Title), MaxTitleBytes)
	case !utf8.ValidString(p.Title) || strings.ContainsFunc(p.Title, unicode.IsControl):
		return p, "", invalid("title is not UTF-8 or holds control characters")
	case len(p.Body) > MaxTextBytes:
		return p, "", host.Errorf("drive", abi.CodeLimit, "the document has %d bytes; at most %d are allowed", len(p.Body), MaxTextBytes).
			WithHint("split it into several documents")
	case !utf8.Valid(p.Body) || bytes.IndexByte(p.Body, 0) >= 0:
		return p, "", invalid("the document %s is not UTF-8 text", p.Path).
			WithHint("convert it to text, Markdown or HTML in UTF-8 first")
	}
	text, title := string(p.Body), ""
	switch p.MediaType {
	case typeHTML:
		text, title = htmlText(p.Body)
	case typeMarkdown:
		title = firstHeading(text)
	}
	if p.Title == "" {
		p.Title = title
	}
	return p, text, nil
}

// mediaType checks a content type, or guesses it from the path, and returns it without parameters.
func mediaType(given, name string) (string, error) {
	if given == "" {
		return guessType(name), nil
	}
	media, params, err := mime.ParseMediaType(given)
	if err != nil {
		return "", invalid("media type %q cannot be read", clip(given))
	}
	if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") && !strings.EqualFold(cs, "us-ascii") {
		return "", invalid("charset %q is not taken; send UTF-8", clip(cs))
	}
	if len(media) > 100 || !isText(media) {
		return "", invalid("media type %s is not text", clip(media)).
			WithHint("send text/plain, text/markdown, text/html or another type of text; convert PDF and office files first")
	}
	return media, nil
}

func isText(media string) bool {
	if strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml") {
		return true
	}
	switch media {
	case "application/json", "application/xml", "application/yaml", "application/toml", "application/sql", "application/javascript":
		return true
	}
	return false
}

// guessType goes by the end of the path. The table is ours and not the machine's, so that a document
// means the same everywhere.
func guessType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown":
		return typeMarkdown
	case ".html", ".htm", ".xhtml":
		return typeHTML
	case ".csv":
		return "text/csv"
	case ".json":
		return "application/json"
	case ".yaml", ".yml":
		return "application/yaml"
	case ".xml":
		return "application/xml"
	}
	return typePlain
}

// firstHeading is the text of the first Markdown heading of level one among the first lines.
func firstHeading(text string) string {
	n := 0
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			return cutTitle(rest)
		}
		if n++; n == 20 {
			break
		}
	}
	return ""
}

// cutTitle makes a title of text that was found: one line, not too long.
func cutTitle(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	return s[:wholeRune(s, min(len(s), MaxTitleBytes))]
}

// wholeRune moves i back to the beginning of the character it is in.
func wholeRune(s string, i int) int {
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

func clip(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%s…", s[:wholeRune(s, 80)])
	}
	return s
}
