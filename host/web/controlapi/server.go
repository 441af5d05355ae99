// Copyright 2026 The Gantry Authors.

package controlapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/keys"
	"github.com/gantryhost/gantry/registry"
)

// maxModule bounds an uploaded module; the sandbox has a bound of its own below it.
const maxModule = 64 << 20

// Keys is what the door needs of the key service.
type Keys interface {
	Issue(ctx context.Context, r keys.IssueRequest) (secret string, k keys.Key, err error)
	List(ctx context.Context, tenant host.TenantID) ([]keys.Key, error)
	Revoke(ctx context.Context, id string) error
}

// Plugins is what the door needs of the registry.
type Plugins interface {
	Statuses() []registry.Status
	Status(name string) (registry.Status, bool)
	Install(ctx context.Context, name string, wasm []byte, consent registry.Consent) (registry.Status, error)
	Approve(ctx context.Context, name, digest string) (registry.Status, error)
	Remove(ctx context.Context, name string) error
	Rollback(ctx context.Context, name, digest string) (registry.Status, error)
}

// Caller is what the door needs of the pipeline.
type Caller interface {
	Call(ctx context.Context, r invoke.Request, s invoke.Sink) (*invoke.Answer, error)
}

// Config names the parts behind the door. All are needed.
type Config struct {
	Keys    Keys
	Plugins Plugins
	Caller  Caller
	Skills  Skills
	Quotas  Quotas
	Drive   Drive
	Tenants Tenants
	Memory  Memory
	// Checks runs doctor's checks.
	Checks func(ctx context.Context) []Check
	Info   func() Info
	Logger *slog.Logger
}

// Handler returns the door. It may be served on any number of listeners, none of them a network's.
func Handler(c Config) http.Handler {
	d := &door{c}
	mux := http.NewServeMux()
	routes := map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/info":                     d.info,
		"POST /v1/tokens":                  d.createToken,
		"GET /v1/tokens":                   d.listTokens,
		"DELETE /v1/tokens/{id}":           d.revokeToken,
		"GET /v1/plugins":                  d.listPlugins,
		"GET /v1/plugins/{name}":           d.plugin,
		"PUT /v1/plugins/{name}":           d.install,
		"DELETE /v1/plugins/{name}":        d.remove,
		"POST /v1/plugins/{name}/rollback": byDigest(c.Plugins.Rollback),
		"POST /v1/plugins/{name}/approve":  byDigest(c.Plugins.Approve),
		"GET /v1/doctor":                   d.doctor,
		"POST /v1/call":                    d.call,
	}
	maps.Copy(routes, d.skillRoutes())
	maps.Copy(routes, d.quotaRoutes())
	maps.Copy(routes, d.driveRoutes())
	maps.Copy(routes, d.tenantRoutes())
	maps.Copy(routes, d.memoryRoutes())
	for pattern, fn := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := fn(w, r); err != nil {
				d.fail(w, r, err)
			}
		})
	}
	return mux
}

type door struct{ Config }

// fail writes err. The operator owns the host, so a cause is shown that a network caller would not see.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	out := host.Outward(err)
	if out.Code == abi.CodeInternal {
		out.Message = err.Error()
		d.Logger.Error("control", "path", r.URL.Path, "err", err)
	}
	status := http.StatusInternalServerError
	switch out.Code {
	case abi.CodeInvalidArg, abi.CodeContract:
		status = http.StatusBadRequest
	case abi.CodeNotFound, abi.CodeUnknownTool:
		status = http.StatusNotFound
	case abi.CodeConflict:
		status = http.StatusConflict
	case abi.CodeUnavailable, abi.CodeBusy:
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, Problem{out})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked has gone
}

func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, 16<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return host.Errorf("control", abi.CodeInvalidArg, "the request body: %w", err)
	}
	return nil
}

func (d *door) info(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, d.Info())
	return nil
}

