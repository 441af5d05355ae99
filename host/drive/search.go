// Copyright 2026 The Gantry Authors.

package drive

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/collector"
	"github.com/blevesearch/bleve/v2/search/searcher"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of one search.
const (
	MaxHits     = 50
	DefaultHits = 5
	// MaxDepth is how far a search can be paged through.
	MaxDepth = 500
	// maxSearch bounds the look-up itself, after the index is up to date.
	maxSearch = 10 * time.Second
)

// place is a cursor: where the page begins, whether any word is enough, and for which query it was
// given.
type place struct {
	From int    `json:"f"`
	Any  bool   `json:"a,omitempty"`
	For  uint64 `json:"q"`
}

func (p place) String() string {
	data, _ := json.Marshal(p) // two numbers and a bool
	return base64.RawURLEncoding.EncodeToString(data)
}

// lookup is one search understood.
type lookup struct {
	*query
	place
	under string
	tags  []string
	limit int
	sum   uint64
}

// Search finds documents by what they say; see abi.DriveSearch. It sees every document whose Put had
// returned when it began, and waits for the index where it has to: up to half a minute, then
// abi.CodeUnavailable.
func (s *Service) Search(ctx context.Context, tenant host.TenantID, in abi.DriveSearch) (abi.DriveHits, error) {
	none := abi.DriveHits{Hits: []abi.DriveHit{}}
	l, err := s.understand(in)
	if err != nil {
		return none, err
	}
	h, err := s.shelf(tenant)
	if err != nil {
		return none, err
	}
	out := none
	err = h.current(ctx, func(snap *scorch.IndexSnapshot) error {
		select { // only now, so that who waits for an index holds nobody up
		case s.searches <- struct{}{}:
			defer func() { <-s.searches }()
		case <-ctx.Done():
			return ctx.Err()
		}
		found, total, err := l.find(ctx, snap)
		if err != nil {
			return err
		}
		out.Total, out.Any = int64(total), l.Any
		if next := l.From + len(found); uint64(next) < total && next < MaxDepth {
			out.Next = place{From: next, Any: l.Any, For: l.sum}.String()
		}
		out.Hits, err = h.hits(ctx, l, found)
		return err
	})
	if err != nil {
		return none, searchError(err)
	}
	return out, nil
}

func searchError(err error) error {
	var he *host.Error
	switch {
	case errors.As(err, &he):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return host.Errorf("drive.search", abi.CodeDeadline, "the search took longer than %s", maxSearch).
			WithHint("ask for fewer or rarer words")
	}
	return host.E("drive.search", host.CodeOf(err), err)
}

// understand checks a search and reads its query.
func (s *Service) understand(in abi.DriveSearch) (*lookup, error) {
	l := &lookup{limit: in.Limit}
	var err error
	if l.query, err = s.words.parse(in.Query); err != nil {
		return nil, err
	}
	switch {
	case in.Limit < 0 || in.Limit > MaxHits:
		return nil, invalid("limit is %d; use 1 to %d, or 0 for %d", in.Limit, MaxHits, DefaultHits)
	case in.Limit == 0:
		l.limit = DefaultHits
	}
	if l.under, err = cleanFolder(in.Under, "under", false); err != nil {
		return nil, err
	}
	if l.tags, err = CleanTags(in.Tags); err != nil {
		return nil, err
	}
	if len(l.tags) > MaxQueryTags {
		return nil, invalid("tags has %d entries; at most %d are allowed", len(l.tags), MaxQueryTags)
	}
	sum := fnv.New64a()
	sum.Write([]byte(strings.Join(append([]string{in.Query, l.under}, l.tags...), "\x00")))
	l.sum = sum.Sum64()
	l.Any = l.any
	if in.Cursor == "" {
		return l, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(in.Cursor)
	if err != nil || json.Unmarshal(raw, &l.place) != nil || l.From < 0 || l.From >= MaxDepth || l.For != l.sum {
		return nil, invalid("cursor is not one of this query; start again without it")
	}
	return l, nil
}

// find looks the page up: documents with all words, or, where none has them all, with any.
func (l *lookup) find(ctx context.Context, snap *scorch.IndexSnapshot) (search.DocumentMatchCollection, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, maxSearch)
	defer cancel()
	ctx = context.WithValue(ctx, search.GetScoringModelCallbackKey,
		search.GetScoringModelCallbackFn(func() string { return index.BM25Scoring }))
	found, total, err := l.collect(ctx, snap)
	words, _ := l.split()
	if err != nil || total > 0 || l.Any || l.From > 0 || len(words) < 2 {
		return found, total, err
	}
	l.Any = true
	if found, total, err = l.collect(ctx, snap); total == 0 {
		l.Any = false // nothing is nothing
	}
	return found, total, err
}

func (l *lookup) collect(ctx context.Context, snap *scorch.IndexSnapshot) (search.DocumentMatchCollection, uint64, error) {
	b := builder{ctx: ctx, snap: snap}
	top := b.build(l)
	if b.err != nil { // what was made holds memory only
		return nil, 0, b.err
	}
	defer top.Close()
	order := search.SortOrder{&search.SortScore{Desc: true}, &search.SortDocID{}}
	coll := collector.NewTopNCollector(min(l.limit, MaxDepth-l.From), l.From, order)
	if err := coll.Collect(ctx, top, snap); err != nil {
		return nil, 0, err
	}
	return coll.Results(), coll.Total(), ctx.Err() // at its end the phrases say no to everything
}

// How much more a word counts where it stands in a title or a path.
const (
	boostTitle = 3
	boostName  = 2
)

