// Copyright 2026 The Gantry Authors.

package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The bounds of what an issuer may send.
const (
	maxDocument = 512 << 10
	maxHeader   = 64 << 10
)

var errRedirect = errors.New("it answers with a redirect, which is not followed")

// newClient is careful: an issuer is trusted with who may call, not with this host's time, memory
// and network.
func newClient(cfg *Config) *http.Client {
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHeader,
			TLSHandshakeTimeout: cfg.FetchTimeout, ResponseHeaderTimeout: cfg.FetchTimeout,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
		}
	}
	return &http.Client{
		Transport: transport, Timeout: cfg.FetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
}

// discoveries are where an issuer may publish what it is: as RFC 8414 has it, and as OpenID Connect
// has it, with both ways to read that for an issuer with a path.
func discoveries(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil // New has parsed it before
	}
	path := strings.Trim(u.EscapedPath(), "/")
	root := u.Scheme + "://" + u.Host
	if path == "" {
		return []string{root + "/.well-known/oauth-authorization-server", root + "/.well-known/openid-configuration"}
	}
	return []string{
		root + "/.well-known/oauth-authorization-server/" + path,
		root + "/.well-known/openid-configuration/" + path,
		root + "/" + path + "/.well-known/openid-configuration",
	}
}

// fetchKeys finds out where the issuer publishes its keys, and reads them.
func (s *Service) fetchKeys(ctx context.Context, issuer string) (*keySet, error) {
	var failed []string
	for _, at := range discoveries(issuer) {
		keysAt, err := s.discover(ctx, issuer, at)
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", at, err))
			continue
		}
		raw, err := s.get(ctx, keysAt)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keysAt, err)
		}
		set, err := readKeys(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keysAt, err)
		}
		return set, nil
	}
	return nil, errors.New(strings.Join(failed, "; "))
}

// discover reads a discovery document and returns its jwks_uri. The document has to be the
// issuer's own: with another's, its keys would vouch for tokens of this one.
func (s *Service) discover(ctx context.Context, issuer, at string) (string, error) {
	raw, err := s.get(ctx, at)
	if err != nil {
		return "", err
	}
	var doc struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return "", fmt.Errorf("it is not a JSON object: %w", err)
	}
	if doc.Issuer != issuer {
		return "", fmt.Errorf("it is of the issuer %q, not of %q", clip(doc.Issuer), issuer)
	}
	if bad := checkKeysURL(doc.Keys, issuer); bad != "" {
		return "", fmt.Errorf("its jwks_uri %q %s", clip(doc.Keys), bad)
	}
	return doc.Keys, nil
}

// checkKeysURL lets only an issuer on this machine send the host to this machine without https.
func checkKeysURL(keys, issuer string) string {
	u, err := url.Parse(keys)
	from, _ := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil:
		return "is not an address"
	case u.Scheme == "https", u.Scheme == "http" && from != nil && from.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "is not https"
}

// get reads a document of bounded size within the client's timeout.
func (s *Service) get(ctx context.Context, at string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if errors.Is(err, errRedirect) {
		return nil, errRedirect
	}
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the address is told already
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", resp.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading: %w", err)
	case len(raw) > maxDocument:
		return nil, fmt.Errorf("it is longer than %d KiB", maxDocument>>10)
	}
	return raw, nil
}

func trimSlash(s string) string { return strings.TrimSuffix(s, "/") }
