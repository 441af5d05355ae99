// Copyright 2026 The Gantry Authors.

// Package driveapi is the REST surface of a tenant's knowledge base.
//
//	GET    /api/v1/drive/documents            list documents by path (?prefix=, limit, cursor)
//	POST   /api/v1/drive/documents            put one: {"path","title","tags","media_type","text"}
//	GET    /api/v1/drive/documents/{path}     its text (?offset=, limit), or as it was put (?form=source)
//	PUT    /api/v1/drive/documents/{path}     put one: the body is the document (?title=, tags)
//	DELETE /api/v1/drive/documents/{path}     take it away
//	GET    /api/v1/drive/search               find documents (?q=, under, tags, limit, cursor)
//
// The tenant is the credential's. All of it needs read:data; putting and deleting need write:tools
// as well. ETags are revisions: If-Match and If-None-Match: * guard a change.
//
// It words requests and answers. What a document may be and how it is found is decided by host/drive.
package driveapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/drive"
	"github.com/gantryhost/gantry/host/web"
)

// Drive keeps and finds documents; *drive.Service does.
type Drive interface {
	Put(ctx context.Context, tenant host.TenantID, p drive.Put) (abi.DriveDocument, error)
	Delete(ctx context.Context, tenant host.TenantID, path string, ifRevision *uint64) error
	Read(ctx context.Context, tenant host.TenantID, in abi.DriveRead) (abi.DriveText, error)
	Source(ctx context.Context, tenant host.TenantID, path string) (abi.DriveDocument, []byte, error)
	List(ctx context.Context, tenant host.TenantID, in abi.DriveList) (abi.DrivePage, error)
	Search(ctx context.Context, tenant host.TenantID, in abi.DriveSearch) (abi.DriveHits, error)
}

var _ Drive = (*drive.Service)(nil)

type api struct{ drive Drive }

// New returns the surface.
func New(d Drive) (web.Surface, error) {
	if d == nil {
		return web.Surface{}, host.Errorf("driveapi.New", abi.CodeInvalidArg, "Drive is missing")
	}
	a := &api{d}
	return web.Surface{Name: "drive", Prefixes: []string{"/api/v1/drive"}, Routes: a.routes()}, nil
}

func invalid(format string, args ...any) error {
	return host.Errorf("driveapi", abi.CodeInvalidArg, format, args...)
}

// reader is the caller's tenant. A workspace is plain storage and has no knowledge base.
func reader(c *web.Ctx) (host.TenantID, error) {
	p := c.Principal()
	if p.Kind == host.KindWorkspace {
		return "", host.Errorf("driveapi", abi.CodeForbidden, "a workspace credential has no knowledge base").WithHint("use an org key")
	}
	return p.Tenant, nil
}

// writer is reader for those who may change something: what one puts there, every model of the
// tenant reads.
func writer(c *web.Ctx) (host.TenantID, error) {
	if !c.Principal().Has(host.ScopeWriteTools) {
		return "", host.Errorf("driveapi", abi.CodeForbidden, "the token lacks the scope %s", host.ScopeWriteTools).
			WithHint("use a token with the scopes %s and %s", host.ScopeReadData, host.ScopeWriteTools)
	}
	return reader(c)
}

func (a *api) list(c *web.Ctx) error {
	tenant, err := reader(c)
	if err != nil {
		return err
	}
	return web.Page(c, func(limit int) (abi.DrivePage, error) {
		return a.drive.List(c.Context(), tenant, abi.DriveList{Prefix: c.Query("prefix"), Limit: limit, Cursor: c.Query("cursor")})
	})
}

func (a *api) search(c *web.Ctx) error {
	tenant, err := reader(c)
	if err != nil {
		return err
	}
	return web.Page(c, func(limit int) (abi.DriveHits, error) {
		return a.drive.Search(c.Context(), tenant, abi.DriveSearch{
			Query: c.Query("q"), Under: c.Query("under"), Tags: tags(c), Limit: limit, Cursor: c.Query("cursor"),
		})
	})
}

