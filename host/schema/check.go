// Copyright 2026 The Gantry Authors.

package schema

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kinds is a set of JSON Schema's types.
type kinds uint8

const (
	isNull kinds = 1 << iota
	isBoolean
	isInteger
	isNumber
	isString
	isArray
	isObject
)

var kindsByName = map[string]kinds{
	"null": isNull, "boolean": isBoolean, "integer": isInteger, "number": isInteger | isNumber,
	"string": isString, "array": isArray, "object": isObject,
}

// literal is one value of an enum or const.
type literal struct {
	kind   kind
	text   string
	number float64
	value  any
}

func literals(values []any) []literal {
	out := make([]literal, 0, len(values))
	for _, v := range values {
		l := literal{value: v}
		switch v := v.(type) {
		case nil:
			l.kind = kindNull
		case bool:
			l.kind = kindFalse
			if v {
				l.kind = kindTrue
			}
		case float64:
			l.kind, l.number = kindNumber, v
		case string:
			l.kind, l.text = kindString, v
		case []any:
			l.kind = kindArray
		default:
			l.kind = kindObject
		}
		out = append(out, l)
	}
	return out
}

// step is one part of the path to a value.
type step struct {
	key   []byte
	index int
}

// checker holds one instance against a schema.
type checker struct {
	tape  *tape
	path  []step
	steps int
	// quiet counts the branches (anyOf, not, if) around the current rule whose failure is not yet a
	// failure of the whole.
	quiet int
	// loose is set where the library looks at the instance too: what the rules leave out may make a
	// branch seem to hold, so nothing may be refused because a branch holds.
	loose    bool
	problems []Problem
}

// check holds node i against r. False says that it does not hold, or that there was too much to do.
func (c *checker) check(r *rule, i int) bool {
	if c.steps++; c.steps > MaxSteps {
		return false
	}
	if r.never {
		return c.fail("is not allowed here; leave it out")
	}
	n := &c.tape.nodes[i]
	ok := true
	if r.types != 0 && !c.hasType(r.types, i) {
		return c.failType(r, i)
	}
	if r.enum != nil && !c.isOneOf(r.enum, i) {
		return c.fail(r.enumText)
	}
	switch n.kind {
	case kindNumber:
		ok = c.checkNumber(r, i)
	case kindString:
		ok = c.checkString(r, i)
	case kindArray:
		ok = c.checkArray(r, i)
	case kindObject:
		ok = c.checkObject(r, i)
	}
	if !ok && c.full() {
		return false
	}
	return c.checkLogic(r, i) && ok
}

func (c *checker) hasType(want kinds, i int) bool {
	switch c.tape.nodes[i].kind {
	case kindNull:
		return want&isNull != 0
	case kindFalse, kindTrue:
		return want&isBoolean != 0
	case kindString:
		return want&isString != 0
	case kindArray:
		return want&isArray != 0
	case kindObject:
		return want&isObject != 0
	}
	return want&isNumber != 0 || want&isInteger != 0 && c.tape.whole(i)
}

func (c *checker) isOneOf(enum []literal, i int) bool {
	k := c.tape.nodes[i].kind
	for _, l := range enum {
		if l.kind != k {
			continue
		}
		switch k {
		case kindNumber:
			if c.tape.float(i) == l.number {
				return true
			}
		case kindString:
			if string(c.tape.text(i)) == l.text {
				return true
			}
		case kindArray, kindObject:
			if reflect.DeepEqual(c.tape.decode(i), l.value) {
				return true
			}
		default:
			return true
		}
	}
	return false
}

func (c *checker) checkNumber(r *rule, i int) bool {
	if r.minimum == nil && r.maximum == nil && r.above == nil && r.below == nil && r.multiple == nil {
		return true
	}
	f := c.tape.float(i)
	switch {
	case r.multiple != nil && !isMultiple(f, *r.multiple):
		return c.fail("has to be a multiple of " + number(*r.multiple))
	case r.minimum != nil && f < *r.minimum:
		return c.fail("has to be at least " + number(*r.minimum))
	case r.maximum != nil && f > *r.maximum:
		return c.fail("has to be at most " + number(*r.maximum))
	case r.above != nil && f <= *r.above:
		return c.fail("has to be greater than " + number(*r.above))
	case r.below != nil && f >= *r.below:
		return c.fail("has to be less than " + number(*r.below))
	}
	return true
}

func isMultiple(f, of float64) bool {
	_, rest := math.Modf(f / of)
	return rest == 0
}

func (c *checker) checkString(r *rule, i int) bool {
	if r.minLength == nil && r.maxLength == nil && r.pattern == nil {
		return true
	}
	text := c.tape.text(i)
	n := utf8.RuneCount(text)
	switch {
	case r.minLength != nil && n < *r.minLength:
		return c.fail("has " + plural(n, "character") + "; send at least " + strconv.Itoa(*r.minLength))
	case r.maxLength != nil && n > *r.maxLength:
		return c.fail("has " + plural(n, "character") + "; send at most " + strconv.Itoa(*r.maxLength))
	case r.pattern != nil && !r.pattern.Match(text):
		return c.fail("has to match the regular expression " + clip(r.pattern.String()))
	}
	return true
}

