// Copyright 2026 The Gantry Authors.

package controlapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/tenants"
)

// Tenants is what the door needs of the tenants' policies.
type Tenants interface {
	Get(t host.TenantID) tenants.Tenant
	List() []tenants.Tenant
	Set(ctx context.Context, t host.TenantID, p tenants.Policy) (tenants.Tenant, error)
}

// tenantRoutes are the door's ways to the tenants.
func (d *door) tenantRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/tenants":      d.listTenants,
		"GET /v1/tenants/{id}": d.tenant,
		"PUT /v1/tenants/{id}": d.setTenant,
	}
}

// listTenants names the tenants with a policy of their own, and those that have keys.
func (d *door) listTenants(w http.ResponseWriter, r *http.Request) error {
	all := d.Tenants.List()
	keys, err := d.Keys.List(r.Context(), "")
	if err != nil {
		return err
	}
	known := map[host.TenantID]bool{}
	for _, t := range all {
		known[t.ID] = true
	}
	for i := range keys {
		if t := keys[i].Tenant; !known[t] {
			known[t] = true
			all = append(all, d.Tenants.Get(t))
		}
	}
	slices.SortFunc(all, func(a, b tenants.Tenant) int { return strings.Compare(string(a.ID), string(b.ID)) })
	writeJSON(w, http.StatusOK, all)
	return nil
}

func (d *door) tenant(w http.ResponseWriter, r *http.Request) error {
	t := host.TenantID(r.PathValue("id"))
	if !t.Valid() {
		return host.Errorf("control", abi.CodeInvalidArg, "tenant: %q is not a tenant id", t)
	}
	writeJSON(w, http.StatusOK, d.Tenants.Get(t))
	return nil
}

func (d *door) setTenant(w http.ResponseWriter, r *http.Request) error {
	var p tenants.Policy
	if err := readJSON(r, &p); err != nil {
		return err
	}
	t, err := d.Tenants.Set(r.Context(), host.TenantID(r.PathValue("id")), p)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, t)
	return nil
}

// Tenants lists the tenants that have keys or a policy.
func (c *Client) Tenants(ctx context.Context) ([]tenants.Tenant, error) {
	var out []tenants.Tenant
	return out, c.do(ctx, "GET", "/v1/tenants", nil, &out)
}

// Tenant tells which policy holds for a tenant.
func (c *Client) Tenant(ctx context.Context, t host.TenantID) (tenants.Tenant, error) {
	var out tenants.Tenant
	return out, c.do(ctx, "GET", "/v1/tenants/"+url.PathEscape(string(t)), nil, &out)
}

// SetTenant sets a tenant's policy; it holds from the next call on.
func (c *Client) SetTenant(ctx context.Context, t host.TenantID, p tenants.Policy) (tenants.Tenant, error) {
	var out tenants.Tenant
	return out, c.do(ctx, "PUT", "/v1/tenants/"+url.PathEscape(string(t)), p, &out)
}
