// Copyright 2026 The Gantry Authors.

package main

// compare makes a script from a to b: the shortest one (Myers 1986, in linear space) unless the texts
// are so different that looking for it would take too long, in which case it is merely correct.
func compare(a, b []string) []edit {
	c := &comparison{a: a, b: b, ia: make([]int, len(a)), ib: make([]int, len(b))}
	ids := map[string]int{} // lines as numbers compare faster
	number := func(lines []string, into []int) {
		for i, line := range lines {
			id, ok := ids[line]
			if !ok {
				id = len(ids)
				ids[line] = id
			}
			into[i] = id
		}
	}
	number(a, c.ia)
	number(b, c.ib)
	size := 2*min((len(a)+len(b)+1)/2, maxDistance) + 3
	c.forward, c.backward = make([]int, size), make([]int, size)
	c.walk(0, len(a), 0, len(b))
	return c.script
}

// maxDistance bounds the search for one middle point; 2,000 by 2,000 steps take a few milliseconds.
const maxDistance = 2000

type comparison struct {
	a, b              []string
	ia, ib            []int
	forward, backward []int
	script            []edit
}

// walk adds the script for a[a0:a1] and b[b0:b1]: what is equal at both ends is kept, the rest is
// divided at a point that a shortest path goes through.
func (c *comparison) walk(a0, a1, b0, b1 int) {
	for a0 < a1 && b0 < b1 && c.ia[a0] == c.ib[b0] {
		c.keep(a0)
		a0, b0 = a0+1, b0+1
	}
	tail := 0
	for a0 < a1-tail && b0 < b1-tail && c.ia[a1-tail-1] == c.ib[b1-tail-1] {
		tail++
	}
	a1, b1 = a1-tail, b1-tail
	switch x, y, ok := 0, 0, false; {
	case a0 == a1 || b0 == b1:
		c.replace(a0, a1, b0, b1)
	default:
		if x, y, ok = c.middle(a0, a1, b0, b1); !ok || x == a0 && y == b0 || x == a1 && y == b1 {
			c.replace(a0, a1, b0, b1)
			break
		}
		c.walk(a0, x, b0, y)
		c.walk(x, a1, y, b1)
	}
	for i := range tail {
		c.keep(a1 + i)
	}
}

func (c *comparison) keep(i int) { c.script = append(c.script, edit{' ', c.a[i]}) }

func (c *comparison) replace(a0, a1, b0, b1 int) {
	for ; a0 < a1; a0++ {
		c.script = append(c.script, edit{'-', c.a[a0]})
	}
	for ; b0 < b1; b0++ {
		c.script = append(c.script, edit{'+', c.b[b0]})
	}
}

// middle looks for a point in the middle of a shortest path from both ends at once; false where the
// distance is beyond maxDistance. forward[k] is how far along a the best path on diagonal k (x-y)
// has come from the start, backward[k] the same from the end.
func (c *comparison) middle(a0, a1, b0, b1 int) (x, y int, ok bool) {
	n, m := a1-a0, b1-b0
	delta := n - m
	limit := min((n+m+1)/2, maxDistance)
	off := limit + 1
	f, r := c.forward, c.backward
	f[off+1], r[off+1] = 0, 0
	for d := 0; d <= limit; d++ {
		for k := -d; k <= d; k += 2 {
			x := further(f, off, k, d)
			start := x
			for x < n && x-k >= 0 && x-k < m && c.ia[a0+x] == c.ib[b0+x-k] {
				x++
			}
			f[off+k] = x
			if back := delta - k; delta%2 != 0 && back >= -(d-1) && back <= d-1 && x+r[off+back] >= n && inside(start, start-k, n, m) {
				return a0 + start, b0 + start - k, true
			}
		}
		for k := -d; k <= d; k += 2 {
			x := further(r, off, k, d)
			start := x
			for x < n && x-k >= 0 && x-k < m && c.ia[a1-1-x] == c.ib[b1-1-x+k] {
				x++
			}
			r[off+k] = x
			if ahead := delta - k; delta%2 == 0 && ahead >= -d && ahead <= d && x+f[off+ahead] >= n && inside(start, start-k, n, m) {
				return a1 - start, b1 - start + k, true
			}
		}
	}
	return 0, 0, false
}

// further takes the better of the two moves onto diagonal k: one line of b, or one of a.
func further(v []int, off, k, d int) int {
	if k == -d || k != d && v[off+k-1] < v[off+k+1] {
		return v[off+k+1]
	}
	return v[off+k-1] + 1
}

func inside(x, y, n, m int) bool { return x >= 0 && y >= 0 && x <= n && y <= m }
