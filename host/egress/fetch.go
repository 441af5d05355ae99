// Copyright 2026 The Gantry Authors.

package egress

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const opFetch = "egress.Fetch"

// fetch answers abi.OpFetch.
func (s *Service) fetch(ctx context.Context, call *host.CallInfo, raw []byte) ([]byte, error) {
	var in abi.FetchRequest
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, host.Errorf(opFetch, abi.CodeInvalidArg, "fetch: the request is not the JSON this host expects: %w", err)
	}
	g, err := s.grantFor(call)
	if err != nil {
		return nil, err
	}
	st, err := s.state(call)
	if err != nil {
		return nil, err
	}
	bounded, cancel := s.bound(ctx, in.TimeoutMS)
	x := &exchange{s: s, g: g, call: call, parent: ctx, ctx: bounded, timeoutMS: in.TimeoutMS}
	resp, err := x.run(&in)
	if err != nil {
		cancel()
		return nil, err
	}
	body := st.meter(x, resp, in.MaxBytes)
	out := abi.FetchResponse{Status: resp.StatusCode, URL: x.mask.text(x.url.String()), Headers: x.headers(resp)}
	if in.Stream {
		out.Stream, err = st.open(&stream{body: body, mask: x.mask, cancel: cancel})
	} else {
		out.Body, err = x.readAll(body)
		cancel()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return json.Marshal(&out)
}

// bound gives one exchange its time: the call's own deadline, or less where the guest asks for it.
func (s *Service) bound(ctx context.Context, timeoutMS int64) (context.Context, context.CancelFunc) {
	const most = int64(24 * time.Hour / time.Millisecond)
	if timeoutMS > 0 && timeoutMS <= most {
		return context.WithTimeout(ctx, time.Duration(timeoutMS)*time.Millisecond)
	}
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.cfg.Timeout)
}

// exchange is one request with its redirects.
type exchange struct {
	s         *Service
	g         *grant
	call      *host.CallInfo
	parent    context.Context // the call's
	ctx       context.Context // the exchange's
	timeoutMS int64

	method string
	url    *url.URL // as the guest may see it: without credentials
	to     target
	header http.Header
	body   []byte
	mask   mask
}

func (x *exchange) run(in *abi.FetchRequest) (*http.Response, error) {
	if err := x.prepare(in); err != nil {
		return nil, err
	}
	for hop := 0; ; hop++ {
		resp, err := x.send(hop)
		if err != nil {
			return nil, err
		}
		next := location(resp)
		if next == "" {
			return resp, nil
		}
		resp.Body.Close()
		if hop == MaxRedirects {
			return nil, host.Errorf(opFetch, abi.CodeLimit, "%s redirects more than %d times (limit: redirects)", x.to.host, MaxRedirects)
		}
		if err := x.turn(resp.StatusCode, next); err != nil {
			return nil, err
		}
	}
}

func (x *exchange) prepare(in *abi.FetchRequest) error {
	var err error
	if x.method, err = checkMethod(in.Method); err != nil {
		return host.Errorf(opFetch, abi.CodeInvalidArg, "fetch: %w", err)
	}
	if x.url, x.to, err = parseURL(in.URL); err != nil {
		return host.Errorf(opFetch, abi.CodeInvalidArg, "fetch: %w", err)
	}
	if x.header, err = checkHeaders(in.Headers); err != nil {
		return host.Errorf(opFetch, abi.CodeInvalidArg, "fetch: %w", err)
	}
	if x.header.Get("User-Agent") == "" {
		x.header.Set("User-Agent", x.s.cfg.UserAgent)
	}
	x.body = in.Body
	return nil
}

// send judges the URL and sends the request to it. Only here a credential meets a request, and only
// in copies of the URL and the header that nobody else sees.
func (x *exchange) send(hop int) (*http.Response, error) {
	if err := x.permit(); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(x.ctx, x.method, x.url.String(), bytes.NewReader(x.body))
	if err != nil {
		return nil, host.Errorf(opFetch, abi.CodeInvalidArg, "fetch: the request cannot be built for %s", x.to.host)
	}
	x.s.requests.Add(1)
	if len(x.body) == 0 {
		req.Body, req.GetBody = http.NoBody, nil
	}
	req.Header = x.header.Clone()
	if err := x.authorise(req, hop); err != nil {
		return nil, err
	}
	resp, err := x.g.transport.RoundTrip(req)
	if err != nil {
		return nil, x.failure(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body.Close()
		return nil, x.upstream("protocol", "%s wants to switch to another protocol than HTTP", x.to.host)
	}
	return resp, nil
}

// permit holds the URL against the grants, and against the guard where it names an address.
func (x *exchange) permit() error {
	ok, named := x.g.permits(x.to)
	if !ok {
		return host.Errorf(opFetch, abi.CodeForbidden, "plugin %s may not reach %s", x.call.Plugin, x.to).
			WithHint(`add it to %s.yaml: grants: {hosts: [%q]}`, x.call.Plugin, x.to.String())
	}
	if !x.to.addr.IsValid() {
		return nil
	}
	granted := x.g.private
	if !named {
		granted = nil
	}
	if err := guard(x.to.addr, granted); err != nil {
		return x.failure(err)
	}
	return nil
}

// location returns where resp redirects to, or "".
func location(resp *http.Response) string {
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
		return resp.Header.Get("Location")
	}
	return ""
}

// turn moves the exchange to where a redirect points. The next send judges the new URL.
func (x *exchange) turn(status int, to string) error {
	next, err := x.url.Parse(to)
	if err != nil {
		return x.upstream("redirect", "%s redirects to what is not a URL", x.to.host)
	}
	x.stripQuery(next)
	u, t, err := parseURL(next.String())
	if err != nil {
		return host.Errorf(opFetch, abi.CodeForbidden, "%s redirects to a refused address: %w", x.to.host, err)
	}
	if !t.sameOrigin(x.to) {
		if x.mask.finds(u.String()) {
			return host.Errorf(opFetch, abi.CodeForbidden, "%s redirects to %s with a credential in the URL", x.to.host, t.host)
		}
		for name := range x.header {
			if sensitive(name) {
				x.header.Del(name)
			}
		}
	}
	if status == 303 && x.method != http.MethodHead || (status == 301 || status == 302) && x.method == http.MethodPost {
		x.method, x.body = http.MethodGet, nil
		for name := range x.header {
			if strings.HasPrefix(name, "Content-") {
				x.header.Del(name)
			}
		}
	}
	x.url, x.to = u, t
	return nil
}

// headers are the response's header lines in order of names, without what the host put in.
func (x *exchange) headers(resp *http.Response) []abi.Header {
	var out []abi.Header
	for _, name := range sortedNames(resp.Header) {
		for _, v := range resp.Header[name] {
			out = append(out, abi.Header{Name: name, Value: x.mask.text(v)})
		}
	}
	return out
}

func (x *exchange) readAll(body io.ReadCloser) ([]byte, error) {
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	data, _ = x.mask.apply(data, true)
	return data, nil
}
