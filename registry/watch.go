// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// touchedNames are the plugins whose files somebody said have changed. They are read again even if
// size and time look the same: a clock's tick is coarser than two quick writes.
type touchedNames struct {
	mu    sync.Mutex
	names map[string]bool
}

func (t *touchedNames) add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = map[string]bool{}
	}
	t.names[name] = true
}

// drain returns the names and forgets them.
func (t *touchedNames) drain() map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := t.names
	t.names = nil
	return names
}

// watch hears of changes in the folder. Where the system offers no notices, its channels are nil and
// the poll does the work alone.
type watch struct {
	dir    string
	logger *slog.Logger
	notify *fsnotify.Watcher
	// at is the folder that is watched, to see when another one has taken its name.
	at fs.FileInfo
}

func newWatch(c Config) *watch {
	w := &watch{dir: c.Dir, logger: c.Logger}
	if c.Dir == "" {
		return w
	}
	n, err := fsnotify.NewWatcher()
	if err != nil {
		w.logger.Warn("the system sends no notice of changes; the plugins folder is polled", "error", err)
		return w
	}
	w.notify = n
	w.renew()
	return w
}

// renew watches the folder again if it is not the one that was watched.
func (w *watch) renew() {
	if w.notify == nil {
		return
	}
	now, err := os.Stat(w.dir)
	if err != nil {
		w.at = nil
		return
	}
	if w.at != nil && os.SameFile(w.at, now) && len(w.notify.WatchList()) > 0 {
		return
	}
	_ = w.notify.Remove(w.dir) // an error says that it was not watched
	if err := w.notify.Add(w.dir); err != nil {
		w.at = nil
		w.logger.Warn("the plugins folder cannot be watched and is polled", "error", err)
		return
	}
	w.at = now
}

func (w *watch) events() (<-chan fsnotify.Event, <-chan error) {
	if w.notify == nil {
		return nil, nil
	}
	return w.notify.Events, w.notify.Errors
}

func (w *watch) close() {
	if w.notify != nil {
		_ = w.notify.Close()
	}
}

// follow looks at the folder when something changed there, and every now and then, until ctx ends.
func (r *Registry) follow(ctx context.Context, w *watch) {
	events, failures := w.events()
	poll := time.NewTicker(r.cfg.Poll)
	defer poll.Stop()
	soon := newAlarm()
	defer soon.stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if name, _, is := splitName(filepath.Base(e.Name)); is {
				r.touched.add(name)
			}
			soon.within(r.cfg.Debounce)
		case err, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			r.cfg.Logger.Warn("notices of changes were lost; the plugins folder is looked through", "error", err)
			soon.within(r.cfg.Debounce)
		case <-poll.C:
			w.renew()
			r.gentlePass(ctx, soon)
		case <-soon.timer.C:
			soon.set = false
			r.gentlePass(ctx, soon)
		}
	}
}

func (r *Registry) gentlePass(ctx context.Context, soon *alarm) {
	if wait, err := r.pass(ctx, lookSettled); err == nil && wait > 0 {
		soon.within(wait)
	}
}

// alarm rings once, at the earliest time it was asked for.
type alarm struct {
	timer *time.Timer
	set   bool
	at    time.Time
}

func newAlarm() *alarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &alarm{timer: t}
}

func (a *alarm) within(d time.Duration) {
	at := time.Now().Add(d)
	if a.set && a.at.Before(at) {
		return
	}
	a.set, a.at = true, at
	a.timer.Reset(d)
}

func (a *alarm) stop() { a.timer.Stop() }
