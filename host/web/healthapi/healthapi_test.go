// Copyright 2026 The Gantry Authors.

package healthapi_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/healthapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func serve(t *testing.T, cfg healthapi.Config) string {
	t.Helper()
	sf, err := healthapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return webtest.Serve(t, webtest.Server(t, web.Config{}, sf))
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	a := webtest.Do(t, &webtest.Request{URL: url})
	return a.StatusCode, a.Body
}

func probe(name string, f healthapi.Finding) healthapi.Probe {
	return healthapi.Probe{Name: name, Check: func(context.Context) healthapi.Finding { return f }}
}

func TestReady(t *testing.T) {
	ok := probe("store", healthapi.Finding{State: healthapi.OK})
	for name, c := range map[string]struct {
		probes []healthapi.Probe
		status int
		body   string
	}{
		"no probes is ready":                {nil, 200, `"status":"ready"`},
		"ok is ready":                       {[]healthapi.Probe{ok}, 200, `"store":{"state":"ok"}`},
		"degraded is ready and shown":       {[]healthapi.Probe{ok, probe("plugins", healthapi.Finding{State: healthapi.Degraded, Reason: "one was refused"})}, 200, "one was refused"},
		"failed is not ready and says":      {[]healthapi.Probe{ok, probe("disk", healthapi.Finding{State: healthapi.Failed, Reason: "it is full"})}, 503, `{"status":"not_ready","checks":{"disk":{"state":"failed","reason":"it is full"}`},
		"a state that is none is a failure": {[]healthapi.Probe{probe("odd", healthapi.Finding{})}, 503, "state"},
		"a panic is a failure": {[]healthapi.Probe{{Name: "bad", Check: func(context.Context) healthapi.Finding { panic("secret") }}},
			503, `"bad":{"state":"failed","reason":"the check failed"}`},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, healthapi.Config{Probes: c.probes})
			status, body := get(t, "http://"+addr+"/readyz")
			if status != c.status || !strings.Contains(body, c.body) {
				t.Errorf("got %d %s, want %d with %s", status, body, c.status, c.body)
			}
			if status, body := get(t, "http://"+addr+"/healthz"); status != 200 || body != `{"status":"ok"}` {
				t.Errorf("healthz: got %d %s", status, body)
			}
		})
	}
}

func TestACheckThatHangsFailsInTime(t *testing.T) {
	addr := serve(t, healthapi.Config{Timeout: 50 * time.Millisecond, Probes: []healthapi.Probe{
		{Name: "slow", Check: func(ctx context.Context) healthapi.Finding {
			<-ctx.Done()
			return healthapi.Finding{State: healthapi.Failed, Reason: "no answer"}
		}},
	}})
	if status, body := get(t, "http://"+addr+"/readyz"); status != 503 || !strings.Contains(body, "no answer") {
		t.Errorf("got %d %s", status, body)
	}
}

func TestAFloodOfRequestsIsNoFloodOfChecks(t *testing.T) {
	var checks atomic.Int64
	addr := serve(t, healthapi.Config{Probes: []healthapi.Probe{
		{Name: "counted", Check: func(context.Context) healthapi.Finding {
			checks.Add(1)
			return healthapi.Finding{State: healthapi.OK}
		}},
	}})
	begin := time.Now()
	for range 200 {
		get(t, "http://"+addr+"/readyz")
	}
	// Twice a second at most, however long the 200 requests took on this machine.
	if got, most := checks.Load(), int64(time.Since(begin)/(500*time.Millisecond))+1; got > most {
		t.Errorf("got %d checks, want at most %d", got, most)
	}
}

func TestNewRefusesAProbeWithoutAName(t *testing.T) {
	p := probe("a", healthapi.Finding{State: healthapi.OK})
	for name, probes := range map[string][]healthapi.Probe{
		"two of a name": {p, p}, "no name": {probe("", healthapi.Finding{})}, "no check": {{Name: "x"}},
	} {
		if _, err := healthapi.New(healthapi.Config{Probes: probes}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
