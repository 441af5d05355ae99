// Copyright 2026 The Gantry Authors.

package controlapi

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/quota"
)

// Quotas is what the door needs of the quotas.
type Quotas interface {
	Show(ctx context.Context, t host.TenantID) (quota.Status, error)
	Set(ctx context.Context, t host.TenantID, change quota.Own) (quota.Status, error)
	Reset(ctx context.Context, t host.TenantID) (quota.Status, error)
	List(ctx context.Context) ([]quota.Status, error)
}

// quotaRoutes are the door's ways to the quotas.
func (d *door) quotaRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	one := func(f func(*http.Request, host.TenantID) (quota.Status, error)) func(http.ResponseWriter, *http.Request) error {
		return func(w http.ResponseWriter, r *http.Request) error {
			st, err := f(r, host.TenantID(r.PathValue("tenant")))
			if err != nil {
				return err
			}
			writeJSON(w, http.StatusOK, st)
			return nil
		}
	}
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/quotas": func(w http.ResponseWriter, r *http.Request) error {
			all, err := d.Quotas.List(r.Context())
			if err != nil {
				return err
			}
			writeJSON(w, http.StatusOK, all)
			return nil
		},
		"GET /v1/quotas/{tenant}": one(func(r *http.Request, t host.TenantID) (quota.Status, error) {
			return d.Quotas.Show(r.Context(), t)
		}),
		"PATCH /v1/quotas/{tenant}": one(func(r *http.Request, t host.TenantID) (quota.Status, error) {
			var change quota.Own
			if err := readJSON(r, &change); err != nil {
				return quota.Status{}, err
			}
			return d.Quotas.Set(r.Context(), t, change)
		}),
		"DELETE /v1/quotas/{tenant}": one(func(r *http.Request, t host.TenantID) (quota.Status, error) {
			return d.Quotas.Reset(r.Context(), t)
		}),
	}
}

// Quotas lists the tenants that have limits of their own.
func (c *Client) Quotas(ctx context.Context) ([]quota.Status, error) {
	var out []quota.Status
	return out, c.do(ctx, "GET", "/v1/quotas", nil, &out)
}

// Quota tells where a tenant stands.
func (c *Client) Quota(ctx context.Context, t host.TenantID) (quota.Status, error) {
	var out quota.Status
	return out, c.do(ctx, "GET", "/v1/quotas/"+url.PathEscape(string(t)), nil, &out)
}

// SetQuota changes those of a tenant's limits that change names.
func (c *Client) SetQuota(ctx context.Context, t host.TenantID, change quota.Own) (quota.Status, error) {
	var out quota.Status
	return out, c.do(ctx, "PATCH", "/v1/quotas/"+url.PathEscape(string(t)), change, &out)
}

// ResetQuota gives a tenant the host's default limits.
func (c *Client) ResetQuota(ctx context.Context, t host.TenantID) (quota.Status, error) {
	var out quota.Status
	return out, c.do(ctx, "DELETE", "/v1/quotas/"+url.PathEscape(string(t)), nil, &out)
}
