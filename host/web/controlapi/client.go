// Copyright 2026 The Gantry Authors.

package controlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

// Client speaks to a host's control door. Its methods may be called concurrently; their errors are
// the host's own, as *abi.Error, or say that the host could not be reached.
type Client struct {
	http *http.Client
}

// Dial returns a client whose connections come from dial: the Unix socket of a running host, or a
// pipe into this process. It opens nothing until the first call.
func Dial(dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Info asks which host answers.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var out Info
	return out, c.do(ctx, "GET", "/v1/info", nil, &out)
}

// CreateToken makes a credential and returns it with its secret.
func (c *Client) CreateToken(ctx context.Context, r TokenRequest) (NewToken, error) {
	var out NewToken
	return out, c.do(ctx, "POST", "/v1/tokens", r, &out)
}

// Tokens lists a tenant's credentials; the empty tenant lists all.
func (c *Client) Tokens(ctx context.Context, tenant host.TenantID) ([]Token, error) {
	var out []Token
	return out, c.do(ctx, "GET", "/v1/tokens?tenant="+url.QueryEscape(string(tenant)), nil, &out)
}

// RevokeToken ends a credential at once. Revoking twice is no error.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.do(ctx, "DELETE", "/v1/tokens/"+url.PathEscape(id), nil, nil)
}

// Plugins lists every plugin, served or refused.
func (c *Client) Plugins(ctx context.Context) ([]registry.Status, error) {
	var out []registry.Status
	return out, c.do(ctx, "GET", "/v1/plugins", nil, &out)
}

// Plugin tells of one plugin.
func (c *Client) Plugin(ctx context.Context, name string) (registry.Status, error) {
	var out registry.Status
	return out, c.do(ctx, "GET", "/v1/plugins/"+url.PathEscape(name), nil, &out)
}

// Install proves a module and puts it into the plugins folder under the name.
func (c *Client) Install(ctx context.Context, name string, wasm []byte, consent registry.Consent) (registry.Status, error) {
	path := "/v1/plugins/" + url.PathEscape(name)
	if consent == registry.Agreed {
		path += "?agree=true"
	}
	var out registry.Status
	return out, c.do(ctx, "PUT", path, wasm, &out)
}

// Approve serves the version that waits for a yes, if it is still that of the digest.
func (c *Client) Approve(ctx context.Context, name, digest string) (registry.Status, error) {
	var out registry.Status
	return out, c.do(ctx, "POST", "/v1/plugins/"+url.PathEscape(name)+"/approve", VersionRequest{digest}, &out)
}

// Remove takes a plugin out of the plugins folder.
func (c *Client) Remove(ctx context.Context, name string) error {
	return c.do(ctx, "DELETE", "/v1/plugins/"+url.PathEscape(name), nil, nil)
}

// Rollback serves an earlier version; see VersionRequest.
func (c *Client) Rollback(ctx context.Context, name, digest string) (registry.Status, error) {
	var out registry.Status
	return out, c.do(ctx, "POST", "/v1/plugins/"+url.PathEscape(name)+"/rollback", VersionRequest{digest}, &out)
}

// Doctor runs the host's checks of itself.
func (c *Client) Doctor(ctx context.Context) ([]Check, error) {
	var out []Check
	return out, c.do(ctx, "GET", "/v1/doctor", nil, &out)
}

// Call calls a tool and hands each event to on as it comes, the Result or Error last. When ctx ends
// the call is cancelled.
func (c *Client) Call(ctx context.Context, r CallRequest, on func(CallEvent)) error {
	resp, err := c.send(ctx, "POST", "/v1/call", r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var ev CallEvent
		switch err := dec.Decode(&ev); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the host ended the answer: %w", err)
		}
		on(ev)
	}
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the host's answer: %w", err)
	}
	return nil
}

// send does one request; the response is a 2xx whose body the caller closes.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	body, kind, err := encode(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://gantry"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("speaking to the host: %w", err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Error == nil {
		return nil, &abi.Error{Code: abi.CodeInternal, Message: "the host answered " + resp.Status}
	}
	return nil, p.Error
}

func encode(in any) (io.Reader, string, error) {
	switch v := in.(type) {
	case nil:
		return http.NoBody, "application/json", nil
	case []byte:
		return bytes.NewReader(v), "application/wasm", nil
	}
	data, err := json.Marshal(in)
	return bytes.NewReader(data), "application/json", err
}
