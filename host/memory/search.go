// Copyright 2026 The Gantry Authors.

package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of a search. It reads every file it looks at, so it is bounded in time and bytes; with
// the usual quota a user's whole memory fits.
const (
	maxQueryBytes = 1000
	maxWords      = 32
	usualHits     = 10
	maxHits       = 50
	hitLines      = 3
	lineBytes     = 240
	searchTime    = 2 * time.Second
)

// Search looks for files by their words, as abi.MemorySearch explains. Capitals and small letters,
// composed and decomposed characters are the same; ß is ss. Errors: abi.CodeInvalidArg that names the
// field, CodeForbidden without the scope. A search that ran into its bounds is no error: its answer
// says so in Partial.
func (s *Service) Search(ctx context.Context, p *host.Principal, in abi.MemorySearch) (abi.MemoryHits, error) {
	const op = "memory.Search"
	sp, err := spaceFor(op, p, false)
	if err != nil {
		return abi.MemoryHits{}, err
	}
	prefix, err := clean(op, "prefix", in.Prefix)
	if err != nil {
		return abi.MemoryHits{}, err
	}
	q, err := parseQuery(op, in)
	if err != nil {
		return abi.MemoryHits{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	found, err := s.scan(bounded, sp, prefix, q)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		found.partial, err = fmt.Sprintf("the search stopped after %s", searchTime), nil
	}
	if err != nil {
		return abi.MemoryHits{}, err
	}
	return found.answer(q.limit), nil
}

// query is what a search looks for.
type query struct {
	fold   cases.Caser
	phrase string
	words  []string
	limit  int
}

func parseQuery(op string, in abi.MemorySearch) (*query, error) {
	q := &query{fold: cases.Fold(), limit: cmp.Or(in.Limit, usualHits)}
	switch {
	case len(in.Query) > maxQueryBytes:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "query: it has %d bytes; at most %d are allowed", len(in.Query), maxQueryBytes)
	case !utf8.ValidString(in.Query):
		return nil, host.Errorf(op, abi.CodeInvalidArg, "query: it is not UTF-8")
	case q.limit < 1 || q.limit > maxHits:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "limit: %d is not 1 to %d; use 0 for %d", in.Limit, maxHits, usualHits)
	}
	_, folded := q.folded(in.Query)
	q.words = strings.Fields(folded)
	q.phrase = strings.Join(q.words, " ")
	slices.Sort(q.words)
	q.words = slices.Compact(q.words)
	switch {
	case len(q.words) == 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "query: it has no words")
	case len(q.words) > maxWords:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "query: it has %d words; at most %d are allowed", len(q.words), maxWords)
	}
	return q, nil
}

// folded returns a text for showing and for comparing; both have the same lines.
func (q *query) folded(text string) (shown, folded string) {
	if isASCII(text) {
		return text, strings.ToLower(text)
	}
	shown = norm.NFC.String(text)
	return shown, q.foldText(shown)
}

// foldText is cases.Fold, several times as fast for the letters most texts are made of: those of
// ASCII and of Cyrillic, where a capital is its small letter but for a fixed distance.
func (q *query) foldText(s string) string {
	out := make([]byte, 0, len(s)+len(s)/16)
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			c := s[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			out = append(out, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case 'а' <= r && r <= 'џ': // U+0430 to U+045F
			out = append(out, s[i:i+n]...)
		case 'А' <= r && r <= 'Я': // U+0410 to U+042F
			out = utf8.AppendRune(out, r+'а'-'А')
		case 'Ѐ' <= r && r <= 'Џ': // U+0400 to U+040F
			out = utf8.AppendRune(out, r+'ѐ'-'Ѐ')
		default:
			n = otherRun(s[i:], n)
			out = append(out, q.fold.String(s[i:i+n])...)
		}
		i += n
	}
	return string(out)
}

