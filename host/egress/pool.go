// Copyright 2026 The Gantry Authors.

package egress

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// grant is what one plugin may reach, with the connections that were made under it. A connection is
// never shared between grant sets: it was judged under one.
type grant struct {
	rules
	transport *http.Transport
}

// pools keeps the latest maxPools grants. It is used under Service.mu.
type pools struct {
	byKey map[string]*list.Element
	order *list.List // of *pooled, latest first
}

type pooled struct {
	key string
	*grant
}

func newPools() pools { return pools{byKey: map[string]*list.Element{}, order: list.New()} }

func (p *pools) get(key string) *grant {
	e, ok := p.byKey[key]
	if !ok {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*pooled).grant
}

func (p *pools) put(key string, g *grant) {
	p.byKey[key] = p.order.PushFront(&pooled{key, g})
	if p.order.Len() <= maxPools {
		return
	}
	oldest := p.order.Remove(p.order.Back()).(*pooled)
	delete(p.byKey, oldest.key)
	oldest.transport.CloseIdleConnections()
}

func (p *pools) closeAll() {
	for e := p.order.Front(); e != nil; e = e.Next() {
		e.Value.(*pooled).transport.CloseIdleConnections()
	}
	*p = newPools()
}

// grantFor returns the grant of the call's plugin.
func (s *Service) grantFor(call *host.CallInfo) (*grant, error) {
	const op = "egress.Fetch"
	rights := call.Granted
	if rights == nil {
		rights = &abi.Rights{}
	}
	key := grantKey(call.Plugin, rights)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, host.Errorf(op, abi.CodeUnavailable, "the host is stopping")
	}
	if g := s.pools.get(key); g != nil {
		return g, nil
	}
	r, errs := compile(rights)
	if len(errs) > 0 {
		return nil, host.Errorf(op, abi.CodeForbidden, "the grants of plugin %s cannot be read: %w", call.Plugin, errors.Join(errs...)).
			WithHint("mend grants in %s.yaml", call.Plugin)
	}
	g := &grant{rules: r}
	g.transport = s.transport(g)
	s.pools.put(key, g)
	return g, nil
}

// grantKey spells out everything that makes two grants differ.
func grantKey(plugin string, r *abi.Rights) string {
	var b strings.Builder
	write := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(strconv.Itoa(len(p)))
			b.WriteByte(':')
			b.WriteString(p)
		}
		b.WriteByte('\n')
	}
	write(plugin)
	write(r.Hosts...)
	write(r.Private...)
	for _, c := range r.Credentials {
		write(c.Name, c.Host, c.Header, c.Query, c.Template, c.From, strconv.FormatBool(c.Optional))
	}
	return b.String()
}

func (s *Service) transport(g *grant) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // a proxy would connect for us, past the guard
		DialContext:            s.dialer(g),
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.cfg.RootCAs},
		TLSHandshakeTimeout:    s.cfg.DialTimeout,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

// dialer connects under the guard. The address is judged by the system call's last stop, after the
// name has been resolved: what was judged is what is connected to.
func (s *Service) dialer(g *grant) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		name, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		t := target{host: name}
		t.addr, _ = netip.ParseAddr(name)
		if t.port, err = parsePort(port); err != nil {
			return nil, err
		}
		var private []netip.Prefix
		if g.names(t) {
			private = g.private
		}
		d := net.Dialer{
			Timeout:  s.cfg.DialTimeout,
			Resolver: s.cfg.Resolver,
			ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
				ap, err := netip.ParseAddrPort(resolved)
				if err != nil {
					return err
				}
				return guard(ap.Addr(), private)
			},
		}
		return d.DialContext(ctx, "tcp", addr)
	}
}