func (a *api) get(c *web.Ctx) error {
	tenant, err := reader(c)
	if err != nil {
		return err
	}
	switch form := c.Query("form"); form {
	case "source":
		doc, body, err := a.drive.Source(c.Context(), tenant, c.Param("path"))
		if err != nil {
			return err
		}
		tag(c, doc)
		c.SetHeader("X-Content-Type-Options", "nosniff")
		c.SetHeader("Content-Security-Policy", "sandbox") // a page that was put here is nobody's script
		c.Bytes(200, doc.MediaType+"; charset=utf-8", body)
		return nil
	case "", "text":
	default:
		return invalid("form: %q is not text or source", form)
	}
	offset, err := c.Number("offset")
	if err != nil {
		return err
	}
	limit, err := c.Number("limit")
	if err != nil {
		return err
	}
	text, err := a.drive.Read(c.Context(), tenant, abi.DriveRead{Path: c.Param("path"), Offset: offset, Limit: int(limit)})
	if err != nil {
		return err
	}
	tag(c, text.DriveDocument)
	return c.JSON(200, text)
}

// putBody is the JSON of a put.
type putBody struct {
	Path      string   `json:"path"`
	Title     string   `json:"title"`
	Tags      []string `json:"tags"`
	MediaType string   `json:"media_type"`
	Text      string   `json:"text"`
}

func (a *api) create(c *web.Ctx) error {
	var b putBody
	// Not Bind: a document may be longer than other JSON bodies, up to what the server takes at all.
	if media, _, _ := strings.Cut(c.Header("Content-Type"), ";"); strings.TrimSpace(media) != "application/json" {
		return invalid("Content-Type: has to be application/json; PUT takes a document as it is")
	}
	if err := web.DecodeJSON(c.Body(), &b); err != nil {
		return err
	}
	return a.keep(c, drive.Put{Path: b.Path, Title: b.Title, Tags: b.Tags, MediaType: b.MediaType, Body: []byte(b.Text)})
}

func (a *api) put(c *web.Ctx) error {
	media := c.Header("Content-Type")
	if media == "application/x-www-form-urlencoded" || media == "application/octet-stream" {
		media = "" // what clients say that were not told: the path knows better
	}
	return a.keep(c, drive.Put{Path: c.Param("path"), Title: c.Query("title"), Tags: tags(c), MediaType: media, Body: c.Body()})
}

func (a *api) keep(c *web.Ctx, p drive.Put) error {
	tenant, err := writer(c)
	if err != nil {
		return err
	}
	if p.IfRevision, err = condition(c); err != nil {
		return err
	}
	doc, err := a.drive.Put(c.Context(), tenant, p)
	if err != nil {
		return err
	}
	tag(c, doc)
	return c.JSON(200, doc)
}

func (a *api) remove(c *web.Ctx) error {
	tenant, err := writer(c)
	if err != nil {
		return err
	}
	rev, err := condition(c)
	if err != nil {
		return err
	}
	if err := a.drive.Delete(c.Context(), tenant, c.Param("path"), rev); err != nil {
		return err
	}
	c.NoContent()
	return nil
}

func tag(c *web.Ctx, d abi.DriveDocument) {
	c.SetHeader("ETag", `"`+strconv.FormatUint(d.Revision, 10)+`"`)
}

// condition is the revision that a change is bound to: nil for any, 0 where there must be none.
func condition(c *web.Ctx) (*uint64, error) {
	var rev uint64
	match, none := c.Header("If-Match"), c.Header("If-None-Match")
	switch {
	case none == "*" && match == "":
		return &rev, nil
	case none != "":
		return nil, invalid("If-None-Match: only * is taken, and not together with If-Match")
	case match == "":
		return nil, nil
	}
	rev, err := strconv.ParseUint(strings.Trim(match, `"`), 10, 64)
	if err != nil || rev == 0 {
		return nil, invalid(`If-Match: has to be an ETag that this host gave, such as "12"`)
	}
	return &rev, nil
}

// tags is the query parameter of that name: words with commas between.
func tags(c *web.Ctx) []string {
	var out []string
	for t := range strings.SplitSeq(c.Query("tags"), ",") {
		if t = strings.TrimSpace(t); t != "" {
			out = append(out, t)
		}
	}
	return out
}
