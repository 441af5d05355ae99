// Copyright 2026 The Gantry Authors.

package controlapi

import (
	"context"
	"net/http"
	"net/url"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Memory is what the door needs of the users' memory.
type Memory interface {
	Read(ctx context.Context, p *host.Principal, in abi.MemoryRead) (abi.MemoryFile, error)
	List(ctx context.Context, p *host.Principal, in abi.MemoryList) (abi.MemoryPage, error)
	Search(ctx context.Context, p *host.Principal, in abi.MemorySearch) (abi.MemoryHits, error)
	Write(ctx context.Context, p *host.Principal, in abi.MemoryWrite) (abi.MemoryInfo, error)
	Append(ctx context.Context, p *host.Principal, in abi.MemoryAppend) (abi.MemoryInfo, error)
	Delete(ctx context.Context, p *host.Principal, in abi.MemoryDelete) error
}

// memoryRoutes are the door's ways to the users' memory: the operations by name, as guests have them.
func (d *door) memoryRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /v1/" + abi.OpMemoryRead:   onMemory(d.Memory.Read),
		"POST /v1/" + abi.OpMemoryList:   onMemory(d.Memory.List),
		"POST /v1/" + abi.OpMemorySearch: onMemory(d.Memory.Search),
		"POST /v1/" + abi.OpMemoryWrite:  onMemory(d.Memory.Write),
		"POST /v1/" + abi.OpMemoryAppend: onMemory(d.Memory.Append),
		"POST /v1/" + abi.OpMemoryDelete: onMemory(func(ctx context.Context, p *host.Principal, in abi.MemoryDelete) (struct{}, error) {
			return struct{}{}, d.Memory.Delete(ctx, p, in)
		}),
	}
}

// onMemory answers an operation for the user that the request names: the operator may read and
// change anybody's memory.
func onMemory[In, Out any](f func(context.Context, *host.Principal, In) (Out, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in In
		if err := readJSON(r, &in); err != nil {
			return err
		}
		tenant := tenantOf(r)
		if !tenant.Valid() {
			return host.Errorf("control", abi.CodeInvalidArg, "tenant: %q is not a tenant id", tenant)
		}
		out, err := f(r.Context(), &host.Principal{
			Tenant: tenant, User: r.URL.Query().Get("user"), Kind: host.KindAdmin, Scopes: host.AllScopes(), CredentialID: "control",
		}, in)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, out)
		return nil
	}
}

// UserMemory is a client of one user's memory; the empty user is the tenant's own.
type UserMemory struct {
	client *Client
	who    string
}

// Memory returns a client of a user's memory. An unknown user has an empty one.
func (c *Client) Memory(tenant host.TenantID, user string) UserMemory {
	return UserMemory{c, url.Values{"tenant": {string(tenant)}, "user": {user}}.Encode()}
}

func (m UserMemory) do(ctx context.Context, op string, in, out any) error {
	return m.client.do(ctx, "POST", "/v1/"+op+"?"+m.who, in, out)
}

// Read returns a file.
func (m UserMemory) Read(ctx context.Context, in abi.MemoryRead) (out abi.MemoryFile, err error) {
	err = m.do(ctx, abi.OpMemoryRead, in, &out)
	return out, err
}

// List returns a page of files.
func (m UserMemory) List(ctx context.Context, in abi.MemoryList) (out abi.MemoryPage, err error) {
	err = m.do(ctx, abi.OpMemoryList, in, &out)
	return out, err
}

// Search finds files by their words.
func (m UserMemory) Search(ctx context.Context, in abi.MemorySearch) (out abi.MemoryHits, err error) {
	err = m.do(ctx, abi.OpMemorySearch, in, &out)
	return out, err
}

// Write puts a whole file in place.
func (m UserMemory) Write(ctx context.Context, in abi.MemoryWrite) (out abi.MemoryInfo, err error) {
	err = m.do(ctx, abi.OpMemoryWrite, in, &out)
	return out, err
}

// Append adds to the end of a file, or makes it.
func (m UserMemory) Append(ctx context.Context, in abi.MemoryAppend) (out abi.MemoryInfo, err error) {
	err = m.do(ctx, abi.OpMemoryAppend, in, &out)
	return out, err
}

// Delete removes a file.
func (m UserMemory) Delete(ctx context.Context, in abi.MemoryDelete) error {
	return m.do(ctx, abi.OpMemoryDelete, in, nil)
}
