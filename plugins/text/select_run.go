// Copyright 2026 The Gantry Authors.

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// maxSteps bounds the work of one path, so that nested map and [] stay finite.
const maxSteps = 5_000_000

// budget counts the values a path has touched.
type budget struct{ left int }

var errTooMuch = errors.New("it touches more than 5,000,000 values; select less")

func (b *budget) spend(n int) error {
	if b.left -= n; b.left < 0 {
		return errTooMuch
	}
	return nil
}

// step turns one value into any number of values.
type step interface {
	apply(v any, b *budget) ([]any, error)
}

// pipe is steps in a row.
type pipe []step

func (p pipe) run(v any, b *budget) ([]any, error) {
	values := []any{v}
	for _, s := range p {
		var next []any
		for _, v := range values {
			if err := b.spend(1); err != nil {
				return nil, err
			}
			out, err := s.apply(v, b)
			if err != nil {
				return nil, err
			}
			next = append(next, out...)
		}
		values = next
	}
	return values, nil
}

type member struct{ name string }

func (m *member) apply(v any, _ *budget) ([]any, error) {
	switch v := v.(type) {
	case nil:
		return []any{nil}, nil
	case map[string]any:
		return []any{v[m.name]}, nil
	}
	return nil, fmt.Errorf("%s has no member %q", kindOf(v), m.name)
}

type element struct{ index int }

func (e *element) apply(v any, _ *budget) ([]any, error) {
	switch v := v.(type) {
	case nil:
		return []any{nil}, nil
	case []any:
		i := e.index
		if i < 0 {
			i += len(v)
		}
		if i < 0 || i >= len(v) {
			return []any{nil}, nil
		}
		return []any{v[i]}, nil
	}
	return nil, fmt.Errorf("%s has no element %d", kindOf(v), e.index)
}

type slice struct{ from, to *int }

func (s *slice) apply(v any, _ *budget) ([]any, error) {
	switch v := v.(type) {
	case nil:
		return []any{nil}, nil
	case []any:
		from, to := s.bounds(len(v))
		return []any{v[from:to:to]}, nil
	case string:
		runes := []rune(v)
		from, to := s.bounds(len(runes))
		return []any{string(runes[from:to])}, nil
	}
	return nil, fmt.Errorf("%s has no slices", kindOf(v))
}

func (s *slice) bounds(n int) (from, to int) {
	bound := func(p *int, missing int) int {
		if p == nil {
			return missing
		}
		if *p < 0 {
			return max(0, n+*p)
		}
		return min(*p, n)
	}
	from, to = bound(s.from, 0), bound(s.to, n)
	return from, max(from, to)
}

type each struct{}

func (each) apply(v any, b *budget) ([]any, error) {
	switch v := v.(type) {
	case []any:
		return v[:len(v):len(v)], b.spend(len(v))
	case map[string]any:
		return valuesOf(v), b.spend(len(v))
	}
	return nil, fmt.Errorf("%s has no elements for []", kindOf(v))
}

// valuesOf has the order of the keys, so that an answer is the same each time.
func valuesOf(m map[string]any) []any {
	out := make([]any, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// lenient is a step with a question mark.
type lenient struct{ step }

func (l *lenient) apply(v any, b *budget) ([]any, error) {
	out, err := l.step.apply(v, b)
	if err != nil && !errors.Is(err, errTooMuch) {
		return nil, nil
	}
	return out, err
}

type mapping struct{ inner pipe }

func (m *mapping) apply(v any, b *budget) ([]any, error) {
	if rank(v) < 4 {
		return nil, fmt.Errorf("map needs a list or an object, not %s", kindOf(v))
	}
	values, err := each{}.apply(v, b)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, v := range values {
		got, err := m.inner.run(v, b)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return []any{out}, b.spend(len(out))
}

type filter struct{ cond condition }

func (f *filter) apply(v any, b *budget) ([]any, error) {
	ok, err := f.cond.holds(v, b)
	if err != nil || !ok {
		return nil, err
	}
	return []any{v}, nil
}

// condition is what stands in select(…).
type condition interface {
	holds(v any, b *budget) (bool, error)
}

type either struct{ left, right condition }

func (c *either) holds(v any, b *budget) (bool, error) {
	if ok, err := c.left.holds(v, b); ok || err != nil {
		return ok, err
	}
	return c.right.holds(v, b)
}

type both struct{ left, right condition }

func (c *both) holds(v any, b *budget) (bool, error) {
	if ok, err := c.left.holds(v, b); !ok || err != nil {
		return ok, err
	}
	return c.right.holds(v, b)
}

type negation struct{ inner condition }

func (c *negation) holds(v any, b *budget) (bool, error) {
	ok, err := c.inner.holds(v, b)
	return !ok, err
}

// truth holds where the path yields anything but false and null.
type truth struct{ path pipe }

func (c *truth) holds(v any, b *budget) (bool, error) {
	values, err := c.path.run(v, b)
	return slices.ContainsFunc(values, func(v any) bool { return v != nil && v != false }), err
}

// comparing holds where it holds for one of the values the path yields.
type comparing struct {
	path    pipe
	op      string
	literal any
}

func (c *comparing) holds(v any, b *budget) (bool, error) {
	values, err := c.path.run(v, b)
	if err != nil {
		return false, err
	}
	for _, v := range values {
		if c.one(v) {
			return true, nil
		}
	}
	return false, nil
}

func (c *comparing) one(v any) bool {
	switch c.op {
	case "==":
		return equal(v, c.literal)
	case "!=":
		return !equal(v, c.literal)
	case "contains":
		return contains(v, c.literal)
	}
	if rank(v) != rank(c.literal) {
		return false // a missing price is neither below nor above 10
	}
	switch n := order(v, c.literal); c.op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return order(v, c.literal) >= 0
}

func contains(v, literal any) bool {
	switch v := v.(type) {
	case string:
		s, ok := literal.(string)
		return ok && strings.Contains(v, s)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return equal(e, literal) })
	case map[string]any:
		s, ok := literal.(string)
		_, has := v[s]
		return ok && has
	}
	return false
}

// equal takes 1 and 1.0 for equal, at the top; inside lists and objects numbers are compared as written.
func equal(a, b any) bool {
	return rank(a) == rank(b) && order(a, b) == 0 && (rank(a) < 4 || reflect.DeepEqual(a, b))
}

// rank orders the kinds as jq does: null, booleans, numbers, strings, lists, objects.
func rank(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case json.Number:
		return 2
	case string:
		return 3
	case []any:
		return 4
	}
	return 5
}

func kindOf(v any) string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[rank(v)]
}

// order compares values for sort and the comparisons; objects are all alike.
func order(a, b any) int {
	if n := cmp.Compare(rank(a), rank(b)); n != 0 {
		return n
	}
	switch a := a.(type) {
	case bool:
		if a == b.(bool) {
			return 0
		} else if a {
			return 1
		}
		return -1
	case json.Number:
		return orderNumbers(a, b.(json.Number))
	case string:
		return strings.Compare(a, b.(string))
	case []any:
		return slices.CompareFunc(a, b.([]any), order)
	}
	return 0
}

// orderNumbers compares whole numbers exactly and others as float64.
func orderNumbers(a, b json.Number) int {
	if x, err := a.Int64(); err == nil {
		if y, err := b.Int64(); err == nil {
			return cmp.Compare(x, y)
		}
	}
	x, _ := a.Float64() // out of range is ±Inf, which compares well enough
	y, _ := b.Float64()
	return cmp.Compare(x, y)
}
