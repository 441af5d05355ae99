// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/host"
)

// firstModern is the first protocol version without sessions, lastSession the last with them.
const (
	firstModern = "2026-07-28"
	lastSession = "2025-11-25"
)

// maxDepth bounds how deep the JSON of a request may nest: a message's own frame and arguments of
// the depth a schema check allows. Decoders recurse, and a stack overflow ends the process.
const maxDepth = 128

// The headers of the protocol.
const (
	headerVersion = "Mcp-Protocol-Version"
	headerSession = "Mcp-Session-Id"
)

// refusal is a request that is answered at the edge.
type refusal struct {
	status  int
	code    int64
	message string
	// id is the request's and data goes with the message, both in JSON, where there are any.
	id, data json.RawMessage
}

// ServeHTTP answers one request. Its context has to carry a principal (host.WithPrincipal).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if no := s.admit(r); no != nil {
		no.write(w)
		return
	}
	body, no := s.readBody(r)
	if no != nil {
		no.write(w)
		return
	}
	p := host.PrincipalFrom(r.Context())
	r, done := s.held(r, p)
	defer done()
	r = s.prepare(r, p, body)
	out := newErrorWriter(w)
	defer out.finish()
	if isModern(r, body) {
		if no := taskRefusal(r, body); no != nil {
			no.write(out)
			return
		}
		if c := handedIn(r.Context()); c != nil {
			defer c.cancel() // a client that has gone wants no answer
		}
		if r.Header.Get("Mcp-Method") == methodListen {
			if no := s.countListener(); no != nil {
				no.write(out)
				return
			}
			defer s.uncountListener()
		}
		s.modern.ServeHTTP(out, r)
		return
	}
	n, no := s.sessions.enter(r, p)
	if no != nil && no.status == http.StatusNotFound && s.restore(r.Header.Get(headerSession), p) {
		n, no = s.sessions.enter(r, p)
	}
	if no != nil {
		no.write(w)
		return
	}
	defer s.sessions.leave(n, r)
	s.sessions.heed(n, body)
	switch {
	case n == nil:
	case r.Method == http.MethodDelete && s.sessions.dropAsleep(n):
		out.WriteHeader(http.StatusNoContent)
		return
	case !s.awake(n, p):
		sessionGone().write(out)
		return
	}
	s.serveSession(out, r, p, body)
}

// admit refuses what no era takes.
func (s *Server) admit(r *http.Request) *refusal {
	switch {
	case s.ctx.Err() != nil:
		return stopping()
	case host.PrincipalFrom(r.Context()) == nil:
		return &refusal{status: http.StatusUnauthorized, code: jsonrpc.CodeInvalidRequest, message: "no credential; send the header Authorization: Bearer, and a key"}
	case !s.originAllowed(r.Header.Get("Origin")):
		return &refusal{status: http.StatusForbidden, code: jsonrpc.CodeInvalidRequest,
			message: fmt.Sprintf("origin %q may not speak to this host; its operator can allow it", clip(r.Header.Get("Origin")))}
	}
	return admitMedia(r)
}

func stopping() *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: jsonrpc.CodeInternalError, message: "the host is stopping; try again in a moment"}
}

// admitMedia checks the headers that say which forms of message the client sends and takes.
func admitMedia(r *http.Request) *refusal {
	json, events := accepts(r.Header.Values("Accept"))
	switch r.Method {
	case http.MethodPost:
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
			return &refusal{status: http.StatusUnsupportedMediaType, code: jsonrpc.CodeInvalidRequest, message: "send Content-Type: application/json"}
		}
		if !json || !events {
			return &refusal{status: http.StatusNotAcceptable, code: jsonrpc.CodeInvalidRequest,
				message: "send Accept: application/json, text/event-stream (both)"}
		}
	case http.MethodGet:
		if !events {
			return &refusal{status: http.StatusNotAcceptable, code: jsonrpc.CodeInvalidRequest, message: "send Accept: text/event-stream"}
		}
		if r.Header.Get(headerSession) == "" {
			return &refusal{status: http.StatusBadRequest, code: jsonrpc.CodeInvalidRequest,
				message: "GET opens the stream of a session; send the Mcp-Session-Id that initialize answered"}
		}
	case http.MethodDelete:
		if r.Header.Get(headerSession) == "" {
			return &refusal{status: http.StatusBadRequest, code: jsonrpc.CodeInvalidRequest,
				message: "DELETE ends a session; send the Mcp-Session-Id that initialize answered"}
		}
	default:
		return &refusal{status: http.StatusMethodNotAllowed, code: jsonrpc.CodeInvalidRequest, message: "use POST, GET or DELETE"}
	}
	return nil
}

