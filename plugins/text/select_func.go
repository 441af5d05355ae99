// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// functionNames are the words of function, for messages.
const functionNames = "keys, values, length, type, first, last, reverse, sort, unique, flatten, not"

// function is the step of a word without arguments, nil where there is none.
func function(name string) step {
	switch name {
	case "keys":
		return value(keys)
	case "values":
		return value(func(v any) (any, error) { return each{}.list(v) })
	case "length":
		return value(length)
	case "type":
		return value(func(v any) (any, error) {
			return [...]string{"null", "boolean", "number", "string", "array", "object"}[rank(v)], nil
		})
	case "not":
		return value(func(v any) (any, error) { return v == nil || v == false, nil })
	case "first":
		return &element{0}
	case "last":
		return &element{-1}
	case "reverse", "sort", "unique", "flatten":
		return &rearrange{name}
	}
	return nil
}

// value is a step that makes one value of one value.
type value func(v any) (any, error)

func (f value) apply(v any, b *budget) ([]any, error) {
	out, err := f(v)
	return []any{out}, err
}

func (e each) list(v any) (any, error) {
	out, err := e.apply(v, &budget{left: maxSteps})
	if out == nil {
		out = []any{}
	}
	return out, err
}

func keys(v any) (any, error) {
	out := []any{}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, k)
		}
	case []any:
		for i := range v {
			out = append(out, json.Number(strconv.Itoa(i)))
		}
	default:
		return nil, fmt.Errorf("%s has no keys", kindOf(v))
	}
	return out, nil
}

// length is jq's: characters, elements, members, and 0 for null.
func length(v any) (any, error) {
	n := 0
	switch v := v.(type) {
	case nil:
	case string:
		n = utf8.RuneCountInString(v)
	case []any:
		n = len(v)
	case map[string]any:
		n = len(v)
	default:
		return nil, fmt.Errorf("%s has no length", kindOf(v))
	}
	return json.Number(strconv.Itoa(n)), nil
}

// rearrange makes a new list of a list.
type rearrange struct{ how string }

func (r *rearrange) apply(v any, b *budget) ([]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%s needs a list, not %s", r.how, kindOf(v))
	}
	if err := b.spend(len(list)); err != nil {
		return nil, err
	}
	out := append([]any{}, list...)
	switch r.how {
	case "reverse":
		slices.Reverse(out)
	case "sort":
		slices.SortStableFunc(out, order)
	case "unique":
		slices.SortStableFunc(out, order)
		out = slices.CompactFunc(out, equal)
	case "flatten":
		out = []any{}
		for _, e := range list {
			if inner, ok := e.([]any); ok {
				out = append(out, inner...)
			} else {
				out = append(out, e)
			}
		}
		if err := b.spend(len(out)); err != nil {
			return nil, err
		}
	}
	return []any{out}, nil
}
