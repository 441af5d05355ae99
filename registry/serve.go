// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"
)

// act carries outcomes out: one new snapshot for all of them, then the old generations are let go of
// and the history is written. It tells whether what is served changed. The caller has the turn.
func (r *Registry) act(outcomes ...outcome) bool {
	var changes []Change
	var keep []outcome
	r.mu.Lock()
	for _, o := range outcomes {
		before := o.entry.rec.Pin
		from := o.entry.served
		r.stage(o)
		to := o.entry.served
		if from != to {
			changes = append(changes, Change{Plugin: o.entry.name, From: from, To: to})
		}
		o.pinned = o.entry.rec.Pin != before
		if from != to && to != nil || o.pinned {
			keep = append(keep, o)
		}
	}
	if len(changes) > 0 {
		r.served = maps.Clone(r.served)
		for _, c := range changes {
			if delete(r.served, c.Plugin); c.To != nil {
				r.served[c.Plugin] = c.To
			}
		}
		r.snap.Store(newSnapshot(r.snap.Load().generation+1, r.served))
		r.news.announce(changes)
	}
	r.mu.Unlock()
	for _, c := range changes {
		if c.From != nil {
			r.retire(c.From)
		}
	}
	for _, o := range keep {
		r.remember(o)
	}
	return len(changes) > 0
}

// stage brings one entry up to date. It holds mu.
func (r *Registry) stage(o outcome) {
	e := o.entry
	if o.kind == outcomeUnsettled {
		return
	}
	e.last, e.looked, e.missing = o.now, true, time.Time{}
	switch o.kind {
	case outcomeRefused:
		r.refuse(e, o.err, false)
		return
	case outcomeGone:
		r.withdraw(e, "its file is gone")
		e.refusal, e.state = nil, StateAbsent
	case outcomeDisabled:
		r.withdraw(e, "it is disabled")
		e.refusal, e.state = nil, StateDisabled
	case outcomeUnchanged:
		e.refusal, e.state = nil, StateServing
	case outcomeReady:
		if !r.take(o) {
			return
		}
	}
	e.rec.Pin = o.pin
	if e.rec.Pin != nil && e.state == StateServing {
		e.state = StatePinned
	}
}

// take makes a generation of a proven build, if its names are free.
func (r *Registry) take(o outcome) bool {
	e := o.entry
	p := &Plugin{
		Name: e.name, Digest: o.build.digest, Source: o.build.source, Generation: e.count + 1,
		LoadedAt: time.Now().UTC(), Manifest: o.manifest, Settings: o.settings,
	}
	p.life.start(o.guest)
	if err := r.collision(p); err != nil {
		r.refuse(e, err, true)
		r.retire(p)
		return false
	}
	if e.served != nil {
		r.unclaim(e.served)
	}
	r.claimFor(p)
	e.served, e.count, e.refusal, e.state = p, p.Generation, nil, StateServing
	r.cfg.Logger.Info("plugin served", "plugin", p.Name, "version", p.Manifest.Version, "digest", p.Digest,
		"source", p.Source, "generation", p.Generation)
	if o.err != nil {
		r.refuse(e, o.err, false)
	}
	return true
}

func (r *Registry) refuse(e *entry, err error, collided bool) {
	why := reason(err)
	level := slog.LevelWarn
	if e.refusal != nil && e.refusal.reason == why {
		level = slog.LevelDebug // told before
	}
	e.refusal = &refusal{reason: why, at: time.Now().UTC(), collided: collided}
	if more, ok := errors.AsType[*waitingError](err); ok {
		e.refusal.waiting = &more.Waiting
	}
	serving := ""
	if e.served == nil {
		e.state = StateRefused
	} else {
		serving = e.served.Digest
	}
	r.cfg.Logger.Log(context.Background(), level, "plugin refused", "plugin", e.name, "reason", why, "still_serving", serving)
}

func (r *Registry) withdraw(e *entry, why string) {
	if e.served == nil {
		return
	}
	r.unclaim(e.served)
	e.served = nil
	r.cfg.Logger.Info("plugin withdrawn", "plugin", e.name, "reason", why)
}

// remember writes to the history what has begun to be served. A full disk must not stop serving, so
// a failure is only told.
func (r *Registry) remember(o outcome) {
	e := o.entry
	rec, news := e.rec, o.pinned
	if p := e.served; p != nil && o.kind == outcomeReady && rec.Pin == nil && o.err == nil && !rec.newest(p.Digest) {
		rec = rec.add(versionOf(p, p.Manifest))
		if p.Source != SourceEmbedded {
			if err := r.history.keep(e.name, p.Digest, o.build.wasm); err != nil {
				r.cfg.Logger.Error("a version cannot be kept", "plugin", e.name, "error", err)
				return
			}
		}
		r.mu.Lock()
		e.rec, news = rec, true
		r.mu.Unlock()
	}
	if !news {
		return
	}
	if err := r.history.save(e.name, rec, o.pinned || o.consent == Agreed); err != nil {
		r.cfg.Logger.Error("the history cannot be written", "plugin", e.name, "error", err)
	}
}
