// Copyright 2026 The Gantry Authors.

package skills

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/host"
)

// TestTenantsNeverMeet holds the service against a map, for two tenants that do the same at random.
func TestTenantsNeverMeet(t *testing.T) {
	st := newStore(t)
	rapid.Check(t, func(t *rapid.T) {
		s, err := New(Config{Store: st})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		run := rapid.StringMatching(`[a-z0-9]{16}`).Draw(t, "run")
		want := map[host.TenantID]map[string]string{}
		tenants := []host.TenantID{host.TenantID(run + "-x"), host.TenantID(run + "-y")}
		for _, tn := range tenants {
			want[tn] = map[string]string{}
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			tn, id := rapid.SampledFrom(tenants).Draw(t, "tenant"), rapid.SampledFrom([]string{"a", "b-c", "b"}).Draw(t, "id")
			text := rapid.StringMatching(`[a-zя]{1,8}`).Draw(t, "text")
			_, there := want[tn][id]
			switch rapid.SampledFrom([]string{"create", "edit", "delete"}).Draw(t, "what") {
			case "create":
				d := draft(id)
				d.SystemPrompt = text
				if _, err := s.Create(context.Background(), tn, d); (err == nil) == there {
					t.Fatalf("create: %v; it is there: %v", err, there)
				}
				if !there {
					want[tn][id] = text
				}
			case "edit":
				if _, err := s.Update(context.Background(), tn, id, Edit{SystemPrompt: &text}); (err == nil) != there {
					t.Fatalf("update: %v; it is there: %v", err, there)
				}
				if there {
					want[tn][id] = text
				}
			case "delete":
				if err := s.Delete(context.Background(), tn, id, 0); (err == nil) != there {
					t.Fatalf("delete: %v; it is there: %v", err, there)
				}
				delete(want[tn], id)
			}
			for _, tn := range tenants {
				hold(t, s, tn, want[tn])
			}
		}
	})
}

func hold(t *rapid.T, s *Service, tenant host.TenantID, want map[string]string) {
	ctx := host.WithPrincipal(context.Background(), &host.Principal{Tenant: tenant, Scopes: host.AllScopes()})
	listed := s.Resources(ctx)
	if len(listed) != len(want) {
		t.Fatalf("%s sees %v, want %v", tenant, listed, want)
	}
	for _, r := range listed {
		got, err := s.Read(ctx, r.URI)
		if err != nil || got.Contents[0].Text != want[r.Name]+"\n" {
			t.Fatalf("%s reads %v (%v), want %q", r.URI, got, err, want[r.Name])
		}
	}
}
