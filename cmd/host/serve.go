// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func newServe(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the plugins' tools over MCP and REST",
		Long: `Serve the plugins' tools: MCP at /mcp, REST runs at /mcp/execute and its neighbours,
/healthz and /readyz for whoever watches, /openapi.json for whoever reads.

SIGINT or SIGTERM stops: new calls are refused, running ones get --drain to end, a second
signal ends at once.`,
		Example: `  gantry serve --quickstart
  GANTRY_LISTEN=0.0.0.0:8000 gantry serve --hosts gantry.example.com --origins https://app.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return s.serve(ctx, cmd, stop)
		},
	}
	s.bindServe(cmd.Flags())
	return cmd
}

func (s *settings) logger(cmd *cobra.Command) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // check has read it before
	opts := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), opts))
	}
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), opts))
}

func (s *settings) serve(ctx context.Context, cmd *cobra.Command, restoreSignals func()) error {
	dir, err := holdDataDir(s.Data)
	var held errHeld
	if errors.As(err, &held) {
		return inUse(s.Data, held.holder)
	} else if err != nil {
		return err
	}
	defer dir.release()

	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", s.Listen, err)
	}
	s.Listen = listener.Addr().String()
	log := s.logger(cmd)
	a, err := openApp(ctx, s, dir, log)
	if err != nil {
		_ = listener.Close()
		return err
	}
	served, err := a.start(listener)
	if err != nil {
		_ = listener.Close()
		a.close(context.WithoutCancel(ctx))
		return err
	}
	quiet, unquiet := context.WithCancel(ctx)
	var upkeep sync.WaitGroup
	upkeep.Go(func() { giveBack(quiet) })
	defer upkeep.Wait()
	defer unquiet()
	if err := s.greet(ctx, cmd, a); err != nil {
		log.Error("greeting failed", "err", err)
	}
	select {
	case err = <-served:
	case <-ctx.Done():
		restoreSignals() // from here on a second signal ends the process at once
		log.Info("stopping", "drain", s.Drain)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Drain)
	defer cancel()
	a.stop(drain)
	grace, cancelGrace := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancelGrace()
	a.close(grace)
	log.Info("stopped")
	return err
}
