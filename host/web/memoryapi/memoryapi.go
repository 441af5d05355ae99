// Copyright 2026 The Gantry Authors.

// Package memoryapi is the REST surface of a user's memory.
//
//	GET    /api/v1/memory                list the files (?prefix=&cursor=&limit=)
//	GET    /api/v1/memory/search         find files by their words (?query=&prefix=&limit=)
//	POST   /api/v1/memory/read           read up to 50 files at once
//	GET    /api/v1/memory/file?path=P    read one file
//	PUT    /api/v1/memory/file?path=P    write it whole
//	POST   /api/v1/memory/file?path=P    add to its end
//	DELETE /api/v1/memory/file?path=P    take it away
//
// Whose memory it is follows from the credential. Reading needs read:data, changing write:tools
// besides. A path goes in the query because clients and proxies rewrite the dots and slashes of a
// URL's path. A condition (If-Match, if_revision) that does not hold is 409 CONFLICT, as for the
// tools, with the present revision in the details.
//
// It words requests and answers. What a file may be and who may do what is decided by host/memory.
package memoryapi

import (
	"context"
	"mime"
	"strconv"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// Memory keeps the files; *memory.Service does.
type Memory interface {
	Read(ctx context.Context, p *host.Principal, in abi.MemoryRead) (abi.MemoryFile, error)
	ReadMany(ctx context.Context, p *host.Principal, in abi.MemoryReadMany) (abi.MemoryFiles, error)
	List(ctx context.Context, p *host.Principal, in abi.MemoryList) (abi.MemoryPage, error)
	Search(ctx context.Context, p *host.Principal, in abi.MemorySearch) (abi.MemoryHits, error)
	Write(ctx context.Context, p *host.Principal, in abi.MemoryWrite) (abi.MemoryInfo, error)
	Append(ctx context.Context, p *host.Principal, in abi.MemoryAppend) (abi.MemoryInfo, error)
	Delete(ctx context.Context, p *host.Principal, in abi.MemoryDelete) error
}

type api struct{ memory Memory }

// New returns the surface.
func New(m Memory) (web.Surface, error) {
	if m == nil {
		return web.Surface{}, host.Errorf("memoryapi.New", abi.CodeInvalidArg, "Memory is missing")
	}
	a := &api{m}
	return web.Surface{Name: "memory", Prefixes: []string{"/api/v1/memory"}, Routes: a.routes()}, nil
}

func (a *api) list(c *web.Ctx) error {
	return web.Page(c, func(limit int) (abi.MemoryPage, error) {
		return a.memory.List(c.Context(), c.Principal(), abi.MemoryList{Prefix: c.Query("prefix"), Cursor: c.Query("cursor"), Limit: limit})
	})
}

func (a *api) search(c *web.Ctx) error {
	return web.Page(c, func(limit int) (abi.MemoryHits, error) {
		return a.memory.Search(c.Context(), c.Principal(), abi.MemorySearch{Query: c.Query("query"), Prefix: c.Query("prefix"), Limit: limit})
	})
}

func (a *api) readMany(c *web.Ctx) error {
	var in abi.MemoryReadMany
	if err := c.Bind(&in); err != nil {
		return err
	}
	files, err := a.memory.ReadMany(c.Context(), c.Principal(), in)
	if err != nil {
		return err
	}
	return c.JSON(200, files)
}

// read answers a file as JSON, or its text alone to who prefers that.
func (a *api) read(c *web.Ctx) error {
	offset, err := c.Number("offset")
	if err != nil {
		return err
	}
	limit, err := c.Number("limit")
	if err != nil {
		return err
	}
	f, err := a.memory.Read(c.Context(), c.Principal(), abi.MemoryRead{Path: c.Query("path"), Offset: offset, Limit: limit})
	if err != nil {
		return err
	}
	tag := etag(f.Revision)
	c.SetHeader("ETag", tag)
	c.SetHeader("Cache-Control", "private, no-cache")
	c.SetHeader("Vary", "Accept, Authorization")
	c.SetHeader("X-Content-Type-Options", "nosniff") // the text is a stranger's
	switch {
	case c.Header("If-None-Match") == tag:
		c.Bytes(304, "text/plain; charset=utf-8", nil)
	case wantsText(c.Header("Accept")):
		c.Bytes(200, "text/plain; charset=utf-8", []byte(f.Content))
	default:
		return c.JSON(200, f)
	}
	return nil
}

func etag(rev uint64) string { return `"` + strconv.FormatUint(rev, 10) + `"` }

// wantsText tells whether an Accept header names text before it names JSON or anything.
func wantsText(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		media, _, err := mime.ParseMediaType(part)
		switch {
		case err != nil:
		case strings.HasPrefix(media, "text/"):
			return true
		case media == "application/json", media == "*/*":
			return false
		}
	}
	return false
}

