// Copyright 2026 The Gantry Authors.

package controlapi

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/drive"
)

// Drive is what the door needs of the knowledge base.
type Drive interface {
	Put(ctx context.Context, tenant host.TenantID, p drive.Put) (abi.DriveDocument, error)
	Delete(ctx context.Context, tenant host.TenantID, path string, ifRevision *uint64) error
	Source(ctx context.Context, tenant host.TenantID, path string) (abi.DriveDocument, []byte, error)
	List(ctx context.Context, tenant host.TenantID, in abi.DriveList) (abi.DrivePage, error)
	Search(ctx context.Context, tenant host.TenantID, in abi.DriveSearch) (abi.DriveHits, error)
}

// driveRoutes are the door's ways to the knowledge base.
func (d *door) driveRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/drive":             d.listDocuments,
		"POST /v1/drive/search":     d.searchDocuments,
		"GET /v1/drive/document":    d.document,
		"PUT /v1/drive/document":    d.putDocument,
		"DELETE /v1/drive/document": d.deleteDocument,
	}
}

func (d *door) listDocuments(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	page, err := d.Drive.List(r.Context(), tenantOf(r), abi.DriveList{
		Prefix: q.Get("prefix"), Cursor: q.Get("cursor"), Limit: 1000,
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

func (d *door) searchDocuments(w http.ResponseWriter, r *http.Request) error {
	var in abi.DriveSearch
	if err := readJSON(r, &in); err != nil {
		return err
	}
	hits, err := d.Drive.Search(r.Context(), tenantOf(r), in)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, hits)
	return nil
}

// document writes a document as it was put.
func (d *door) document(w http.ResponseWriter, r *http.Request) error {
	doc, body, err := d.Drive.Source(r.Context(), tenantOf(r), r.URL.Query().Get("path"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", doc.MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // who asked has gone
	return nil
}

func (d *door) putDocument(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, drive.MaxTextBytes+1))
	if err != nil {
		return host.Errorf("control", abi.CodeInvalidArg, "reading the document: %w", err)
	}
	q := r.URL.Query()
	doc, err := d.Drive.Put(r.Context(), tenantOf(r), drive.Put{
		Path: q.Get("path"), Title: q.Get("title"), Tags: q["tag"], MediaType: q.Get("type"), Body: body,
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, doc)
	return nil
}

func (d *door) deleteDocument(w http.ResponseWriter, r *http.Request) error {
	if err := d.Drive.Delete(r.Context(), tenantOf(r), r.URL.Query().Get("path"), nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func driveQuery(t host.TenantID, path string) url.Values {
	return url.Values{"tenant": {string(t)}, "path": {path}}
}

// PutDocument puts a document into a tenant's knowledge base.
func (c *Client) PutDocument(ctx context.Context, t host.TenantID, p drive.Put) (abi.DriveDocument, error) {
	q := driveQuery(t, p.Path)
	q.Set("title", p.Title)
	q.Set("type", p.MediaType)
	q["tag"] = p.Tags
	var out abi.DriveDocument
	return out, c.do(ctx, "PUT", "/v1/drive/document?"+q.Encode(), p.Body, &out)
}

// Documents lists a page of at most 1,000 documents.
func (c *Client) Documents(ctx context.Context, t host.TenantID, prefix, cursor string) (abi.DrivePage, error) {
	q := url.Values{"tenant": {string(t)}, "prefix": {prefix}, "cursor": {cursor}}
	var out abi.DrivePage
	return out, c.do(ctx, "GET", "/v1/drive?"+q.Encode(), nil, &out)
}

// SearchDocuments finds documents.
func (c *Client) SearchDocuments(ctx context.Context, t host.TenantID, in abi.DriveSearch) (abi.DriveHits, error) {
	var out abi.DriveHits
	return out, c.do(ctx, "POST", "/v1/drive/search?tenant="+url.QueryEscape(string(t)), in, &out)
}

// Document returns a document as it was put.
func (c *Client) Document(ctx context.Context, t host.TenantID, path string) ([]byte, error) {
	resp, err := c.send(ctx, "GET", "/v1/drive/document?"+driveQuery(t, path).Encode(), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// DeleteDocument takes a document away.
func (c *Client) DeleteDocument(ctx context.Context, t host.TenantID, path string) error {
	return c.do(ctx, "DELETE", "/v1/drive/document?"+driveQuery(t, path).Encode(), nil, nil)
}
