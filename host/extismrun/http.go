// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	extism "github.com/extism/go-sdk"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

// maxRequestBytes bounds the description of a request; its body is bounded by the memory.
const maxRequestBytes = 128 << 10

// httpRequest is http_request(request, body) -> response body. It goes where every request goes, the
// operation abi.OpFetch of the call's border, so the grants, the guard of private addresses, the
// credentials and the limits are the same as for any plugin. As in Extism, a request that fails ends
// the call.
func httpRequest(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
	in := instanceOf(ctx)
	if in.run.border == nil || in.plugin == nil {
		in.end(host.Errorf(opCall, abi.CodeForbidden, "the plugin may not make requests while it starts or describes itself"))
	}
	req := in.request(ctx, p, stack[0])
	if stack[1] != 0 {
		n, err := p.LengthWithContext(ctx, stack[1])
		if err != nil || n > uint64(in.run.limits.MemoryBytes) {
			in.end(host.Errorf(opCall, abi.CodeTrap, "the plugin crashed: the body of its request is not in memory"))
		}
		if req.Body, err = p.ReadBytes(stack[1]); err != nil {
			in.end(host.Errorf(opCall, abi.CodeTrap, "the plugin crashed: the body of its request: %w", err))
		}
	}
	in.permit(req.URL)
	resp := in.fetch(req)
	in.permit(resp.URL)
	in.plugin.LastStatusCode = resp.Status
	clear(in.plugin.LastResponseHeaders)
	for _, h := range resp.Headers {
		name := strings.ToLower(h.Name)
		if had, ok := in.plugin.LastResponseHeaders[name]; ok {
			h.Value = had + "," + h.Value
		}
		in.plugin.LastResponseHeaders[name] = h.Value
	}
	stack[0] = in.give(ctx, p, resp.Body)
}

// request reads the description of a request.
func (in *instance) request(ctx context.Context, p *extism.CurrentPlugin, offset uint64) *abi.FetchRequest {
	var r struct {
		URL     string            `json:"url"`
		Method  string            `json:"method"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(in.handle(ctx, p, offset, maxRequestBytes), &r); err != nil {
		in.end(host.Errorf(opCall, abi.CodeContract, "the plugin's request is not what Extism's kits write, or longer than %s: %w", runner.Size(maxRequestBytes), err))
	}
	out := &abi.FetchRequest{Method: strings.ToUpper(r.Method), URL: r.URL, MaxBytes: in.guest.set.httpBytes()}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		out.Headers = append(out.Headers, abi.Header{Name: name, Value: r.Headers[name]})
	}
	return out
}

// permit holds a URL against allowed_hosts. It is asked again for where redirects have led: the
// grants were asked at each, but they may be wider.
func (in *instance) permit(raw string) {
	u, err := url.Parse(raw)
	if err != nil {
		in.end(host.Errorf(opCall, abi.CodeInvalidArg, "the plugin's request has a URL that is none"))
	}
	if !in.guest.set.allows(u.Hostname()) {
		in.end(host.Errorf(opCall, abi.CodeForbidden, "plugin %s may not reach %s", in.guest.name, clip(u.Hostname())).
			WithHint(`add it to %s.yaml: config: {extism: {allowed_hosts: [%q]}}`, in.guest.name, clip(u.Hostname())))
	}
}

// fetch does one request through the border.
func (in *instance) fetch(req *abi.FetchRequest) *abi.FetchResponse {
	r := in.run
	if r.ops++; r.ops > r.limits.Ops {
		in.end(host.Errorf(opCall, abi.CodeLimit, "the call made more than %d requests", r.limits.Ops).
			WithHint("raise limits: ops: in %s.yaml", in.guest.name))
	}
	raw, err := json.Marshal(req)
	if err == nil {
		in.outside(func() { raw, err = r.border.Op(r.ctx, abi.OpFetch, raw) })
	}
	in.check()
	var resp abi.FetchResponse
	if err == nil {
		err = json.Unmarshal(raw, &resp)
	}
	if err != nil {
		in.end(err)
	}
	return &resp
}

// give puts bytes into the kernel's memory and returns their handle, 0 for none.
func (in *instance) give(ctx context.Context, p *extism.CurrentPlugin, data []byte) uint64 {
	if len(data) == 0 {
		return 0
	}
	offset, err := p.AllocWithContext(ctx, uint64(len(data)))
	if err != nil || offset == 0 || !p.Memory().Write(uint32(offset), data) {
		in.end(in.guest.overLimit("memory", runner.Size(in.guest.memoryLimit()), "the response has "+runner.Size(int64(len(data)))+", more than the plugin's memory may hold"))
	}
	return offset
}
