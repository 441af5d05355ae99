// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"slices"
	"sync"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// maxNews bounds the announcements that wait to be sent; more are dropped. A client that missed one
// finds the new state when it lists or reads again.
const maxNews = 256

// views keeps one view for each kind of caller that has come by.
type views struct {
	s    *Server
	news chan func()
	done sync.WaitGroup

	mu    sync.Mutex
	byKey map[string]*view
	clock uint64
}

func newViews(s *Server) *views {
	vs := &views{s: s, byKey: make(map[string]*view), news: make(chan func(), maxNews)}
	vs.done.Go(vs.announce)
	return vs
}

// viewName tells which callers share a view: those to whom the pipeline lists the same.
func viewName(p *host.Principal) string { return string(appendViewName(nil, p)) }

func appendViewName(b []byte, p *host.Principal) []byte {
	b = append(append(b, p.Tenant...), 0)
	b = append(append(b, p.Kind...), 0)
	b = append(b, p.Workspace...)
	if p.MetaTools {
		b = append(b, "\x00meta"...)
	}
	scopes := append(make([]host.Scope, 0, 8), p.Scopes...)
	slices.Sort(scopes)
	for _, sc := range scopes {
		b = append(append(b, 0), sc...)
	}
	return b
}

// get returns the principal's view, filled.
func (vs *views) get(p *host.Principal) *view {
	key := appendViewName(make([]byte, 0, 256), p)
	vs.mu.Lock()
	v := vs.byKey[string(key)]
	if v == nil {
		v = newView(vs.s, p)
		vs.byKey[string(key)] = v
		if len(vs.byKey) > vs.s.cfg.MaxViews {
			vs.evict(v)
		}
	}
	vs.clock++
	v.used = vs.clock
	vs.mu.Unlock()
	v.first.Do(v.fill)
	return v
}

// evict forgets the view that was not used for longest, but not keep nor one with sessions: those
// have to hear of changes.
func (vs *views) evict(keep *view) {
	var oldest string
	for key, v := range vs.byKey {
		if v != keep && !v.inUse() && (oldest == "" || v.used < vs.byKey[oldest].used) {
			oldest = key
		}
	}
	delete(vs.byKey, oldest)
}

func (vs *views) all() []*view {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	out := make([]*view, 0, len(vs.byKey))
	for _, v := range vs.byKey {
		out = append(out, v)
	}
	return out
}

func (vs *views) refresh() {
	for _, v := range vs.all() {
		v.fill()
	}
}

func (vs *views) of(tenant host.TenantID) []*view {
	return slices.DeleteFunc(vs.all(), func(v *view) bool { return tenant != "" && v.who.Tenant != tenant })
}

func (vs *views) changed(tenant host.TenantID, plugin string, c abi.Changed) {
	vs.later(func() {
		for _, v := range vs.of(tenant) {
			v.changed(plugin, c)
		}
	})
}

func (vs *views) resourceUpdated(tenant host.TenantID, uri string) {
	vs.later(func() {
		for _, v := range vs.of(tenant) {
			v.resourceUpdated(uri)
		}
	})
}

// later queues an announcement, so that a slow client cannot hold up the plugin that made it.
func (vs *views) later(news func()) {
	select {
	case vs.news <- news:
	default:
		vs.s.cfg.Logger.Warn("an announcement of a change was dropped; too many are waiting", "limit", maxNews)
	}
}

// announce sends the announcements, one after the other, until the server closes.
func (vs *views) announce() {
	for {
		select {
		case news := <-vs.news:
			news()
		case <-vs.s.ctx.Done():
			return
		}
	}
}

// closeSessions ends every session of every view.
func (vs *views) closeSessions() {
	var all sync.WaitGroup
	for _, v := range vs.all() {
		for ss := range v.server.Sessions() {
			all.Go(func() { _ = ss.Close() }) // a transport that is broken already is closed enough
		}
	}
	all.Wait()
	vs.done.Wait()
}

// callContext is ctx with the principal, ended also by the server's Close and with the credential.
func (s *Server) callContext(ctx context.Context, p *host.Principal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(host.WithPrincipal(ctx, p))
	stop := context.AfterFunc(s.ctx, cancel)
	release := s.holds.add(p.CredentialID, cancel)
	return ctx, func() {
		release()
		stop()
		cancel()
	}
}