func accepts(values []string) (json, events bool) {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "application/json", "application/*":
			json = true
		case "text/event-stream", "text/*":
			events = true
		case "*/*":
			json, events = true, true
		}
	}
	return json, events
}

// originAllowed lets through what is no browser, a page of the machine itself, and who is listed.
func (s *Server) originAllowed(origin string) bool {
	if origin == "" {
		return true
	}
	for _, o := range s.cfg.AllowedOrigins {
		if o == "*" || strings.EqualFold(strings.TrimSuffix(o, "/"), origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	if err != nil || !validOrigin(origin) {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func validOrigin(o string) bool {
	u, err := url.Parse(o)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		u.Path == "" && u.RawQuery == "" && u.Fragment == ""
}

// readBody reads a POST's message, bounded in size and depth.
func (s *Server) readBody(r *http.Request) ([]byte, *refusal) {
	if r.Method != http.MethodPost || r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, s.cfg.MaxBodyBytes+1))
	switch {
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, code: jsonrpc.CodeParseError, message: "the body could not be read"}
	case int64(len(body)) > s.cfg.MaxBodyBytes:
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, code: jsonrpc.CodeInvalidRequest,
			message: fmt.Sprintf("the message is longer than %d bytes", s.cfg.MaxBodyBytes)}
	case tooDeep(body):
		return nil, &refusal{status: http.StatusBadRequest, code: jsonrpc.CodeInvalidRequest,
			message: fmt.Sprintf("the message nests deeper than %d levels", maxDepth)}
	case !json.Valid(body):
		return nil, &refusal{status: http.StatusBadRequest, code: jsonrpc.CodeParseError, message: "the body is not valid JSON"}
	}
	return body, nil
}

// tooDeep tells whether brackets open more than maxDepth levels. It needs no valid JSON.
func tooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// isModern tells which era a request belongs to: by the version it states, by its session, by its
// method, and where all are silent by what it asks.
func isModern(r *http.Request, body []byte) bool {
	if v := r.Header.Get(headerVersion); v >= firstModern {
		return true
	}
	if r.Method != http.MethodPost || r.Header.Get(headerSession) != "" {
		return false
	}
	return !asksInitialize(body)
}

// asksInitialize looks for the method initialize in a message or, as the oldest versions allow, in
// one of a batch.
func asksInitialize(body []byte) bool {
	type message struct {
		Method string `json:"method"`
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		var batch []message
		if json.Unmarshal(body, &batch) != nil {
			return false
		}
		for _, m := range batch {
			if m.Method == "initialize" {
				return true
			}
		}
		return false
	}
	var m message
	return json.Unmarshal(body, &m) == nil && m.Method == "initialize"
}

type viewKey struct{}

// prepare gives the SDK the request it may see: the view in its context, and no secret.
func (s *Server) prepare(r *http.Request, p *host.Principal, body []byte) *http.Request {
	return dressed(r.WithContext(context.WithValue(r.Context(), viewKey{}, s.views.get(p))), body)
}

// dressed is r, whose context has a view, as the SDK may see it.
func dressed(r *http.Request, body []byte) *http.Request {
	r.Header = r.Header.Clone()
	// The SDK's only door for who asks is its own middleware, which wants to see some token. The
	// real one has been checked at the edge and is nobody's business behind it.
	r.Header.Set("Authorization", "Bearer checked")
	r.Header.Del("Cookie")
	if body != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
	}
	return r
}

// viewOf finds the SDK's server for a request. The SDK asks twice per request.
func viewOf(r *http.Request) *sdk.Server {
	v, ok := r.Context().Value(viewKey{}).(*view)
	if !ok {
		return nil
	}
	return v.server
}

// identity passes the principal through the SDK, which binds a session to UserID.
func identity(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	p := host.PrincipalFrom(ctx)
	if p == nil {
		return nil, errors.New("no principal")
	}
	extra := map[string]any{principalExtra: p}
	if c := handedIn(ctx); c != nil {
		extra[handedExtra] = c
	}
	return &auth.TokenInfo{
		UserID:     owner(p),
		Expiration: time.Now().Add(time.Hour), // the edge checks each request anew
		Extra:      extra,
	}, nil
}

const principalExtra = "principal"

// write answers with a JSON-RPC error. 405 names the methods, as HTTP requires.
func (n *refusal) write(w http.ResponseWriter) {
	if n.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "POST, GET, DELETE")
	}
	type rpcError struct {
		Code    int64           `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data,omitempty"`
	}
	status := n.status
	body, err := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   rpcError        `json:"error"`
	}{"2.0", n.id, rpcError{n.code, n.message, n.data}})
	if err != nil {
		status, body = http.StatusInternalServerError, nil // cannot happen: the id was read from valid JSON
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
