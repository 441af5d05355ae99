// Copyright 2026 The Gantry Authors.

package main

import (
	"net/url"
	"strings"
)

func (r *renderer) image(t *token) {
	alt := strings.Join(strings.Fields(t.attrs["alt"]), " ")
	src := r.resolve(t.attrs["src"])
	switch {
	case alt == "":
	case r.markdown && src != "":
		r.put("![" + alt + "](" + src + ")")
	default:
		r.put(alt)
	}
}

// open notes an element whose text close wraps.
func (r *renderer) open(t *token) {
	if !r.markdown || r.pre > 0 {
		return
	}
	if len(r.marks) == maxDepth {
		r.marks = r.marks[1:] // one that was never closed
	}
	r.marks = append(r.marks, mark{tag: t.tag, from: -1, href: t.attrs["href"]})
}

func (r *renderer) close(tag string) {
	for i := len(r.marks) - 1; i >= 0; i-- {
		if r.marks[i].tag == tag {
			m := r.marks[i]
			r.marks = r.marks[:i]
			r.wrap(m)
			return
		}
	}
}

// wrap puts the mark around the text since it was opened. Text over several lines stays bare.
func (r *renderer) wrap(m mark) {
	if m.from < 0 {
		return
	}
	inner := strings.TrimSpace(string(r.out[m.from:]))
	if inner == "" || strings.Contains(inner, "\n") {
		return
	}
	before, after := "", ""
	switch m.tag {
	case "a":
		if href := r.resolve(m.href); href != "" {
			before, after = "[", "]("+href+")"
		}
	case "b", "strong":
		before, after = "**", "**"
	case "i", "em":
		before, after = "*", "*"
	case "code":
		before, after = "`", "`"
	}
	r.out = append(append(append(r.out[:m.from], before...), inner...), after...)
}

// resolve makes a link absolute; links that lead nowhere for a reader are "".
func (r *renderer) resolve(ref string) string {
	ref = strings.TrimSpace(ref)
	if ref == "" || strings.HasPrefix(ref, "#") || len(ref) > 4096 {
		return ""
	}
	u, err := url.Parse(ref)
	if err != nil {
		return ""
	}
	if r.base != nil {
		u = r.base.ResolveReference(u)
	}
	switch u.Scheme {
	case "http", "https", "mailto", "":
		return strings.NewReplacer("(", "%28", ")", "%29", " ", "%20").Replace(u.String())
	}
	return ""
}
