// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/web/controlapi"
	"github.com/gantryhost/gantry/host/web/healthapi"
	"github.com/gantryhost/gantry/registry"
)

// The states of a controlapi.Check.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// checks is what gantry doctor reports.
func (a *app) checks(ctx context.Context) []controlapi.Check {
	out := []controlapi.Check{
		{Name: "version", State: checkOK, Text: version},
		a.checkFolder(),
		a.checkStore(ctx, "state", a.state),
		a.checkStore(ctx, "runs", a.runs),
		a.checkKeys(ctx),
	}
	if a.tokens != nil {
		for _, st := range a.tokens.Statuses() {
			out = append(out, checkIssuer(&st))
		}
	}
	statuses := a.registry.Statuses()
	if len(statuses) == 0 {
		out = append(out, controlapi.Check{Name: "plugins", State: checkWarn, Text: "there are none",
			Mend: "put a .wasm file into " + a.s.Plugins + ", or build the host with make"})
	}
	for i := range statuses {
		out = append(out, a.checkPlugin(&statuses[i])...)
	}
	return out
}

func (a *app) checkFolder() controlapi.Check {
	c := controlapi.Check{Name: "data", State: checkOK, Text: a.dir.path}
	info, err := os.Stat(a.dir.path)
	switch {
	case err != nil:
		c.State, c.Text = checkFail, err.Error()
	case info.Mode().Perm()&0o077 != 0:
		c.State, c.Text = checkWarn, fmt.Sprintf("%s can be opened by other users (mode %04o)", a.dir.path, info.Mode().Perm())
		c.Mend = "chmod 700 " + a.dir.path
	}
	return c
}

// checkStore writes a record and reads it back.
func (a *app) checkStore(ctx context.Context, name string, st *badgerstore.Store) controlapi.Check {
	c := controlapi.Check{Name: name, State: checkOK, Text: "writes and reads"}
	if err := probeStore(ctx, st); err != nil {
		c.State, c.Text = checkFail, err.Error()
		c.Mend = "free some disk (see --min-free), or restore the folder from a backup"
	}
	return c
}

func probeStore(ctx context.Context, st store.Store) error {
	key := store.Key{"probe", "doctor"}
	if _, err := st.Put(ctx, key, []byte(time.Now().Format(time.RFC3339)), store.PutOptions{Expect: store.AnyRev, TTL: time.Hour}); err != nil {
		return err
	}
	_, err := st.Get(ctx, key)
	return err
}

func (a *app) checkKeys(ctx context.Context) controlapi.Check {
	c := controlapi.Check{Name: "keys", State: checkOK}
	all, err := a.keys.List(ctx, "")
	if err != nil {
		c.State, c.Text = checkFail, err.Error()
		return c
	}
	good := 0
	for _, k := range all {
		if k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(time.Now())) {
			good++
		}
	}
	c.Text = fmt.Sprintf("%d good, %d ended", good, len(all)-good)
	if good == 0 {
		c.State, c.Mend = checkWarn, "gantry token create"
	}
	return c
}

// checkPlugin reports a plugin's state and the credentials it lacks.
func (a *app) checkPlugin(p *registry.Status) []controlapi.Check {
	name := "plugin " + p.Name
	c := controlapi.Check{Name: name, State: checkOK, Text: fmt.Sprintf("%s, %d tools", p.State, len(p.Tools))}
	if p.Reason != "" {
		c.State, c.Text, c.Mend = checkFail, p.Reason, "replace the file, or remove it: gantry plugin remove "+p.Name
	}
	out := []controlapi.Check{c}
	for _, err := range a.egress.CheckCredentials(&p.Granted) {
		out = append(out, controlapi.Check{Name: name, State: checkWarn, Text: err.Error(),
			Mend: "set it where the host starts, or change from: in " + p.Name + ".yaml"})
	}
	return out
}

// probes are what /readyz asks.
func (a *app) probes() []healthapi.Probe {
	out := []healthapi.Probe{
		{Name: "store", Check: func(ctx context.Context) healthapi.Finding {
			if err := probeStore(ctx, a.state); err != nil {
				a.log.Error("the store does not take writes", "err", err)
				return healthapi.Finding{State: healthapi.Failed, Reason: "the store does not take writes"}
			}
			return healthapi.Finding{State: healthapi.OK}
		}},
		{Name: "plugins", Check: a.probePlugins},
	}
	if a.tokens != nil {
		out = append(out, healthapi.Probe{Name: "issuers", Check: a.probeIssuers})
	}
	return out
}

// refused is a plugin whose newest file is not served, as /readyz shows it.
type refused struct {
	Name   string         `json:"name"`
	State  registry.State `json:"state"`
	Reason string         `json:"reason"`
}

func (a *app) probePlugins(context.Context) healthapi.Finding {
	var bad []refused
	statuses := a.registry.Statuses()
	for i := range statuses {
		if p := &statuses[i]; p.Reason != "" {
			bad = append(bad, refused{p.Name, p.State, p.Reason})
		}
	}
	if len(bad) > 0 {
		return healthapi.Finding{State: healthapi.Degraded, Reason: fmt.Sprintf("%d of %d plugins are refused", len(bad), len(statuses)), Detail: bad}
	}
	return healthapi.Finding{State: healthapi.OK}
}
