// Copyright 2026 The Gantry Authors.

package runapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/registry"
)

// StreamLimit is how long one stream stays open.
const StreamLimit = 5 * time.Minute

// Pipeline starts runs and tells of them, as the principal of the context. A run of somebody else
// is abi.CodeNotFound.
type Pipeline interface {
	// Tools are those the principal may call, in order of their names.
	Tools(ctx context.Context) []registry.ToolRef
	// Start checks the request, the tool's input schema included, and returns when the run is
	// recorded. The same RequestID returns the same run, and abi.CodeConflict where it was used for
	// another request.
	Start(ctx context.Context, r invoke.Request) (invoke.Run, error)
	Run(ctx context.Context, callID string) (invoke.Run, error)
	// Events reads what a run said after the event of the number after.
	Events(ctx context.Context, callID string, after uint64) (invoke.Stream, error)
	// Cancel ends a run and returns where it stands then; a run that has ended stays as it is.
	Cancel(ctx context.Context, callID string) (invoke.Run, error)
	// CancelAll ends the principal's runs and returns how many there were.
	CancelAll(ctx context.Context) (int, error)
}

// Config is what the surface needs.
type Config struct {
	Pipeline Pipeline
	// Name and Version of the host go into the manifest.
	Name, Version string
	// StreamLimit replaces the five minutes; 0 keeps them.
	StreamLimit time.Duration
}

type api struct {
	Config
	// over is a context that has ended; see gather.
	over context.Context
}

// New returns the surface, or an error that names the setting that is missing.
func New(cfg Config) (web.Surface, error) {
	if cfg.Pipeline == nil {
		return web.Surface{}, host.Errorf("runapi.New", abi.CodeInvalidArg, "Pipeline is missing")
	}
	if cfg.StreamLimit <= 0 {
		cfg.StreamLimit = StreamLimit
	}
	over, end := context.WithCancel(context.Background())
	end()
	a := &api{cfg, over}
	return web.Surface{
		Name:     "runs",
		Prefixes: []string{"/mcp/manifest", "/mcp/execute", "/mcp/stream", "/mcp/cancel", "/mcp/cancel_all", "/mcp/calls"},
		Routes:   a.routes(),
		Row:      Row,
	}, nil
}

// executeRequest is the body of POST /mcp/execute.
type executeRequest struct {
	Tool      string          `json:"tool"`
	Input     json.RawMessage `json:"input"`
	SessionID string          `json:"session_id"`
	RequestID string          `json:"request_id"`
	Metadata  json.RawMessage `json:"metadata"`
}

// The bounds of what is kept with a run.
const (
	idLimit       = 128
	metadataLimit = 16 << 10
)

// check names the first field that is wrong.
func (r *executeRequest) check() error {
	bad := func(format string, args ...any) error {
		return host.Errorf("runapi.execute", abi.CodeInvalidArg, format, args...)
	}
	switch {
	case r.Tool == "":
		return bad("tool: is missing; it names the tool to run")
	case len(r.Tool) > idLimit:
		return bad("tool: is longer than %d bytes", idLimit)
	case !objectOrAbsent(r.Input):
		return bad("input: has to be an object, the tool's arguments")
	case !objectOrAbsent(r.Metadata):
		return bad("metadata: has to be an object")
	case len(r.Metadata) > metadataLimit:
		return bad("metadata: has %d bytes; at most 16 KiB are kept", len(r.Metadata))
	case !validID(r.RequestID):
		return bad("request_id: has to be 1 to %d printable ASCII characters", idLimit)
	case !validID(r.SessionID):
		return bad("session_id: has to be 1 to %d printable ASCII characters", idLimit)
	}
	return nil
}

func objectOrAbsent(raw json.RawMessage) bool { return len(raw) == 0 || raw[0] == '{' }

// validID takes the empty id for one that was left out.
func validID(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return len(s) <= idLimit
}

type executeAnswer struct {
	CallID string        `json:"call_id"`
	Status invoke.Status `json:"status"`
}

// execute always answers "started", also to a repeated request_id whose run is over by now: equal
// requests get equal answers. Where the run stands is for /mcp/calls to say.
func (a *api) execute(c *web.Ctx) error {
	var body executeRequest
	if err := c.Bind(&body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	run, err := a.Pipeline.Start(c.Context(), invoke.Request{
		Tool: body.Tool, Input: body.Input, RequestID: body.RequestID, SessionID: body.SessionID,
		Metadata: body.Metadata, Surface: "rest",
	})
	if err != nil {
		return err
	}
	// A call id has nothing to escape.
	c.Bytes(200, "application/json", []byte(`{"call_id":"`+run.CallID+`","status":"`+string(invoke.StatusStarted)+`"}`))
	return nil
}

func (a *api) call(c *web.Ctx) error {
	id, err := callID(c)
	if err != nil {
		return err
	}
	run, err := a.Pipeline.Run(c.Context(), id)
	if err != nil {
		return callError(id, err)
	}
	return c.JSON(200, callAnswer{Run: run, Error: errorOf(run.Error)})
}

// callAnswer is a run with its error in this surface's words.
type callAnswer struct {
	invoke.Run
	Error *errorData `json:"error,omitempty"`
}

func (a *api) cancel(c *web.Ctx) error {
	id, err := callID(c)
	if err != nil {
		return err
	}
	run, err := a.Pipeline.Cancel(c.Context(), id)
	if err != nil {
		return callError(id, err)
	}
	return c.JSON(200, executeAnswer{CallID: run.CallID, Status: run.Status})
}

func (a *api) cancelAll(c *web.Ctx) error {
	n, err := a.Pipeline.CancelAll(c.Context())
	if err != nil {
		return err
	}
	return c.JSON(200, struct {
		Cancelled int `json:"cancelled"`
	}{n})
}

// callID refuses what cannot be one before it becomes part of a store's key.
func callID(c *web.Ctx) (string, error) {
	id := c.Param("call_id")
	if id == "" || len(id) > 64 || !validID(id) {
		return "", host.Errorf("runapi.callID", codeCallNotFound, "that is not the id of a call")
	}
	return id, nil
}