// otherRun is the length of what s begins with that foldText leaves to cases.Fold; n is that of its
// first character.
func otherRun(s string, n int) int {
	for i, r := range s[n:] {
		if r < utf8.RuneSelf || 'Ѐ' <= r && r <= 'џ' {
			return n + i
		}
	}
	return len(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// findings are what a scan found: hits[0] hold the phrase, hits[1] the words. One more than wanted
// of each is kept, which tells that there are others.
type findings struct {
	hits    [2][]abi.MemoryHit
	partial string
}

func (s *Service) scan(ctx context.Context, sp space, prefix string, q *query) (findings, error) {
	var out findings
	room := s.searchBytes
	for f, err := range s.files(ctx, sp, prefix, "") {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return out, err
		}
		if room -= f.Size; room < 0 {
			out.partial = fmt.Sprintf("the search stopped after %d bytes, before %s", s.searchBytes, f.path)
			return out, nil
		}
		text, err := s.text(ctx, sp, &f.head)
		if errors.Is(err, errGone) {
			continue // it was replaced while the search went on; it will be found in a later one
		}
		if err != nil {
			return out, err
		}
		class, lines := q.match(f.path, text)
		if class < 0 || len(out.hits[class]) > q.limit {
			continue
		}
		hit := abi.MemoryHit{MemoryInfo: f.info(f.path, f.rev)}
		hit.Matches, hit.Lines = lines.best()
		out.hits[class] = append(out.hits[class], hit)
	}
	return out, nil
}

func (f *findings) answer(limit int) abi.MemoryHits {
	all := append(f.hits[0], f.hits[1]...)
	out := abi.MemoryHits{Hits: all[:min(limit, len(all))], More: len(all) > limit, Partial: f.partial}
	if out.Hits == nil {
		out.Hits = []abi.MemoryHit{}
	}
	if out.Partial != "" {
		out.Partial += "; give a prefix to look at the rest"
	}
	return out
}

// match tells whether a file holds the phrase (0), all words (1), or not (-1), and in which lines.
func (q *query) match(path, text string) (class int, lines found) {
	_, foldedPath := q.folded(path)
	shown, folded := q.folded(text)
	class = 0
	if !strings.Contains(folded, q.phrase) && !strings.Contains(foldedPath, q.phrase) {
		class = 1
		for _, w := range q.words {
			if !strings.Contains(folded, w) && !strings.Contains(foldedPath, w) {
				return -1, nil
			}
		}
	}
	number := 0
	for folded != "" {
		number++
		var line, foldedLine string
		line, shown, _ = strings.Cut(shown, "\n")
		foldedLine, folded, _ = strings.Cut(folded, "\n")
		if at, n := q.inLine(foldedLine); n > 0 {
			lines = append(lines, foundLine{number, n, line, foldedLine, at})
		}
	}
	return class, lines
}

// inLine counts the words in a line and finds the first of them. A phrase counts for more than any
// number of words.
func (q *query) inLine(folded string) (at, n int) {
	if at := strings.Index(folded, q.phrase); at >= 0 {
		return at, maxWords + 1
	}
	for _, w := range q.words {
		if i := strings.Index(folded, w); i >= 0 {
			if n++; n == 1 || i < at {
				at = i
			}
		}
	}
	return at, n
}

// found are the lines of a file that hold words of a query, in order.
type found []foundLine

type foundLine struct {
	number, words int
	line, folded  string
	// at is where the first word begins in folded.
	at int
}

// best returns how many lines there are, and those with the most words, in order.
func (f found) best() (int, []abi.MemoryLine) {
	n := len(f)
	slices.SortStableFunc(f, func(a, b foundLine) int { return cmp.Compare(b.words, a.words) })
	f = f[:min(n, hitLines)]
	slices.SortFunc(f, func(a, b foundLine) int { return cmp.Compare(a.number, b.number) })
	var out []abi.MemoryLine
	for _, l := range f {
		out = append(out, abi.MemoryLine{Line: l.number, Text: l.window()})
	}
	return n, out
}

// window is the line, or of a long one the piece around the first word. Folding may make a character
// longer, so the place is right to within a few characters.
func (l *foundLine) window() string {
	line := strings.TrimSuffix(l.line, "\r")
	if len(line) <= lineBytes {
		return line
	}
	at := byteOf(line, utf8.RuneCountInString(l.folded[:l.at]))
	start := runeStart(line, max(0, int64(at)-lineBytes/4))
	end := runeStart(line, min(start+lineBytes, int64(len(line))))
	out := line[start:end]
	if start > 0 {
		out = "…" + out
	}
	if end < int64(len(line)) {
		out += "…"
	}
	return out
}

// byteOf is where the rune of a number begins, or the end of s.
func byteOf(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
