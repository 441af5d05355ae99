// Copyright 2026 The Gantry Authors.

// Package skillsapi is the REST surface of a tenant's skills.
//
//	GET    /api/v1/skills                    list them, without their prompts
//	POST   /api/v1/skills                    make one
//	POST   /api/v1/skills/import             make one of a zip archive with a SKILL.md (?replace=true)
//	GET    /api/v1/skills/{id}               one with its prompt
//	PATCH  /api/v1/skills/{id}               change what the body names
//	DELETE /api/v1/skills/{id}               take it away
//	POST   /api/v1/skills/{id}/enable        show it to models
//	POST   /api/v1/skills/{id}/disable       hide it
//	GET    /api/v1/skills/{id}/export        the zip archive
//	GET    /api/v1/skills/{id}/file?path=P   one file; PUT and DELETE write and remove it
//
// The tenant is the credential's. Reading needs read:data and shows the skills that are switched on;
// admin sees all and is needed to write, because every agent of the tenant does what a skill says.
//
// It words requests and answers. What a skill may be is decided by host/skills.
package skillsapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/skills"
	"github.com/gantryhost/gantry/host/web"
)

// Skills keeps the skills; *skills.Service does.
type Skills interface {
	List(ctx context.Context, tenant host.TenantID) ([]skills.Skill, error)
	Get(ctx context.Context, tenant host.TenantID, id string) (skills.Skill, error)
	Create(ctx context.Context, tenant host.TenantID, d *skills.Draft) (skills.Skill, error)
	Import(ctx context.Context, tenant host.TenantID, d *skills.Draft, replace bool) (skills.Skill, error)
	Update(ctx context.Context, tenant host.TenantID, id string, e skills.Edit) (skills.Skill, error)
	Delete(ctx context.Context, tenant host.TenantID, id string, ifRevision uint64) error
	File(ctx context.Context, tenant host.TenantID, id, path string) (skills.Body, error)
	Export(ctx context.Context, tenant host.TenantID, id string) (*skills.Folder, skills.Skill, error)
}

var _ Skills = (*skills.Service)(nil)

type api struct{ skills Skills }

// New returns the surface.
func New(s Skills) (web.Surface, error) {
	if s == nil {
		return web.Surface{}, host.Errorf("skillsapi.New", abi.CodeInvalidArg, "Skills is missing")
	}
	a := &api{s}
	return web.Surface{Name: "skills", Prefixes: []string{"/api/v1/skills"}, Routes: a.routes()}, nil
}

// skillAnswer is a skill with the URI under which models read it.
type skillAnswer struct {
	skills.Skill
	URI string `json:"uri"`
}

func answerOf(k skills.Skill) skillAnswer { return skillAnswer{Skill: k, URI: "skill://" + k.ID} }

// caller refuses who has no business with skills. A workspace is plain storage.
func caller(c *web.Ctx) (*host.Principal, error) {
	p := c.Principal()
	if p.Kind == host.KindWorkspace {
		return nil, host.Errorf("skillsapi", abi.CodeForbidden, "a workspace credential has no skills").WithHint("use an org key")
	}
	return p, nil
}

func (a *api) list(c *web.Ctx) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	all, err := a.skills.List(c.Context(), p.Tenant)
	if err != nil {
		return err
	}
	out := struct {
		Skills []skillAnswer `json:"skills"`
	}{[]skillAnswer{}}
	for _, k := range all {
		if k.Enabled || p.Has(host.ScopeAdmin) {
			out.Skills = append(out.Skills, answerOf(k))
		}
	}
	return c.JSON(200, out)
}

// visible finds the skill of the path, where the caller sees it.
func (a *api) visible(c *web.Ctx) (*host.Principal, skills.Skill, error) {
	p, err := caller(c)
	if err != nil {
		return nil, skills.Skill{}, err
	}
	k, err := a.skills.Get(c.Context(), p.Tenant, c.Param("id"))
	if err == nil && !k.Enabled && !p.Has(host.ScopeAdmin) {
		// In the words for one that is not there at all.
		err = host.Errorf("skillsapi", abi.CodeNotFound, "there is no skill %q", k.ID).WithHint("list the skills to see their ids")
	}
	return p, k, err
}

func (a *api) get(c *web.Ctx) error {
	_, k, err := a.visible(c)
	if err != nil {
		return err
	}
	return reply(c, 200, k)
}

func reply(c *web.Ctx, status int, k skills.Skill) error {
	c.SetHeader("ETag", `"`+strconv.FormatUint(k.Revision, 10)+`"`)
	return c.JSON(status, answerOf(k))
}

func (a *api) create(c *web.Ctx) error {
	var body createRequest
	p, err := caller(c)
	if err == nil {
		err = c.Bind(&body)
	}
	if err != nil {
		return err
	}
	d, err := body.draft()
	if err != nil {
		return err
	}
	k, err := a.skills.Create(c.Context(), p.Tenant, d)
	if err != nil {
		return err
	}
	return reply(c, 201, k)
}

func (a *api) edit(c *web.Ctx) error {
	var body editRequest
	p, err := caller(c)
	if err == nil {
		err = c.Bind(&body)
	}
	if err != nil {
		return err
	}
	e := skills.Edit{Name: body.Name, Description: body.Description, SystemPrompt: body.SystemPrompt, Service: body.Service,
		License: body.License, Compatibility: body.Compatibility, AllowedTools: body.AllowedTools,
		Enabled: body.Enabled, Metadata: body.Metadata}
	return a.update(c, p, e)
}

// update makes an edit under the condition of If-Match.
func (a *api) update(c *web.Ctx, p *host.Principal, e skills.Edit) (err error) {
	if e.IfRevision, err = ifMatch(c); err != nil {
		return err
	}
	k, err := a.skills.Update(c.Context(), p.Tenant, c.Param("id"), e)
	if err != nil {
		return err
	}
	return reply(c, 200, k)
}

// ifMatch is the revision a change is bound to, 0 for any.
func ifMatch(c *web.Ctx) (uint64, error) {
	h := c.Header("If-Match")
	if h == "" || h == "*" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.Trim(h, `"`), 10, 64)
	if err != nil || n == 0 {
		return 0, host.Errorf("skillsapi", abi.CodeInvalidArg, `If-Match: has to be an ETag that this host gave, such as "12"`)
	}
	return n, nil
}

func (a *api) remove(c *web.Ctx) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	rev, err := ifMatch(c)
	if err != nil {
		return err
	}
	if err := a.skills.Delete(c.Context(), p.Tenant, c.Param("id"), rev); err != nil {
		return err
	}
	c.NoContent()
	return nil
}

// enable makes a handler that switches a skill on or off.
func (a *api) enable(on bool) func(*web.Ctx) error {
	return func(c *web.Ctx) error {
		p, err := caller(c)
		if err != nil {
			return err
		}
		return a.update(c, p, skills.Edit{Enabled: &on})
	}
}
