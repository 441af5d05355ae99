// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// web is a border whose requests are answered by f.
func web(f func(ctx context.Context, req *abi.FetchRequest) (*abi.FetchResponse, error)) *border {
	return &border{op: func(ctx context.Context, name string, raw []byte) ([]byte, error) {
		var req abi.FetchRequest
		if err := json.Unmarshal(raw, &req); err != nil || name != abi.OpFetch {
			return nil, host.Errorf("web", abi.CodeInvalidArg, "operation %s: %w", name, err)
		}
		resp, err := f(ctx, &req)
		if err != nil {
			return nil, err
		}
		return json.Marshal(resp)
	}}
}

func TestRequests(t *testing.T) {
	p := sharedGuest(t)
	fetch := func(p *plugin, b *border, tool, input string, lim host.Limits) (string, host.Usage, error) {
		out, u, err := p.with(t.Context(), &host.GuestCall{Tenant: "acme", Border: b, Limits: lim}, tool, input)
		return string(out.Data), u, err
	}
	t.Run("go through the border, and their answer comes back", func(t *testing.T) {
		b := web(func(_ context.Context, r *abi.FetchRequest) (*abi.FetchResponse, error) {
			if r.Method != "PUT" || r.URL != "https://api.example.com/x" || len(r.Headers) != 2 || r.Headers[0].Name != "A" {
				t.Errorf("got %+v", r)
			}
			return &abi.FetchResponse{Status: 201, URL: r.URL, Body: []byte("made"),
				Headers: []abi.Header{{Name: "X-One", Value: "1"}, {Name: "X-One", Value: "2"}}}, nil
		})
		got, u, err := fetch(p, b, "fetch", `{"url":"https://api.example.com/x","method":"put","headers":{"B":"2","A":"1"}}`, host.Limits{})
		if want := `201 {"x-one":"1,2"} made`; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if u.Ops != 1 {
			t.Errorf("usage counts %d operations", u.Ops)
		}
	})
	t.Run("carry their body", func(t *testing.T) {
		b := web(func(_ context.Context, r *abi.FetchRequest) (*abi.FetchResponse, error) {
			return &abi.FetchResponse{Status: 200, URL: r.URL, Body: append([]byte("you said "), r.Body...)}, nil
		})
		if got, _, err := fetch(p, b, "post", "{\"url\":\"http://a.example/\",\"method\":\"POST\"}\nhi", host.Limits{}); err != nil || got != "you said hi" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("fail as the border says", func(t *testing.T) {
		b := web(func(_ context.Context, r *abi.FetchRequest) (*abi.FetchResponse, error) {
			return nil, host.Errorf("egress", abi.CodeForbidden, "plugin plug may not reach a.example").WithHint("grants")
		})
		_, _, err := fetch(p, b, "fetch", `{"url":"http://a.example/"}`, host.Limits{})
		wantCode(t, err, abi.CodeForbidden, "grants")
	})
	t.Run("are narrowed by allowed_hosts, also after a redirect", func(t *testing.T) {
		q := loadGuest(t, Config{}, host.Limits{}, `"allowed_hosts":["api.example.com","*.example.org"],"memory":{"max_http_response_bytes":77}`)
		reached := 0
		b := web(func(_ context.Context, r *abi.FetchRequest) (*abi.FetchResponse, error) {
			reached++
			if r.MaxBytes != 77 {
				t.Errorf("max bytes are %d", r.MaxBytes)
			}
			return &abi.FetchResponse{Status: 200, URL: strings.Replace(r.URL, "/away", "@evil.example/", 1)}, nil
		})
		for _, u := range []string{"https://api.example.com/", "http://a.b.example.org:8080/"} {
			if _, _, err := fetch(q, b, "fetch", `{"url":"`+u+`"}`, host.Limits{}); err != nil {
				t.Errorf("%s: %v", u, err)
			}
		}
		if reached != 2 {
			t.Errorf("%d requests arrived", reached)
		}
		for _, u := range []string{"https://example.org/", "https://api.example.com@evil.example/", "https://evil.example/api.example.com", "::"} {
			if _, _, err := fetch(q, b, "fetch", `{"url":"`+u+`"}`, host.Limits{}); err == nil {
				t.Errorf("%s is allowed", u)
			}
		}
		if reached != 2 {
			t.Errorf("a refused request arrived")
		}
		_, _, err := fetch(q, b, "fetch", `{"url":"https://api.example.com/away"}`, host.Limits{})
		wantCode(t, err, abi.CodeForbidden, "allowed_hosts")
	})
	t.Run("are refused where the list is empty", func(t *testing.T) {
		q := loadGuest(t, Config{}, host.Limits{}, `"allowed_hosts":[]`)
		_, _, err := fetch(q, &border{}, "fetch", `{"url":"http://a.example/"}`, host.Limits{})
		wantCode(t, err, abi.CodeForbidden, "may not reach a.example")
	})
	t.Run("of a plugin of Extism's own kit", func(t *testing.T) {
		b := web(func(_ context.Context, r *abi.FetchRequest) (*abi.FetchResponse, error) {
			return &abi.FetchResponse{Status: 200, URL: r.URL, Body: []byte("from " + r.URL)}, nil
		})
		q, _ := load(t, newEngine(t, Config{}), Artifact{Wasm: sdkWasm(t, "http"), Config: declare("", "run_test")})
		if got, u, err := fetch(q, b, "run_test", "", host.Limits{}); err != nil || !strings.HasPrefix(got, "from https://") || u.Ops != 1 {
			t.Errorf("got %q, %+v, %v", got, u, err)
		}
	})
	t.Run("are limited in number", func(t *testing.T) {
		_, _, err := fetch(p, web(nil), "fetch", `{"url":"http://a.example/"}`, host.Limits{Ops: -1})
		wantCode(t, err, abi.CodeLimit, "limits: ops")
	})
	t.Run("end with the call", func(t *testing.T) {
		b := web(func(ctx context.Context, _ *abi.FetchRequest) (*abi.FetchResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		_, _, err := fetch(p, b, "fetch", `{"url":"http://a.example/"}`, host.Limits{Wall: 50 * time.Millisecond})
		wantCode(t, err, abi.CodeDeadline, "limits: wall")
	})
	t.Run("answer no more than the memory holds", func(t *testing.T) {
		q := loadGuest(t, Config{}, host.Limits{MemoryBytes: 8 << 20}, "")
		b := web(func(_ context.Context, r *abi.FetchRequest) (*abi.FetchResponse, error) {
			return &abi.FetchResponse{Status: 200, URL: r.URL, Body: make([]byte, 8<<20)}, nil
		})
		_, _, err := fetch(q, b, "fetch", `{"url":"http://a.example/"}`, host.Limits{})
		wantCode(t, err, abi.CodeLimit, "limits: memory")
	})
	t.Run("that are none", func(t *testing.T) {
		_, _, err := fetch(p, &border{}, "fetch", "not a request", host.Limits{})
		wantCode(t, err, abi.CodeContract, "request")
	})
}
