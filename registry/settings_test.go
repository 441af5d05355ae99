// Copyright 2026 The Gantry Authors.

package registry_test

import (
	"encoding/json"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

const wholeSettings = `
disabled: true
prefix: acme_
tenants: [acme, default]
config:
  base_url: https://${HOST:-api.example.com}/v1
  retries: 3
grants:
  hosts: [api.example.com, "*.example.org"]
  private: [10.0.0.0/8]
  files: write
  kv: true
  tools: [text_hash]
  credentials:
    - name: API_KEY
      host: api.example.com
      header: Authorization
      template: Bearer ${value}
      from: env:API_KEY
limits: {wall: 30s, fuel: 50000000, memory: 64MiB, output: 4MiB, input: 1MiB, ops: 100, events: 1000, concurrency: 4, egress: 16MiB}
`

func TestParseSettingsReadsEveryField(t *testing.T) {
	got, err := registry.ParseSettings([]byte(wholeSettings), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &registry.Settings{
		Disabled: true, Prefix: "acme_", Tenants: []host.TenantID{"acme", "default"},
		Config: json.RawMessage(`{"base_url":"https://api.example.com/v1","retries":3}`),
		Grants: abi.Rights{
			Hosts: []string{"api.example.com", "*.example.org"}, Private: []string{"10.0.0.0/8"}, Files: "write", KV: true,
			Tools: []string{"text_hash"},
			Credentials: []abi.Credential{{Name: "API_KEY", Host: "api.example.com", Header: "Authorization",
				Template: "Bearer ${value}", From: "env:API_KEY"}},
		},
		Limits: host.Limits{Wall: 30 * time.Second, Fuel: 50_000_000, MemoryBytes: 64 << 20, OutputBytes: 4 << 20, InputBytes: 1 << 20,
			Ops: 100, Events: 1000, Concurrency: 4, EgressBytes: 16 << 20},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err := registry.ParseSettings(nil, nil); err != nil || !reflect.DeepEqual(got, &registry.Settings{}) {
		t.Errorf("an empty file: got %+v, %v", got, err)
	}
}

func TestParseSettingsNamesTheFieldAndTheMend(t *testing.T) {
	for text, want := range map[string]string{
		"grant: {kv: true}":                "line 1: grant: there is no such field; did you mean grants?",
		"grants: {host: [a]}":              "grants.host: there is no such field; did you mean hosts?",
		"grants: {files: all}":             `grants.files: "all" is not one of read, write`,
		"prefix: 'a b'":                    `prefix: "a b" cannot begin a tool's name`,
		"tenants: [Acme Inc]":              `tenants[0]: "Acme Inc" is not a tenant`,
		"config: [a]":                      "config: is a list; it has to be a mapping",
		"limits: {fuel: -1}":               "limits.fuel: is negative",
		"limits: {fuel: 2000000000000000}": "limits.fuel: at most 1000000000000000 is allowed",
		"limits: {wall: -3s}":              "limits.wall: is negative",
		"limits: {memory: 8GiB}":           "limits.memory: at most 4GiB is allowed",
		"limits: {memory: lots}":           `limits.memory: "lots" is not a size`,
		"limits: {concurrency: 2.5}":       `limits.concurrency: "2.5" is not a whole number`,
		"config: {key: \"${SECRET}\"}":     "config.key: the variable SECRET is not set",
		"grants: {credentials: [{name: K, host: h.example, header: A}]}":                  "grants.credentials[0] K: from has to say where the secret is kept: env:NAME or file:/path",
		"grants: {credentials: [{name: K, host: '*', header: A, from: 'env:K'}]}":         "grants.credentials[0] K: host has to be one host",
		"grants: {credentials: [{name: K, host: h.example, header: A, from: 'K'}]}":       "env:NAME or file:/path",
		"grants: {credentials: [{name: K, host: h.example, header: A, from: 'https:x'}]}": "env:NAME or file:/path",
	} {
		_, err := registry.ParseSettings([]byte(text), nil)
		if host.CodeOf(err) != abi.CodeInvalidArg || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	for _, s := range []string{wholeSettings, "", "config: {a: {b: [1, .5, null]}}", "limits: {memory: 1.5 kb}", "tenants:\n- a", "prefix: ${A}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := registry.ParseSettings(data, func(string) (string, bool) { return "1", true })
		if err != nil {
			return
		}
		var config map[string]any
		if s.Config != nil && (json.Unmarshal(s.Config, &config) != nil || config == nil) {
			t.Errorf("config is not an object: %s", s.Config)
		}
		if err := s.Grants.Validate(); err != nil {
			t.Errorf("rights that are not valid: %v", err)
		}
		l := s.Limits
		if l.Wall < 0 || l.MemoryBytes < 0 || l.OutputBytes < 0 || l.InputBytes < 0 || l.Ops < 0 || l.Events < 0 || l.Concurrency < 0 || l.EgressBytes < 0 {
			t.Errorf("a negative limit: %+v", l)
		}
	})
}
