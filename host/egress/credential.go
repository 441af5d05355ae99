// Copyright 2026 The Gantry Authors.

package egress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const maxSecretBytes = 16 << 10

// SystemLookup reads "env:NAME" from the environment and "file:/path" from a file of at most
// 16 KiB, without the line break at its end. An unset or empty source is an error that names it.
func SystemLookup(from string) (string, error) {
	kind, name, _ := strings.Cut(from, ":")
	switch {
	case name == "":
		return "", fmt.Errorf("%q is not env:NAME or file:/path", clip(from))
	case kind == "env":
		if v := os.Getenv(name); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment variable %s is not set", clip(name))
	case kind == "file":
		return readSecretFile(name)
	}
	return "", fmt.Errorf("%q is not env:NAME or file:/path", clip(from))
}

func readSecretFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return "", fmt.Errorf("the file %s cannot be read: %w", path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	v := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf("the file %s cannot be read", path)
	case v == "":
		return "", fmt.Errorf("the file %s is empty", path)
	case len(data) > maxSecretBytes:
		return "", fmt.Errorf("the file %s has more than %d bytes", path, maxSecretBytes)
	}
	return v, nil
}

// secret reads a credential's value. The error is CodeCredentialMissing and says where it was
// looked for and what to do.
func (s *Service) secret(c *abi.Credential) (string, error) {
	const op = "egress.Credential"
	missing := func(why string, err error) error {
		e := host.Errorf(op, abi.CodeCredentialMissing, "credential %s for %s is not set: %s", c.Name, c.Host, why)
		e.Err = err
		return e.WithHint("%s", mend(c))
	}
	if c.From == "" {
		return "", missing("its settings name no source", nil)
	}
	v, err := s.cfg.Lookup(c.From)
	switch {
	case err != nil:
		return "", missing(err.Error(), err)
	case v == "":
		return "", missing(c.From+" is empty", nil)
	case len(v) > maxSecretBytes || !httpguts.ValidHeaderFieldValue(v):
		return "", missing(c.From+" holds a line break or another control character, or is too long", nil)
	}
	return v, nil
}

func mend(c *abi.Credential) string {
	kind, name, _ := strings.Cut(c.From, ":")
	switch kind {
	case "env":
		return fmt.Sprintf("set the environment variable %s for the host and start it again", name)
	case "file":
		return fmt.Sprintf("put the secret into the file %s, readable for the host", name)
	}
	return fmt.Sprintf("add a source to the credential in the plugin's settings: from: \"env:%s\"", c.Name)
}

// authorise puts the credentials of the request's place into it. After a redirect what the guest
// set in their place gives way; on the first hop it is refused, so that a plugin cannot pass a key
// of its own off as the operator's.
func (x *exchange) authorise(req *http.Request, hop int) error {
	for i := range x.g.credentials {
		c := &x.g.credentials[i]
		if !c.where.matches(x.to) {
			if err := x.refuseClear(c); err != nil {
				return err
			}
			continue
		}
		v, err := x.s.secret(&c.Credential)
		if err != nil {
			if c.Optional {
				continue
			}
			return err
		}
		if hop == 0 && c.setIn(req) {
			return host.Errorf(opFetch, abi.CodeForbidden, "fetch: %s is set by the host from credential %s; leave it out", c.carrier(), c.Name)
		}
		x.mask.add(v)
		c.put(req, v)
	}
	return nil
}

// refuseClear stops a request in clear to a host whose credential goes over TLS only: sent without
// it the request would fail in a way nobody understands.
func (x *exchange) refuseClear(c *credential) error {
	if c.Optional || x.to.scheme != "http" || c.where.scheme != "https" || x.to.host != c.where.host {
		return nil
	}
	return host.Errorf(opFetch, abi.CodeForbidden, "credential %s is sent to %s over https only", c.Name, x.to.host).
		WithHint("use https, or declare the credential's host as http://%s if the line is trusted", x.to.hostPort())
}

func (c *credential) carrier() string {
	if c.Header != "" {
		return "header " + c.Header
	}
	return "URL parameter " + c.Query
}

// setIn tells whether the guest filled the credential's place itself.
func (c *credential) setIn(req *http.Request) bool {
	if c.Header != "" {
		return len(req.Header.Values(c.Header)) > 0
	}
	return len(dropQuery(req.URL.RawQuery, c.Query)) != len(req.URL.RawQuery)
}

func (c *credential) put(req *http.Request, secret string) {
	v := secret
	if c.Template != "" {
		v = strings.ReplaceAll(c.Template, "${value}", secret)
	}
	if c.Header != "" {
		req.Header.Set(c.Header, v)
		return
	}
	q := dropQuery(req.URL.RawQuery, c.Query)
	if q != "" {
		q += "&"
	}
	req.URL.RawQuery = q + url.QueryEscape(c.Query) + "=" + url.QueryEscape(v)
}

// stripQuery takes the credential parameters of the place we come from out of a redirect's URL:
// many servers repeat the query they were asked with.
func (x *exchange) stripQuery(next *url.URL) {
	for i := range x.g.credentials {
		c := &x.g.credentials[i]
		if c.Query != "" && c.where.matches(x.to) {
			next.RawQuery = dropQuery(next.RawQuery, c.Query)
		}
	}
}

// dropQuery returns a query string without a parameter, in the order and spelling it had.
func dropQuery(raw, name string) string {
	if raw == "" {
		return ""
	}
	var kept []string
	for part := range strings.SplitSeq(raw, "&") {
		k, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(k); err == nil && strings.EqualFold(plain, name) {
			continue
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, "&")
}
