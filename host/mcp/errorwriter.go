// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// maxErrorText bounds how much of a plain error of the SDK is kept.
const maxErrorText = 1 << 10

// errorWriter turns the SDK's plain-text refusals into JSON-RPC errors, so that a client finds one
// form of error whatever went wrong. Everything else passes through.
type errorWriter struct {
	http.ResponseWriter
	status int // of a plain-text refusal that is being held back
	text   bytes.Buffer
}

var _ http.Flusher = (*errorWriter)(nil)

func newErrorWriter(w http.ResponseWriter) *errorWriter { return &errorWriter{ResponseWriter: w} }

func (w *errorWriter) WriteHeader(status int) {
	if status >= 400 && strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		w.status = status
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *errorWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		return w.ResponseWriter.Write(p)
	}
	if room := maxErrorText - w.text.Len(); room > 0 {
		w.text.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// Flush passes on, unless a refusal is held back.
func (w *errorWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok && w.status == 0 {
		f.Flush()
	}
}

// finish writes the refusal that was held back, if there is one.
func (w *errorWriter) finish() {
	if w.status == 0 {
		return
	}
	code := int64(jsonrpc.CodeInvalidRequest)
	text := strings.TrimSpace(w.text.String())
	switch {
	case strings.HasPrefix(text, "malformed payload"):
		code = jsonrpc.CodeParseError
	case strings.HasPrefix(text, "JSON RPC not handled"):
		code = jsonrpc.CodeMethodNotFound
	}
	w.Header().Del("X-Content-Type-Options")
	(&refusal{status: w.status, code: code, message: text}).write(w.ResponseWriter)
}
