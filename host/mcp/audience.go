// Copyright 2026 The Gantry Authors.

package mcp

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gantryhost/gantry/host"
)

// lists are kinds of list, a bit for each.
type lists uint8

const (
	listTools lists = 1 << iota
	listPrompts
	listResources // and templates
)

var allLists = [...]lists{listTools, listPrompts, listResources}

// method is the notification that one of the lists has changed.
func (k lists) method() string {
	switch k {
	case listTools:
		return "notifications/tools/list_changed"
	case listPrompts:
		return "notifications/prompts/list_changed"
	}
	return "notifications/resources/list_changed"
}

// announceDelay is how long changes of lists are collected before they are told, as in the SDK.
const announceDelay = 10 * time.Millisecond

// restless is how long after a change of a list a session stays awake: for the SDK, which tells its
// sessions of it after a while too.
const restless = time.Second

// audience are those on a view who have to be told of changes: change streams, and sessions that are
// asleep, which the SDK does not know at the time.
type audience struct {
	mu    sync.Mutex
	of    map[member]struct{}
	due   lists
	timer *time.Timer
	last  time.Time // of a change
}

// member is told of changes, from any goroutine, and perhaps once more when it has gone.
type member interface {
	tell(changed lists)
	updated(uri string)
}

func (a *audience) add(m member) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.join(m)
}

// join is add for a caller that holds a.mu.
func (a *audience) join(m member) {
	if a.of == nil {
		a.of = make(map[member]struct{})
	}
	a.of[m] = struct{}{}
}

// addQuiet adds m, unless there was a change just now.
func (a *audience) addQuiet(m member) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.last) < restless {
		return false
	}
	a.join(m)
	return true
}

// remove returns the changes that m has not been told of.
func (a *audience) remove(m member) (due lists) {
	a.mu.Lock()
	defer a.mu.Unlock()
	due = a.due
	delete(a.of, m)
	if len(a.of) > 0 {
		return due
	}
	a.of = nil // a map keeps the room of all that were in it
	if a.due = 0; a.timer != nil {
		a.timer.Stop()
	}
	return due
}

func (a *audience) empty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.of) == 0
}

// changed tells the streams of lists that have changed, once those have been left alone for a moment.
func (a *audience) changed(kind lists) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = time.Now()
	if len(a.of) == 0 {
		return
	}
	a.due |= kind
	if a.timer == nil {
		a.timer = time.AfterFunc(announceDelay, a.tell)
	} else {
		a.timer.Reset(announceDelay)
	}
}

func (a *audience) tell() {
	a.mu.Lock()
	due, members := a.due, slices.Collect(maps.Keys(a.of))
	a.due = 0
	a.mu.Unlock()
	for _, m := range members {
		m.tell(due)
	}
}

func (a *audience) updated(uri string) {
	a.mu.Lock()
	members := slices.Collect(maps.Keys(a.of))
	a.mu.Unlock()
	for _, m := range members {
		m.updated(uri)
	}
}

// join puts a stream into the audience of its view, which is not evicted after that.
func (vs *views) join(p *host.Principal, l *Listener) {
	key := viewName(p)
	for {
		vs.mu.Lock()
		if vs.byKey[key] == l.view {
			l.view.audience.add(l)
			vs.mu.Unlock()
			return
		}
		vs.mu.Unlock()
		l.view = vs.get(p)
	}
}

// agree is what the view can tell of what is asked for, by the rules of the SDK. It is false where the
// stream would have nothing to tell, or is to follow what does not exist: the SDK has the words for it.
func (v *view) agree(asked lists, uris [][]byte) (lists, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	resources := len(v.resources)+len(v.templates) > 0
	if len(v.prompts) == 0 {
		asked &^= listPrompts
	}
	if !resources {
		asked &^= listResources
	}
	if !resources || !v.follows() {
		return asked, asked != 0 && len(uris) == 0
	}
	for _, uri := range uris {
		if _, known := v.resources[string(uri)]; !known && len(v.templates) == 0 {
			return 0, false
		}
	}
	return asked, asked != 0 || len(uris) > 0
}

// follows tells whether single resources can be followed: a workspace is plain storage.
func (v *view) follows() bool { return v.who.Kind != host.KindWorkspace }