func (c *checker) checkArray(r *rule, i int) bool {
	n := c.tape.nodes[i]
	switch {
	case r.minItems != nil && int(n.count) < *r.minItems:
		return c.fail("has " + plural(int(n.count), "item") + "; send at least " + strconv.Itoa(*r.minItems))
	case r.maxItems != nil && int(n.count) > *r.maxItems:
		return c.fail("has " + plural(int(n.count), "item") + "; send at most " + strconv.Itoa(*r.maxItems))
	}
	if r.items == nil && len(r.prefix) == 0 {
		return true
	}
	ok, index := true, 0
	for at := uint32(i) + 1; at < n.next; at = c.tape.nodes[at].next {
		sub := r.items
		if index < len(r.prefix) {
			sub = r.prefix[index]
		}
		if sub != nil && !c.enter(step{index: index}, sub, int(at)) {
			if ok = false; c.full() {
				break
			}
		}
		index++
	}
	return ok
}

// enter checks a part of the current value.
func (c *checker) enter(s step, r *rule, i int) bool {
	c.path = append(c.path, s)
	ok := c.check(r, i)
	c.path = c.path[:len(c.path)-1]
	return ok
}

func (c *checker) checkObject(r *rule, i int) bool {
	n := c.tape.nodes[i]
	switch {
	case r.minProperties != nil && int(n.count) < *r.minProperties:
		return c.fail("has " + plural(int(n.count), "field") + "; send at least " + strconv.Itoa(*r.minProperties))
	case r.maxProperties != nil && int(n.count) > *r.maxProperties:
		return c.fail("has " + plural(int(n.count), "field") + "; send at most " + strconv.Itoa(*r.maxProperties))
	}
	if r.fields == nil && r.patterns == nil && r.additional == nil && r.propertyNames == nil {
		return true
	}
	ok, found := true, 0
	for at := int(i) + 1; at < int(n.next); at = int(c.tape.nodes[at+1].next) {
		held, required := c.checkMember(r, at)
		if required {
			found++
		}
		if !held {
			if ok = false; c.full() {
				return false
			}
		}
	}
	if found < len(r.required) {
		c.failMissing(r, i)
		ok = false
	}
	return ok
}

// checkMember checks the key at node at and the value behind it.
func (c *checker) checkMember(r *rule, at int) (ok, required bool) {
	key := c.tape.text(at)
	f, known := r.fields[string(key)]
	here := step{key: key}
	ok, known = true, known && f.rule != nil
	if known {
		ok = c.enter(here, f.rule, at+1)
	}
	for _, p := range r.patterns {
		if p.name.Match(key) {
			known = true
			ok = c.enter(here, p.rule, at+1) && ok
		}
	}
	if !known && r.additional != nil {
		if r.additional.never {
			ok = c.failUnknown(r, key) && ok
		} else {
			ok = c.enter(here, r.additional, at+1) && ok
		}
	}
	if r.propertyNames != nil {
		ok = c.enter(here, r.propertyNames, at) && ok
	}
	return ok, f.required
}

func (c *checker) checkLogic(r *rule, i int) bool {
	ok := true
	if r.ref != nil {
		ok = c.check(r.ref, i)
	}
	for _, s := range r.all {
		ok = c.check(s, i) && ok
	}
	if r.any != nil {
		ok = c.checkAny(r, r.any, i) && ok
	}
	if r.one != nil {
		ok = c.checkOne(r, i) && ok
	}
	if c.loose {
		return ok
	}
	if r.not != nil && c.holds(r.not, i) {
		ok = c.fail("has a form that is not allowed here")
	}
	if r.condition != nil {
		branch := r.otherwise
		if c.holds(r.condition, i) {
			branch = r.then
		}
		if branch != nil {
			ok = c.check(branch, i) && ok
		}
	}
	return ok
}

// holds tries a rule without noting problems.
func (c *checker) holds(r *rule, i int) bool {
	c.quiet++
	ok := c.check(r, i)
	c.quiet--
	return ok
}

func (c *checker) checkAny(r *rule, branches []*rule, i int) bool {
	for _, s := range branches {
		if c.holds(s, i) {
			return true
		}
	}
	return c.failBranches(r, branches, i)
}

func (c *checker) checkOne(r *rule, i int) bool {
	if c.loose {
		return c.checkAny(r, r.one, i)
	}
	held := 0
	for _, s := range r.one {
		if c.holds(s, i) {
			held++
		}
	}
	switch held {
	case 0:
		return c.failBranches(r, r.one, i)
	case 1:
		return true
	}
	return c.fail("matches " + strconv.Itoa(held) + " of the allowed forms; it has to match exactly one")
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}

func enumText(values []any) string {
	var b strings.Builder
	b.WriteString("has to be ")
	if len(values) > 1 {
		b.WriteString("one of ")
	}
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 12 {
			b.WriteString("…")
			break
		}
		j, _ := json.Marshal(v)
		b.WriteString(clip(string(j)))
	}
	return b.String()
}
