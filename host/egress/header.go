// Copyright 2026 The Gantry Authors.

package egress

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gantryhost/gantry/abi"
)

// ownedByHost are header lines that a guest may not set, with the reason.
var ownedByHost = map[string]string{
	"Host":                "it comes from the URL",
	"Content-Length":      "it comes from the body",
	"Transfer-Encoding":   "the host frames the body",
	"Accept-Encoding":     "the host decompresses",
	"Connection":          "it belongs to the connection",
	"Keep-Alive":          "it belongs to the connection",
	"Te":                  "it belongs to the connection",
	"Trailer":             "it belongs to the connection",
	"Upgrade":             "it belongs to the connection",
	"Http2-Settings":      "it belongs to the connection",
	"Expect":              "it belongs to the connection",
	"Proxy-Authorization": "there is no proxy",
	"Proxy-Authenticate":  "there is no proxy",
	"Proxy-Connection":    "there is no proxy",
}

func checkHeaderName(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("%q is not a header name", clip(name))
	}
	if why, owned := ownedByHost[http.CanonicalHeaderKey(name)]; owned {
		return fmt.Errorf("%s cannot be set: %s", clip(name), why)
	}
	return nil
}

// checkHeaders turns a guest's header lines into a header; what the host owns is refused.
func checkHeaders(in []abi.Header) (http.Header, error) {
	out := make(http.Header, len(in)+1)
	size := 0
	for i, h := range in {
		if err := checkHeaderName(h.Name); err != nil {
			return nil, fmt.Errorf("headers[%d]: %w", i, err)
		}
		if !httpguts.ValidHeaderFieldValue(h.Value) {
			return nil, fmt.Errorf("headers[%d] %s: the value holds a line break or another control character", i, clip(h.Name))
		}
		if size += len(h.Name) + len(h.Value) + 4; size > MaxHeaderBytes {
			return nil, fmt.Errorf("headers have more than %d bytes together", MaxHeaderBytes)
		}
		out.Add(h.Name, h.Value)
	}
	return out, nil
}

func checkMethod(m string) (string, error) {
	if m == "" {
		return http.MethodGet, nil
	}
	up := strings.ToUpper(m)
	if len(m) > 32 || !httpguts.ValidHeaderFieldName(m) || up == http.MethodConnect || up == http.MethodTrace {
		return "", fmt.Errorf("method %q is not allowed", clip(m))
	}
	return up, nil
}

// sensitive tells whether a guest's header may carry a secret, so that it does not follow a
// redirect to another origin.
func sensitive(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"auth", "cookie", "token", "secret", "key", "credential", "password", "session", "signature"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func sortedNames(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }
