// Copyright 2026 The Gantry Authors.

// Package healthapi tells whether the host lives and whether it can serve: GET /healthz and
// GET /readyz, for load balancers, without a credential.
//
// It probes nothing by itself; what there is to ask is handed in as probes. Nor does it tell
// secrets: a probe's words are read by anybody who can reach the host.
package healthapi

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// The states of a check.
const (
	OK       = "ok"
	Degraded = "degraded"
	Failed   = "failed"
)

// Finding is what a probe found. Degraded is for what an operator should see although the host
// serves, such as a plugin that was refused; Failed makes the host not ready.
type Finding struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Detail is a JSON value for people and dashboards, such as the refused plugins with reasons.
	Detail any `json:"detail,omitempty"`
}

// Probe is one question that readiness asks.
type Probe struct {
	Name string
	// Check is called at most once at a time and at most twice a second. It has to end with ctx.
	Check func(ctx context.Context) Finding
}

// Config is what the surface needs.
type Config struct {
	Probes []Probe
	// Timeout bounds one probe; one that takes longer counts as failed. 0 is 2 s.
	Timeout time.Duration
}

type api struct {
	probes  []*probe
	timeout time.Duration
}

// freshFor is how long a finding counts, so that a flood of requests is no flood of checks.
const freshFor = 500 * time.Millisecond

// probe runs one check at a time. Who holds the turn may use last and at.
type probe struct {
	Probe
	turn chan struct{}
	last Finding
	at   time.Time
}

// New returns the surface, or an error that names the probe that is wrong.
func New(cfg Config) (web.Surface, error) {
	a := &api{timeout: cfg.Timeout}
	if a.timeout <= 0 {
		a.timeout = 2 * time.Second
	}
	seen := make(map[string]bool)
	for _, p := range cfg.Probes {
		if p.Name == "" || p.Check == nil || seen[p.Name] {
			return web.Surface{}, host.Errorf("healthapi.New", abi.CodeInvalidArg,
				"probe %q: needs a name of its own and a check", p.Name)
		}
		seen[p.Name] = true
		a.probes = append(a.probes, &probe{Probe: p, turn: make(chan struct{}, 1)})
	}
	return web.Surface{Name: "health", Prefixes: []string{"/healthz", "/readyz"}, Routes: a.routes()}, nil
}

func (a *api) routes() []web.Route {
	return []web.Route{
		{
			Method: "GET", Path: "/healthz", Public: true, Handler: a.health,
			Doc: web.Doc{
				ID: "healthz", Summary: "Whether the host lives",
				Answers: []web.AnswerDoc{{
					Status: 200, Description: "It does", Example: `{"status":"ok"}`,
					Schema: json.RawMessage(`{"type":"object","required":["status"],"properties":{"status":{"const":"ok"}}}`),
				}},
			},
		},
		{
			Method: "GET", Path: "/readyz", Public: true, Handler: a.ready,
			Doc: web.Doc{
				ID: "readyz", Summary: "Whether the host can serve",
				Description: "A degraded check, such as a refused plugin, is shown and does not make the host unready.",
				Answers: []web.AnswerDoc{
					{Status: 200, Description: "It can", Schema: json.RawMessage(readySchema)},
					{Status: 503, Description: "It cannot; the checks say why", Schema: json.RawMessage(readySchema)},
				},
			},
		},
	}
}

const readySchema = `{"type":"object","required":["status","checks"],"properties":{` +
	`"status":{"type":"string","enum":["ready","not_ready"]},` +
	`"checks":{"type":"object","additionalProperties":{"type":"object","required":["state"],"properties":{` +
	`"state":{"type":"string","enum":["ok","degraded","failed"]},"reason":{"type":"string"},"detail":{}}}}}}`

func (a *api) health(c *web.Ctx) error {
	return c.JSON(200, struct {
		Status string `json:"status"`
	}{"ok"})
}

type readyAnswer struct {
	Status string             `json:"status"`
	Checks map[string]Finding `json:"checks"`
}

func (a *api) ready(c *web.Ctx) error {
	ctx, cancel := context.WithTimeout(c.Context(), a.timeout)
	defer cancel()
	out := readyAnswer{Status: "ready", Checks: make(map[string]Finding, len(a.probes))}
	findings := make([]Finding, len(a.probes))
	var wg sync.WaitGroup
	for i, p := range a.probes {
		wg.Go(func() { findings[i] = p.ask(ctx) })
	}
	wg.Wait()
	status := 200
	for i, p := range a.probes {
		out.Checks[p.Name] = findings[i]
		if findings[i].State == Failed {
			status, out.Status = 503, "not_ready"
		}
	}
	if status == 503 {
		c.SetHeader("Retry-After", "1")
	}
	return c.JSON(status, out)
}

// ask runs the check in turn; one that waits for its turn longer than the timeout has failed.
func (p *probe) ask(ctx context.Context) Finding {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return Finding{State: Failed, Reason: "the check takes too long"}
	}
	if time.Since(p.at) >= freshFor {
		p.last = p.check(ctx)
		p.at = time.Now()
	}
	return p.last
}

func (p *probe) check(ctx context.Context) (f Finding) {
	defer func() {
		if r := recover(); r != nil {
			f = Finding{State: Failed, Reason: "the check failed"}
		}
	}()
	f = p.Check(ctx)
	if f.State != OK && f.State != Degraded && f.State != Failed {
		return Finding{State: Failed, Reason: fmt.Sprintf("the check answered the state %q", f.State)}
	}
	return f
}