// change is the body of a PUT or a POST. Any other type of body than JSON is the text itself.
type change struct {
	Content    *string `json:"content"`
	IfRevision *uint64 `json:"if_revision"`
	NewLine    bool    `json:"new_line"`
}

// bind reads a change: its body, and the condition in the headers.
func bind(c *web.Ctx) (change, error) {
	const op = "memoryapi.bind"
	var in change
	media, _, err := mime.ParseMediaType(c.Header("Content-Type"))
	switch {
	case err == nil && media == "application/json":
		// web.Ctx.Bind's bound on JSON is below what a file may be, escaped; the server's own holds.
		if err := web.DecodeJSON(c.Body(), &in); err != nil {
			return in, err
		}
		if in.Content == nil {
			return in, host.Errorf(op, abi.CodeInvalidArg, "content: it is missing; send the text")
		}
	case err == nil && (media == "multipart/form-data" || media == "application/x-www-form-urlencoded"):
		return in, host.Errorf(op, web.CodeMediaType, "Content-Type: a form cannot be taken; send the text as text/plain, or JSON with content")
	case len(c.Body()) == 0:
		return in, host.Errorf(op, abi.CodeInvalidArg, `the body is empty; send the text, or {"content":""} as application/json`)
	default:
		text := string(c.Body())
		in.Content = &text
	}
	rev, err := condition(c)
	if err != nil {
		return in, err
	}
	if rev != nil && in.IfRevision != nil && *rev != *in.IfRevision {
		return in, host.Errorf(op, abi.CodeInvalidArg, "if_revision: it is %d, and the header says %d; send one of them", *in.IfRevision, *rev)
	}
	if rev != nil {
		in.IfRevision = rev
	}
	return in, nil
}

// condition is the revision that the headers bind a change to: that of If-Match, or 0 for
// If-None-Match: *, which asks that there is no file yet.
func condition(c *web.Ctx) (*uint64, error) {
	const op = "memoryapi.condition"
	match, none := c.Header("If-Match"), c.Header("If-None-Match")
	switch {
	case match != "" && none != "":
		return nil, host.Errorf(op, abi.CodeInvalidArg, "If-Match and If-None-Match: send one of them")
	case none == "*":
		return new(uint64), nil
	case none != "":
		return nil, host.Errorf(op, abi.CodeInvalidArg, "If-None-Match: has to be *, for a file that must not exist yet")
	case match == "":
		return nil, nil
	}
	rev, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(match, `"`), `"`), 10, 64)
	if err != nil || rev == 0 || match != etag(rev) {
		return nil, host.Errorf(op, abi.CodeInvalidArg, `If-Match: has to be one ETag that this host gave, such as "12"`)
	}
	return &rev, nil
}

func (a *api) write(c *web.Ctx) error {
	in, err := bind(c)
	switch {
	case err != nil:
		return err
	case in.NewLine:
		return host.Errorf("memoryapi.write", abi.CodeInvalidArg, "new_line: it is for adding to a file (POST)")
	}
	info, err := a.memory.Write(c.Context(), c.Principal(), abi.MemoryWrite{
		Path: c.Query("path"), Content: *in.Content, IfRevision: in.IfRevision,
	})
	return reply(c, info, err)
}

func (a *api) append(c *web.Ctx) error {
	in, err := bind(c)
	if err != nil {
		return err
	}
	info, err := a.memory.Append(c.Context(), c.Principal(), abi.MemoryAppend{
		Path: c.Query("path"), Content: *in.Content, IfRevision: in.IfRevision, NewLine: in.NewLine,
	})
	return reply(c, info, err)
}

func reply(c *web.Ctx, info abi.MemoryInfo, err error) error {
	if err != nil {
		return err
	}
	c.SetHeader("ETag", etag(info.Revision))
	return c.JSON(200, info)
}

func (a *api) remove(c *web.Ctx) error {
	rev, err := condition(c)
	if err != nil {
		return err
	}
	if err := a.memory.Delete(c.Context(), c.Principal(), abi.MemoryDelete{Path: c.Query("path"), IfRevision: rev}); err != nil {
		return err
	}
	c.NoContent()
	return nil
}
