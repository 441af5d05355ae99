// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/controlapi"
	"github.com/gantryhost/gantry/host/web/driveapi"
	"github.com/gantryhost/gantry/host/web/healthapi"
	"github.com/gantryhost/gantry/host/web/infoapi"
	"github.com/gantryhost/gantry/host/web/memoryapi"
	"github.com/gantryhost/gantry/host/web/metricsapi"
	"github.com/gantryhost/gantry/host/web/runapi"
	"github.com/gantryhost/gantry/host/web/skillsapi"
)

// listeners are the doors of a serving host: the network's and the operator's.
type listeners struct {
	web  *web.Server
	door *http.Server
	// metrics is nil where they have no address of their own.
	metrics *http.Server
	socket  string
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// start opens the doors. What it returns gets one error when the network's ends by itself.
func (a *app) start(listener net.Listener) (<-chan error, error) {
	server, err := a.surfaces()
	if err != nil {
		return nil, err
	}
	socket, err := a.dir.socketPath()
	if err != nil {
		return nil, err
	}
	local, err := listenUnix(socket)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &listeners{web: server, door: a.control(), socket: socket, cancel: cancel}
	if err := a.openMetricsDoor(n); err != nil {
		cancel()
		_ = local.Close()
		return nil, err
	}
	a.net = n
	ended := make(chan error, 1)
	n.wg.Go(func() {
		if err := server.Serve(ctx, listener); err != nil && ctx.Err() == nil {
			ended <- fmt.Errorf("serving on %s: %w", listener.Addr(), err)
		}
	})
	n.wg.Go(func() { a.recoverRuns(ctx) })
	// What the start has read and parsed is garbage now, and with many plugins most of the memory.
	n.wg.Go(debug.FreeOSMemory)
	n.wg.Go(func() {
		if err := n.door.Serve(local); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("control socket", "err", err)
		}
	})
	return ended, a.dir.announce(holder{
		PID: os.Getpid(), Socket: socket, Listen: listener.Addr().String(), StartedAt: a.started,
	})
}

// recoverRuns ends the runs that a killed host left under way.
func (a *app) recoverRuns(ctx context.Context) {
	n, err := a.pipeline.Recover(ctx)
	if err != nil && ctx.Err() == nil {
		a.log.Error("looking for interrupted runs", "err", err)
	}
	if n > 0 {
		a.log.Warn("runs were interrupted when the host last ended", "runs", n)
	}
}

// listenUnix opens the control socket for this user alone. A socket that a killed host left behind
// is replaced: the data folder's lock says that nobody uses it.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

// requestMargin is how much more than a request may have is read of it, so that who sends a little too
// much gets an answer: one whose body is not read gets its connection cut.
const requestMargin = 1 << 20

// surfaces mounts everything the network sees.
func (a *app) surfaces() (*web.Server, error) {
	level := slog.LevelDebug
	if a.s.AccessLog {
		level = slog.LevelInfo
	}
	server, err := web.New(web.Config{
		Auth:           credentials{a.keys, a.tokens},
		Logger:         a.log,
		AccessLevel:    level,
		AllowedOrigins: a.s.Origins,
		AllowedHosts:   a.s.Hosts,
		Grace:          a.s.Drain,
		BodyLimit:      int(a.s.MaxRequest) + requestMargin,
		JSONLimit:      int(a.s.MaxRequest),
		ConnsPerIP:     a.s.MaxConnections,
	})
	if err != nil {
		return nil, err
	}
	rest, err := runapi.New(runapi.Config{Pipeline: a.pipeline, Name: a.s.ServerName, Version: version})
	if err != nil {
		return nil, err
	}
	shelves, err := driveapi.New(a.drive)
	if err != nil {
		return nil, err
	}
	skilled, err := skillsapi.New(a.skills)
	if err != nil {
		return nil, err
	}
	memories, err := memoryapi.New(a.memory)
	if err != nil {
		return nil, err
	}
	health, err := healthapi.New(healthapi.Config{Probes: a.probes()})
	if err != nil {
		return nil, err
	}
	info, err := infoapi.New(infoapi.Config{BaseURL: a.s.baseURL(), ServerName: a.s.ServerName})
	if err != nil {
		return nil, err
	}
	numbers, err := metricsapi.New(a.metrics)
	if err != nil {
		return nil, err
	}
	surfaces, err := a.guarded(health, info, rest, shelves, memories, skilled, numbers)
	if err != nil {
		return nil, err
	}
	for _, s := range surfaces {
		if err := server.Mount(s); err != nil {
			return nil, err
		}
	}
	return server, server.MountOpenAPI("/openapi.json", web.Info{
		Title: "Gantry", Version: version, Description: "Tools as sandboxed WebAssembly plugins, over REST.",
	})
}

// farewell is what sessions and connections get to end after the calls have.
const farewell = 5 * time.Second

// stop closes the doors: new calls are refused, running ones get until ctx ends. What they said last
// still goes out.
func (a *app) stop(ctx context.Context) {
	if a.net == nil {
		return
	}
	if err := a.pipeline.Drain(ctx); err != nil {
		a.log.Warn("calls were cut off", "err", err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := a.mcp.Close(end); err != nil {
		a.log.Warn("sessions were cut off", "err", err)
	}
	if err := a.net.web.Shutdown(end); err != nil {
		a.log.Warn("connections were cut off", "err", err)
	}
	_ = a.net.door.Close()
	if a.net.metrics != nil {
		_ = a.net.metrics.Close()
	}
	a.net.cancel()
	a.net.wg.Wait()
}

// control is the operator's door onto this host.
func (a *app) control() *http.Server {
	return &http.Server{Handler: controlapi.Handler(controlapi.Config{
		Keys: a.keys, Plugins: a.registry, Caller: a.pipeline, Skills: a.skills, Drive: a.drive, Memory: a.memory, Tenants: a.tenants,
		Quotas: a.quota,
		Checks: a.checks, Info: a.info, Logger: a.log,
	})}
}

func (a *app) info() controlapi.Info {
	i := controlapi.Info{Version: version, PID: os.Getpid(), Data: a.dir.path, Plugins: a.s.Plugins, StartedAt: a.started}
	if a.net != nil {
		i.Listen, i.URL = a.s.Listen, a.s.baseURL()
	}
	return i
}
