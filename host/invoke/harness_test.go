// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/journal"
	"github.com/gantryhost/gantry/host/runlog"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/registry"
)

func TestMain(m *testing.M) {
	if dir := killedChildDir(); dir != "" {
		killedChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// serve is what a fake guest does.
type serve func(ctx context.Context, c *host.GuestCall) (host.Output, error)

// plugin is one fake plugin: its tools in order, and what else it offers.
type plugin struct {
	manifest abi.Manifest
	settings string
	serve    []serve
	// other answers the entries that are no tools.
	other serve
}

// tool adds a tool.
func (p *plugin) tool(t abi.Tool, f serve) *plugin {
	p.manifest.Tools = append(p.manifest.Tools, t)
	p.serve = append(p.serve, f)
	return p
}

func (p *plugin) Call(ctx context.Context, c *host.GuestCall) (host.Output, host.Usage, error) {
	f := p.other
	if c.Entry == host.EntryTool {
		f = p.serve[c.Index]
	}
	if f == nil {
		return host.Output{}, host.Usage{}, errors.New("the fake has no such entry")
	}
	out, err := f(ctx, c)
	return out, host.Usage{Wall: time.Millisecond, Fuel: 7, PeakBytes: 1 << 16}, err
}

func (p *plugin) Close(context.Context) error { return nil }

type loader map[string]*plugin

func (l loader) Load(_ context.Context, a *registry.Artifact) (host.Guest, *abi.Manifest, error) {
	p := l[a.Name]
	return p, &p.manifest, p.manifest.Validate()
}

// entries is a journal that keeps everything.
type entries struct {
	mu  sync.Mutex
	all []journal.Entry
}

func (j *entries) Record(e journal.Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, e)
}

func (j *entries) of(tool string) []journal.Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []journal.Entry
	for _, e := range j.all {
		if e.Tool == tool {
			out = append(out, e)
		}
	}
	return out
}

type harness struct {
	*invoke.Pipeline
	reg     *registry.Registry
	journal *entries
	store   store.Store
	log     *runlog.Log
}

// start makes a pipeline over a real registry with fake guests. All ends with the test.
func start(t testing.TB, change func(*invoke.Config), plugins ...*plugin) *harness {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	h := startOn(t, s, change, plugins...)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { h.stop(t) })
	return h
}

func startOn(t testing.TB, s store.Store, change func(*invoke.Config), plugins ...*plugin) *harness {
	t.Helper()
	files, l := fstest.MapFS{}, loader{}
	for _, p := range plugins {
		p.manifest.ABI = abi.Version
		l[p.manifest.Name] = p
		files[p.manifest.Name+".wasm"] = &fstest.MapFile{Data: []byte("\x00asm\x01\x00\x00\x00" + p.manifest.Name)}
		if p.settings != "" {
			files[p.manifest.Name+".yaml"] = &fstest.MapFile{Data: []byte(p.settings)}
		}
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	reg, err := registry.Open(registry.Config{Embedded: files, Loader: l, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	for _, pr := range reg.Problems() {
		t.Fatalf("%+v", pr)
	}
	h := &harness{reg: reg, journal: &entries{}, store: s}
	if h.log, err = runlog.Open(runlog.Config{Store: s, Logger: log, FlushEvery: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	c := invoke.Config{Catalog: reg, Runs: s, Log: h.log, Journal: h.journal, Logger: log, SealKey: make([]byte, 32)}
	if change != nil {
		change(&c)
	}
	if h.Pipeline, err = invoke.New(c); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *harness) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	soon, cancelSoon := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancelSoon()
	if err := errors.Join(h.Drain(soon), h.reg.Close(ctx), h.log.Close(ctx)); err != nil {
		t.Error(err)
	}
}

// as is a context of a caller with the scopes to call any tool.
func as(tenant, user string, scopes ...host.Scope) context.Context {
	if scopes == nil {
		scopes = []host.Scope{host.ScopeWriteTools}
	}
	return host.WithPrincipal(context.Background(), &host.Principal{
		Tenant: host.TenantID(tenant), User: user, Kind: host.KindOrg, Scopes: scopes, CredentialID: "k_" + user,
	})
}

func text(s string) (host.Output, error) {
	return host.Output{Kind: abi.OutputText, Data: []byte(s)}, nil
}

func echo(_ context.Context, c *host.GuestCall) (host.Output, error) {
	return host.Output{Kind: abi.OutputStructured, Data: append([]byte(nil), c.Input...)}, nil
}

// op asks the host as a guest does.
func op[R any](ctx context.Context, c *host.GuestCall, name string, req any) (R, error) {
	var r R
	in, err := json.Marshal(req)
	if err != nil {
		return r, err
	}
	out, err := c.Border.Op(ctx, name, in)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

const textSchema = `{"type":"object","properties":{"text":{"type":"string"}},"additionalProperties":false}`

// demo has a tool of every kind that the tests need.
func demo() *plugin {
	p := &plugin{manifest: abi.Manifest{Name: "demo"}}
	p.tool(abi.Tool{Name: "echo", InputSchema: json.RawMessage(textSchema), Annotations: abi.Annotations{ReadOnly: true}}, echo)
	p.tool(abi.Tool{Name: "write"}, echo)
	p.tool(abi.Tool{Name: "fail", ErrorCode: "OPENAI_ERROR"}, func(context.Context, *host.GuestCall) (host.Output, error) {
		return host.Output{}, &abi.Error{Code: abi.CodeUpstream, Message: "the service said no", Retryable: true}
	})
	p.tool(abi.Tool{Name: "wait"}, func(ctx context.Context, _ *host.GuestCall) (host.Output, error) {
		<-ctx.Done()
		return host.Output{}, host.E("fake", host.CodeOf(ctx.Err()), ctx.Err())
	})
	p.tool(abi.Tool{Name: "stream"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		var in struct{ N int }
		if err := json.Unmarshal(c.Input, &in); err != nil {
			return host.Output{}, err
		}
		all := ""
		for i := range in.N {
			piece := fmt.Sprintf("<%d>", i)
			if err := c.Border.Emit(ctx, abi.EventPartial, []byte(piece)); err != nil {
				return host.Output{}, err
			}
			if i%3 == 0 {
				data := fmt.Appendf(nil, `{"done":%d,"total":%d}`, i, in.N)
				if err := c.Border.Emit(ctx, abi.EventProgress, data); err != nil {
					return host.Output{}, err
				}
			}
			all += piece
		}
		return text(all)
	})
	return p
}

// counted wraps a tool so that its executions are counted.
func counted(n *atomic.Int64, f serve) serve {
	return func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		n.Add(1)
		return f(ctx, c)
	}
}

func wantCode(t testing.TB, err error, want abi.Code) {
	t.Helper()
	if got := host.CodeOf(err); got != want {
		t.Fatalf("got %q (%v), want %q", got, err, want)
	}
}
