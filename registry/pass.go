// Copyright 2026 The Gantry Authors.

package registry

import (
	"cmp"
	"context"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gantryhost/gantry/host"
)

// how says how patient a look at the folder is.
type how int

const (
	// lookSettled leaves alone what is still being written.
	lookSettled how = iota
	// lookNow reads everything that changed, and tries again what was refused.
	lookNow
	// lookFirst is lookNow for the start: everything is served in one swap.
	lookFirst
)

// loaders is how many plugins are loaded at once.
const loaders = 2

// pass compares the folder with what is served and brings the two together. It returns after how long
// it should be called again because files are not settled, 0 for not. The error is about the folder;
// then everything that is served stays.
func (r *Registry) pass(ctx context.Context, h how) (time.Duration, error) {
	if err := r.takeTurn(ctx); err != nil {
		return 0, err
	}
	defer r.endTurn()
	list, err := r.list()
	r.noteFolder(err)
	if err != nil {
		return 0, err
	}
	again, due := r.due(list, h)
	retry, changed := r.work(ctx, due, list, h)
	if changed && h != lookFirst {
		r.retryCollided(ctx, list)
	}
	return sooner(again, retry), ctx.Err()
}

func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func (r *Registry) list() (map[string]seen, error) {
	if r.cfg.Dir == "" {
		return nil, nil
	}
	return r.folder.list()
}

// noteFolder keeps the state of the folder for Problems.
func (r *Registry) noteFolder(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.folderProblem = nil
	case r.folderProblem == nil:
		r.folderProblem = &refusal{reason: "the plugins folder cannot be read: " + err.Error(), at: time.Now().UTC()}
		r.cfg.Logger.Error("the plugins folder cannot be read; what is served stays", "error", err)
	}
}

// entryOf finds or makes the entry of a name. The caller has the turn.
func (r *Registry) entryOf(name string) *entry {
	if e, ok := r.entries[name]; ok {
		return e
	}
	e := &entry{name: name, state: StateAbsent}
	if rec, err := r.history.load(name); err != nil {
		r.cfg.Logger.Error("a history cannot be read; it begins anew", "plugin", name, "error", err)
	} else {
		e.rec = rec
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[name] = e
	return e
}

// due are the entries to look at, in order of names.
func (r *Registry) due(list map[string]seen, h how) (again time.Duration, due []*entry) {
	names := slices.Concat(slices.Collect(maps.Keys(list)), slices.Collect(maps.Keys(r.embedded)), slices.Collect(maps.Keys(r.entries)))
	slices.Sort(names)
	touched := r.touched.drain()
	for _, name := range slices.Compact(names) {
		e := r.entryOf(name)
		wait, is := r.isDue(e, list[name], h, touched[name])
		if is {
			due = append(due, e)
		} else if touched[name] {
			r.touched.add(name)
		}
		again = sooner(again, wait)
	}
	return again, due
}

func (r *Registry) isDue(e *entry, now seen, h how, touched bool) (wait time.Duration, due bool) {
	if e.looked && !touched && now.same(e.last) {
		e.missing = time.Time{}
		return 0, h != lookSettled && e.refusal != nil
	}
	if h != lookSettled {
		return 0, true
	}
	wait = max(r.unsettled(now.module), r.unsettled(now.settings), r.vanished(e, now))
	return wait, wait == 0
}

// unsettled is how long a file has to be left alone still. A time in the future, from another
// machine's clock, cannot be waited for.
func (r *Registry) unsettled(f fs.FileInfo) time.Duration {
	if f == nil {
		return 0
	}
	age := time.Since(f.ModTime())
	if age < 0 || age >= r.cfg.Debounce {
		return 0
	}
	return max(r.cfg.Debounce-age, time.Millisecond)
}

// vanished gives a file that is gone a moment to come back: many programs replace a file by deleting
// it first, and a plugin must not leave over that.
func (r *Registry) vanished(e *entry, now seen) time.Duration {
	if (e.last.module == nil || now.module != nil) && (e.last.settings == nil || now.settings != nil) {
		e.missing = time.Time{}
		return 0
	}
	if e.missing.IsZero() {
		e.missing = time.Now()
	}
	return max(0, 4*r.cfg.Debounce-time.Since(e.missing))
}

// work resolves the entries, a few at once, and acts on each as it comes; at the start, on all
// together.
func (r *Registry) work(ctx context.Context, due []*entry, list map[string]seen, h how) (again time.Duration, changed bool) {
	results := make([]outcome, 0, len(due))
	for o := range r.resolveAll(ctx, due, list) {
		if o.kind == outcomeUnsettled {
			again = r.cfg.Debounce
			r.touched.add(o.entry.name)
		}
		if h == lookFirst {
			results = append(results, o)
			continue
		}
		changed = r.act(o) || changed
	}
	if h == lookFirst {
		slices.SortFunc(results, func(a, b outcome) int { return cmp.Compare(a.entry.name, b.entry.name) })
		changed = r.act(results...)
	}
	return again, changed
}

// resolveAll sends the outcomes in any order and closes the channel after the last. The caller reads
// all of them: an outcome may hold an open guest.
func (r *Registry) resolveAll(ctx context.Context, due []*entry, list map[string]seen) <-chan outcome {
	out := make(chan outcome)
	next := make(chan *entry)
	var workers sync.WaitGroup
	for range min(loaders, len(due)) {
		workers.Go(func() {
			for e := range next {
				out <- r.resolve(ctx, e, list[e.name])
			}
		})
	}
	go func() {
		for _, e := range due {
			next <- e
		}
		close(next)
		workers.Wait()
		close(out)
	}()
	return out
}

// retryCollided tries those again whose names were taken, now that something has changed. Each round
// serves at least one more, so it ends.
func (r *Registry) retryCollided(ctx context.Context, list map[string]seen) {
	for range len(r.entries) {
		var due []*entry
		for _, name := range slices.Sorted(maps.Keys(r.entries)) {
			if e := r.entries[name]; e.refusal != nil && e.refusal.collided {
				due = append(due, e)
			}
		}
		if len(due) == 0 {
			return
		}
		if _, changed := r.work(ctx, due, list, lookNow); !changed {
			return
		}
	}
}

// Rescan looks at the folder now and returns when all of it is served or refused. It tries again
// what was refused. The error is about the folder, not about a plugin; see Problems for those.
func (r *Registry) Rescan(ctx context.Context) error {
	again, err := r.pass(ctx, lookNow)
	for ; err == nil && again > 0; again, err = r.pass(ctx, lookNow) {
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	if err != nil {
		return host.E("registry.Rescan", host.CodeOf(err), err)
	}
	return nil
}
