// Copyright 2026 The Gantry Authors.

package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// maxProblems is how many problems one answer lists.
const maxProblems = 8

// Problem is one thing that is wrong with an instance.
type Problem struct {
	// Field is a JSON pointer; "" is the whole input.
	Field string `json:"field"`
	// Problem says what is wrong and what to send, without the field's value.
	Problem string `json:"problem"`
}

// full tells that nothing more will be noted, so that looking further is in vain.
func (c *checker) full() bool {
	return c.quiet > 0 || len(c.problems) >= maxProblems || c.steps > MaxSteps
}

// fail notes a problem of the current value; it always returns false.
func (c *checker) fail(problem string) bool {
	if !c.full() {
		p := Problem{Field: c.pointer(), Problem: problem}
		if !slices.Contains(c.problems, p) {
			c.problems = append(c.problems, p)
		}
	}
	return false
}

func (c *checker) failAt(key, problem string) bool {
	if !c.full() {
		c.problems = append(c.problems, Problem{Field: c.pointer() + "/" + escapePointer(key), Problem: problem})
	}
	return false
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

func escapePointer(key string) string { return clip(pointerEscapes.Replace(key)) }

func (c *checker) pointer() string {
	var b strings.Builder
	for _, s := range c.path {
		b.WriteByte('/')
		if s.key != nil {
			b.WriteString(escapePointer(string(s.key)))
		} else {
			b.WriteString(strconv.Itoa(s.index))
		}
	}
	return b.String()
}

func (c *checker) failType(r *rule, i int) bool {
	if c.full() {
		return false
	}
	n := c.tape.nodes[i]
	got := [...]string{"null", "a boolean", "a boolean", "a number", "a string", "a list", "an object"}[n.kind]
	mend := ""
	switch {
	case n.kind == kindString && r.types&(isInteger|isNumber|isBoolean) != 0:
		mend = "; send it without quotes"
	case n.kind == kindNumber && r.types&isString != 0:
		mend = "; send it in quotes"
	case n.kind == kindString && r.types&(isObject|isArray) != 0:
		mend = "; send the JSON itself, not its text"
	}
	return c.fail("has to be " + r.types.words() + ", but is " + got + mend)
}

func (k kinds) words() string {
	var out []string
	for _, w := range []struct {
		kinds kinds
		word  string
	}{
		{isString, "a string"}, {isNumber, "a number"}, {isInteger, "an integer"}, {isBoolean, "true or false"},
		{isArray, "a list"}, {isObject, "an object"}, {isNull, "null"},
	} {
		if k&w.kinds != 0 && !(w.kinds == isInteger && k&isNumber != 0) {
			out = append(out, w.word)
		}
	}
	return strings.Join(out, " or ")
}

func (c *checker) failMissing(r *rule, i int) {
	n := c.tape.nodes[i]
	for _, name := range r.required {
		there := false
		for at := i + 1; at < int(n.next); at = int(c.tape.nodes[at+1].next) {
			if string(c.tape.text(at)) == name {
				there = true
				break
			}
		}
		if there || c.full() {
			continue
		}
		mend := ""
		if f := r.fields[name]; f.rule != nil && f.rule.types != 0 {
			mend = ", " + f.rule.types.words()
		}
		c.failAt(name, "is missing; send it"+mend)
	}
}

func (c *checker) failUnknown(r *rule, key []byte) bool {
	if c.full() {
		return false
	}
	mend := "; leave it out"
	if len(r.names) > 0 {
		if near := Nearest(string(key), r.names); near != "" {
			mend = fmt.Sprintf("; did you mean %q?", clip(near))
		} else {
			mend = "; the fields are " + clip(strings.Join(r.names, ", "))
		}
	}
	return c.failAt(string(key), "is not a field here"+mend)
}

// failBranches tells why no branch holds: with the problems of the branch that comes closest where
// one does, which is the one whose type fits.
func (c *checker) failBranches(r *rule, branches []*rule, i int) bool {
	if c.full() {
		return false
	}
	var fits []*rule
	var types kinds
	for _, b := range branches {
		types |= b.types
		if b.types == 0 || c.hasType(b.types, i) {
			fits = append(fits, b)
		}
	}
	switch {
	case len(fits) == 1:
		return c.check(fits[0], i)
	case len(fits) == 0 && types != 0:
		return c.failType(&rule{at: r.at, types: types}, i)
	}
	return c.fail("matches none of the " + strconv.Itoa(len(branches)) + " allowed forms")
}

// failure is the noted problems as one error.
func (c *checker) failure(op string) error {
	if len(c.problems) == 0 {
		c.problems = []Problem{{Problem: "does not match the tool's schema"}}
	}
	first := c.problems[0]
	at := "the input"
	if first.Field != "" {
		at = first.Field
	}
	more := ""
	if n := len(c.problems) - 1; n > 0 {
		more = fmt.Sprintf(" (and %s more; see details)", plural(n, "problem"))
	}
	err := host.Errorf(op, abi.CodeInvalidArg, "%s %s%s", at, first.Problem, more)
	err.Details, _ = json.Marshal(c.problems)
	return err
}

// rareWords says what is wrong where one of the keywords that only the library checks does not hold.
// The library's own words quote the value and print Go.
var rareWords = map[string]string{
	"uniqueItems":       "holds the same item twice; send each once",
	"contains":          "holds no item of the form that is asked for",
	"minContains":       "holds too few items of the form that is asked for",
	"maxContains":       "holds too many items of the form that is asked for",
	"dependentRequired": "has a field that asks for another one which is missing",
	"not":               "has a form that is not allowed here",
	"oneOf":             "has to match exactly one of the allowed forms",
}

// fromLibrary puts the library's words, which begin with the path in the schema, into our form.
func fromLibrary(op string, cause error) error {
	text := cause.Error()
	field := ""
	for {
		rest, ok := strings.CutPrefix(text, "validating ")
		if !ok {
			break
		}
		at, tail, ok := strings.Cut(rest, ": ")
		if !ok {
			break
		}
		text = tail
		if strings.HasPrefix(at, "/") {
			field = strings.ReplaceAll(at, "/properties/", "/")
		}
	}
	keyword, _, _ := strings.Cut(text, ":")
	problem, known := rareWords[keyword]
	if !known {
		problem = "does not match the tool's schema"
	}
	c := checker{problems: []Problem{{Field: field, Problem: problem}}}
	return c.failure(op)
}

// Nearest is the name that a slip of the hand would have turned into word, "" where none is near.
func Nearest(word string, names []string) string {
	best, least := "", 1+len(word)/3
	if len(word) > abi.MaxNameBytes {
		return ""
	}
	for _, name := range names {
		if len(name) > abi.MaxNameBytes {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < least || d == least && best == "" {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to put in, take out or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