func (d *door) createToken(w http.ResponseWriter, r *http.Request) error {
	var req TokenRequest
	if err := readJSON(r, &req); err != nil {
		return err
	}
	if req.Kind == "" {
		req.Kind = host.KindOrg
	}
	if req.Tenant == "" {
		req.Tenant = host.DefaultTenant
	}
	if req.Tools != "" && req.Tools != ToolsAll && req.Tools != ToolsMeta {
		return host.Errorf("control", abi.CodeInvalidArg, "tools: %q is not all or meta", req.Tools)
	}
	secret, k, err := d.Keys.Issue(r.Context(), keys.IssueRequest{
		Kind: req.Kind, Tenant: req.Tenant, User: req.User, Workspace: req.Workspace,
		Scopes: req.Scopes, TTL: req.TTL, Name: req.Name, MetaTools: req.Tools == ToolsMeta,
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, NewToken{Token: tokenOf(k), Secret: secret})
	return nil
}

func (d *door) listTokens(w http.ResponseWriter, r *http.Request) error {
	all, err := d.Keys.List(r.Context(), host.TenantID(r.URL.Query().Get("tenant")))
	if err != nil {
		return err
	}
	out := make([]Token, len(all))
	for i, k := range all {
		out[i] = tokenOf(k)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func tokenOf(k keys.Key) Token {
	tools := ToolsAll
	if k.MetaTools {
		tools = ToolsMeta
	}
	return Token{
		ID: k.ID, Kind: k.Kind, Tenant: k.Tenant, User: k.User, Workspace: k.Workspace,
		Scopes: k.Scopes, Name: k.Name, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt,
		LastUsed: k.LastUsed, RevokedAt: k.RevokedAt, Tools: tools,
	}
}

func (d *door) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := d.Keys.Revoke(r.Context(), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *door) listPlugins(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, d.Plugins.Statuses())
	return nil
}

func (d *door) plugin(w http.ResponseWriter, r *http.Request) error {
	st, ok := d.Plugins.Status(r.PathValue("name"))
	if !ok {
		return host.Errorf("control", abi.CodeNotFound, "there is no plugin %q", r.PathValue("name")).
			WithHint("gantry plugin list shows what there is")
	}
	writeJSON(w, http.StatusOK, st)
	return nil
}

func (d *door) install(w http.ResponseWriter, r *http.Request) error {
	wasm, err := io.ReadAll(io.LimitReader(r.Body, maxModule+1))
	if err != nil {
		return host.Errorf("control", abi.CodeInvalidArg, "reading the module: %w", err)
	}
	if len(wasm) > maxModule {
		return host.Errorf("control", abi.CodeLimit, "the module is longer than %d bytes", maxModule)
	}
	st, err := d.Plugins.Install(r.Context(), r.PathValue("name"), wasm, registry.Consent(r.URL.Query().Get("agree") == "true"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, st)
	return nil
}

func (d *door) remove(w http.ResponseWriter, r *http.Request) error {
	if err := d.Plugins.Remove(r.Context(), r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// byDigest is a route that does something with the version that the request names.
func byDigest(do func(ctx context.Context, name, digest string) (registry.Status, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var req VersionRequest
		if err := readJSON(r, &req); err != nil {
			return err
		}
		st, err := do(r.Context(), r.PathValue("name"), req.Digest)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, st)
		return nil
	}
}

func (d *door) doctor(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, http.StatusOK, d.Checks(r.Context()))
	return nil
}

// call streams a call as JSON lines. The operator may do anything, within the tenant they name.
func (d *door) call(w http.ResponseWriter, r *http.Request) error {
	var req CallRequest
	if err := readJSON(r, &req); err != nil {
		return err
	}
	if req.Tenant == "" {
		req.Tenant = host.DefaultTenant
	}
	if !req.Tenant.Valid() {
		return host.Errorf("control", abi.CodeInvalidArg, "tenant: %q is not a tenant id", req.Tenant)
	}
	ctx := host.WithPrincipal(r.Context(), &host.Principal{
		Tenant: req.Tenant, User: "operator", Kind: host.KindAdmin, Scopes: host.AllScopes(), CredentialID: "control",
	})
	lines := &lineSink{w: w, flush: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "application/x-ndjson")
	a, err := d.confirmedCall(ctx, invoke.Request{Tool: req.Tool, Input: req.Input, Surface: "cli"}, lines, req.Confirm)
	switch {
	case err != nil:
		lines.write(CallEvent{Error: d.outward(err)})
	case a.InputRequired != nil:
		lines.write(CallEvent{Error: &abi.Error{Code: abi.CodeClientCapability,
			Message: "the tool asks its caller a question, which only an MCP client can answer"}})
	default:
		lines.write(CallEvent{Result: a.Result})
	}
	return nil
}

// confirmedCall makes a call, and where a person has to confirm it says yes for the operator, if that
// is the operator's word.
func (d *door) confirmedCall(ctx context.Context, r invoke.Request, s invoke.Sink, yes bool) (*invoke.Answer, error) {
	a, err := d.Caller.Call(ctx, r, s)
	if !yes || !invoke.Unconfirmed(err) {
		return a, err
	}
	question := r
	question.Client.Can = []string{abi.ClientElicitation}
	if a, err = d.Caller.Call(ctx, question, nil); err != nil || a.InputRequired == nil {
		return a, err
	}
	r.State = a.InputRequired.State
	r.Answers = map[string]json.RawMessage{invoke.ConfirmKey: json.RawMessage(`{"action":"accept","content":{"confirm":true}}`)}
	return d.Caller.Call(ctx, r, s)
}

func (d *door) outward(err error) *abi.Error {
	out := host.Outward(err)
	if out.Code == abi.CodeInternal {
		out.Message = err.Error()
	}
	return out
}

// lineSink writes what a call says as JSON lines.
type lineSink struct {
	mu    sync.Mutex
	w     io.Writer
	flush *http.ResponseController
}

func (s *lineSink) write(ev CallEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.flush.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a pipe has none
	if json.NewEncoder(s.w).Encode(ev) == nil {
		_ = s.flush.Flush() // the request's context tells when the reader has gone
	}
}

// Partial writes a piece of the answer.
func (s *lineSink) Partial(text string) { s.write(CallEvent{Partial: text}) }

// Progress writes how far the call is.
func (s *lineSink) Progress(p abi.Progress) { s.write(CallEvent{Progress: &p}) }

// Log writes a line of the plugin's log.
func (s *lineSink) Log(level abi.LogLevel, line string) {
	s.write(CallEvent{Log: &LogLine{Level: level, Text: line}})
}
