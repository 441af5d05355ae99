// Copyright 2026 The Gantry Authors.

package schema

import (
	"fmt"
	"math"
	"slices"
)

// inPlace are the rules that r holds against the same value.
func (r *rule) inPlace() []*rule {
	out := slices.Concat(r.all, r.any, r.one)
	for _, s := range []*rule{r.ref, r.not, r.condition, r.then, r.otherwise} {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

// parts are the rules that r holds against parts of the value.
func (r *rule) parts() []*rule {
	out := slices.Clone(r.prefix)
	for _, f := range r.fields {
		if f.rule != nil {
			out = append(out, f.rule)
		}
	}
	for _, p := range r.patterns {
		out = append(out, p.rule)
	}
	for _, s := range []*rule{r.additional, r.propertyNames, r.items} {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

// refuseLoops finds a $ref that leads back to itself without going into the value: such a schema
// says nothing, and checking it would never end.
func (c *compiler) refuseLoops() error {
	state := map[*rule]int{}
	var visit func(r *rule) error
	visit = func(r *rule) error {
		switch state[r] {
		case 1:
			return fmt.Errorf("%s leads back to itself", r.at)
		case 2:
			return nil
		}
		state[r] = 1
		for _, s := range r.inPlace() {
			if err := visit(s); err != nil {
				return err
			}
		}
		state[r] = 2
		return nil
	}
	for _, r := range c.rules {
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

// refuseBlowUp bounds what the library would do, which counts no steps: no recursion, and not too
// many rules with every $ref written out.
func (c *compiler) refuseBlowUp(root *rule) error {
	const onPath = -1
	sizes := map[*rule]float64{}
	var size func(r *rule) (float64, error)
	size = func(r *rule) (float64, error) {
		switch n := sizes[r]; {
		case n == onPath:
			return 0, fmt.Errorf("%s refers to itself; that is supported only in schemas without %s", r.at, c.rare)
		case n > 0:
			return n, nil
		}
		sizes[r] = onPath
		n := 1.0
		for _, s := range append(r.inPlace(), r.parts()...) {
			m, err := size(s)
			if err != nil {
				return 0, err
			}
			n = math.Min(n+m, 1e18)
		}
		sizes[r] = n
		return n, nil
	}
	n, err := size(root)
	if err == nil && n > MaxRules {
		return fmt.Errorf("with every $ref written out it has more than %d subschemas", MaxRules)
	}
	return err
}