// builder makes the library's searchers. After the first error it makes nothing more.
type builder struct {
	ctx  context.Context
	snap *scorch.IndexSnapshot
	err  error
}

func (b *builder) keep(s search.Searcher, err error) search.Searcher {
	if b.err == nil {
		b.err = err
	}
	return s
}

func (b *builder) build(l *lookup) search.Searcher {
	words, phrases := l.split()
	var must []search.Searcher
	for _, c := range phrases {
		must = append(must, b.clause(c))
	}
	if l.Any && len(words) > 0 {
		var any []search.Searcher
		for _, c := range words {
			any = append(any, b.clause(c))
		}
		must = append(must, b.or(any))
	} else {
		for _, c := range words {
			must = append(must, b.clause(c))
		}
	}
	for _, tag := range l.tags {
		must = append(must, b.term(tag, fieldTag, 0))
	}
	if l.under != "" {
		must = append(must, b.term(l.under, fieldUnder, 0))
	}
	top := b.and(must)
	if len(l.not) == 0 {
		return top
	}
	var not []search.Searcher
	for _, c := range l.not {
		not = append(not, b.clause(c))
	}
	none := b.or(not)
	if b.err != nil {
		return nil
	}
	return b.keep(searcher.NewBooleanSearcher(b.ctx, b.snap, top, nil, none, search.SearcherOptions{}))
}

// clause looks for a clause in every field that has words.
func (b *builder) clause(c clause) search.Searcher {
	var fields []search.Searcher
	for field, boost := range map[string]float64{fieldText: 1, fieldTitle: boostTitle, fieldName: boostName} {
		if len(c.terms) == 1 {
			fields = append(fields, b.term(c.terms[0], field, boost))
		} else if b.err == nil {
			fields = append(fields, b.phrase(c.terms, field, boost))
		}
	}
	return b.or(fields)
}

func (b *builder) term(term, field string, boost float64) search.Searcher {
	if b.err != nil {
		return nil
	}
	return b.keep(searcher.NewTermSearcher(b.ctx, b.snap, term, field, boost, search.SearcherOptions{}))
}

// phrase looks for terms that stand together. The library's own search for phrases compares every
// place of a word with every other, which one document of a single word makes a matter of hours.
func (b *builder) phrase(terms []string, field string, boost float64) search.Searcher {
	options := search.SearcherOptions{IncludeTermVectors: true}
	var each []search.Searcher
	for i, t := range terms {
		if b.err == nil && !slices.Contains(terms[:i], t) {
			each = append(each, b.keep(searcher.NewTermSearcher(b.ctx, b.snap, t, field, boost, options)))
		}
	}
	if b.err != nil {
		return nil
	}
	all := each[0]
	if len(each) > 1 {
		if all = b.keep(searcher.NewConjunctionSearcher(b.ctx, b.snap, each, options)); b.err != nil {
			return nil
		}
	}
	return searcher.NewFilteringSearcher(b.ctx, all, func(_ *search.SearchContext, d *search.DocumentMatch) bool {
		places := d.FieldTermLocations
		d.FieldTermLocations = nil // a hit that is kept must not keep them
		return b.ctx.Err() == nil && together(terms, places)
	})
}

// together tells whether the terms stand one after the other somewhere.
func together(terms []string, places []search.FieldTermLocation) bool {
	at := map[string][]uint64{}
	for i := range places {
		at[places[i].Term] = append(at[places[i].Term], places[i].Location.Pos)
	}
	for _, pos := range at {
		slices.Sort(pos)
	}
	rare := 0
	for i, t := range terms {
		if len(at[t]) < len(at[terms[rare]]) {
			rare = i
		}
	}
	for _, pos := range at[terms[rare]] {
		if pos <= uint64(rare) {
			continue
		}
		first := pos - uint64(rare)
		whole := true
		for i, t := range terms {
			if _, whole = slices.BinarySearch(at[t], first+uint64(i)); !whole {
				break
			}
		}
		if whole {
			return true
		}
	}
	return false
}

func (b *builder) or(any []search.Searcher) search.Searcher {
	switch {
	case b.err != nil:
		return nil
	case len(any) == 1:
		return any[0]
	}
	return b.keep(searcher.NewDisjunctionSearcher(b.ctx, b.snap, any, 1, search.SearcherOptions{}))
}

func (b *builder) and(all []search.Searcher) search.Searcher {
	switch {
	case b.err != nil:
		return nil
	case len(all) == 1:
		return all[0]
	}
	return b.keep(searcher.NewConjunctionSearcher(b.ctx, b.snap, all, search.SearcherOptions{}))
}

// hits describes what was found. A document that went away since is left out.
func (h *shelf) hits(ctx context.Context, l *lookup, found search.DocumentMatchCollection) ([]abi.DriveHit, error) {
	out := make([]abi.DriveHit, 0, len(found))
	st, terms := &stemmer{}, l.terms()
	budget := snippetBudget
	for _, m := range found {
		text, r, err := stable(ctx, h, m.ID, func(r *record) (string, error) {
			return h.readBody(ctx, r.Body, bodyText, 0, min(r.Size, int64(budget)))
		})
		if err != nil && host.CodeOf(err) != abi.CodeBusy {
			return nil, err
		}
		if r == nil {
			continue
		}
		budget -= len(text)
		out = append(out, abi.DriveHit{
			DriveDocument: r.document(m.ID), Score: m.Score, Snippets: snippets(text, terms, st),
		})
	}
	return out, nil
}
