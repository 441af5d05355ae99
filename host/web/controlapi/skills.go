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
	"github.com/gantryhost/gantry/host/skills"
)

// maxArchive bounds an uploaded archive of a skill; what is in it has bounds of its own.
const maxArchive = 32 << 20

// Skills is what the door needs of the skills.
type Skills interface {
	List(ctx context.Context, tenant host.TenantID) ([]skills.Skill, error)
	Get(ctx context.Context, tenant host.TenantID, id string) (skills.Skill, error)
	Text(ctx context.Context, tenant host.TenantID, id string) (string, error)
	Create(ctx context.Context, tenant host.TenantID, d *skills.Draft) (skills.Skill, error)
	Import(ctx context.Context, tenant host.TenantID, d *skills.Draft, replace bool) (skills.Skill, error)
	Update(ctx context.Context, tenant host.TenantID, id string, e skills.Edit) (skills.Skill, error)
	Delete(ctx context.Context, tenant host.TenantID, id string, ifRevision uint64) error
	Export(ctx context.Context, tenant host.TenantID, id string) (*skills.Folder, skills.Skill, error)
}

// SkillText is a skill as models read it.
type SkillText struct {
	Text string `json:"text"`
}

// skillRoutes are the door's ways to the skills.
func (d *door) skillRoutes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/skills":             d.listSkills,
		"POST /v1/skills":            d.createSkill,
		"POST /v1/skills/import":     d.importSkill,
		"GET /v1/skills/{id}":        d.skill,
		"GET /v1/skills/{id}/text":   d.skillText,
		"GET /v1/skills/{id}/export": d.exportSkill,
		"PATCH /v1/skills/{id}":      d.editSkill,
		"DELETE /v1/skills/{id}":     d.deleteSkill,
	}
}

func tenantOf(r *http.Request) host.TenantID {
	if t := r.URL.Query().Get("tenant"); t != "" {
		return host.TenantID(t)
	}
	return host.DefaultTenant
}

func (d *door) listSkills(w http.ResponseWriter, r *http.Request) error {
	all, err := d.Skills.List(r.Context(), tenantOf(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, all)
	return nil
}

func (d *door) createSkill(w http.ResponseWriter, r *http.Request) error {
	var draft skills.Draft
	if err := readJSON(r, &draft); err != nil {
		return err
	}
	k, err := d.Skills.Create(r.Context(), tenantOf(r), &draft)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, k)
	return nil
}

func (d *door) importSkill(w http.ResponseWriter, r *http.Request) error {
	const op = "control"
	data, err := io.ReadAll(io.LimitReader(r.Body, maxArchive+1))
	if err != nil {
		return host.Errorf(op, abi.CodeInvalidArg, "reading the archive: %w", err)
	}
	if len(data) > maxArchive {
		return host.Errorf(op, abi.CodeLimit, "the archive is longer than %d bytes", maxArchive)
	}
	folder, err := skills.ReadZip(data)
	if err != nil {
		return err
	}
	draft, err := skills.ReadDraft(folder)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	draft.Enabled = q.Get("disabled") != "true"
	k, err := d.Skills.Import(r.Context(), tenantOf(r), draft, q.Get("replace") == "true")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, k)
	return nil
}

func (d *door) skill(w http.ResponseWriter, r *http.Request) error {
	k, err := d.Skills.Get(r.Context(), tenantOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, k)
	return nil
}

func (d *door) skillText(w http.ResponseWriter, r *http.Request) error {
	text, err := d.Skills.Text(r.Context(), tenantOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, SkillText{text})
	return nil
}

func (d *door) exportSkill(w http.ResponseWriter, r *http.Request) error {
	folder, k, err := d.Skills.Export(r.Context(), tenantOf(r), r.PathValue("id"))
	if err != nil {
		return err
	}
	data, err := folder.Zip(k.ID, k.UpdatedAt)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/zip")
	_, _ = w.Write(data) // who asked has gone
	return nil
}

func (d *door) editSkill(w http.ResponseWriter, r *http.Request) error {
	var e skills.Edit
	if err := readJSON(r, &e); err != nil {
		return err
	}
	k, err := d.Skills.Update(r.Context(), tenantOf(r), r.PathValue("id"), e)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, k)
	return nil
}

func (d *door) deleteSkill(w http.ResponseWriter, r *http.Request) error {
	if err := d.Skills.Delete(r.Context(), tenantOf(r), r.PathValue("id"), 0); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func skillPath(tenant host.TenantID, id, more string, query ...string) string {
	q := url.Values{"tenant": {string(tenant)}}
	for i := 0; i+1 < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	path := "/v1/skills"
	if id != "" {
		path += "/" + url.PathEscape(id)
	}
	return path + more + "?" + q.Encode()
}

// Skills lists a tenant's skills, without their prompts.
func (c *Client) Skills(ctx context.Context, tenant host.TenantID) ([]skills.Skill, error) {
	var out []skills.Skill
	return out, c.do(ctx, "GET", skillPath(tenant, "", ""), nil, &out)
}

// Skill reads a skill.
func (c *Client) Skill(ctx context.Context, tenant host.TenantID, id string) (skills.Skill, error) {
	var out skills.Skill
	return out, c.do(ctx, "GET", skillPath(tenant, id, ""), nil, &out)
}

// SkillText reads a skill as models do.
func (c *Client) SkillText(ctx context.Context, tenant host.TenantID, id string) (string, error) {
	var out SkillText
	return out.Text, c.do(ctx, "GET", skillPath(tenant, id, "/text"), nil, &out)
}

// CreateSkill makes a skill.
func (c *Client) CreateSkill(ctx context.Context, tenant host.TenantID, d *skills.Draft) (skills.Skill, error) {
	var out skills.Skill
	return out, c.do(ctx, "POST", skillPath(tenant, "", ""), d, &out)
}

// ImportSkill makes a skill of a zip archive; with replace an existing one becomes what it says.
// Disabled counts for a new one only.
func (c *Client) ImportSkill(ctx context.Context, tenant host.TenantID, archive []byte, replace, disabled bool) (skills.Skill, error) {
	var out skills.Skill
	return out, c.do(ctx, "POST", skillPath(tenant, "", "/import", "replace", strconv.FormatBool(replace),
		"disabled", strconv.FormatBool(disabled)), archive, &out)
}

// EditSkill changes a skill.
func (c *Client) EditSkill(ctx context.Context, tenant host.TenantID, id string, e skills.Edit) (skills.Skill, error) {
	var out skills.Skill
	return out, c.do(ctx, "PATCH", skillPath(tenant, id, ""), e, &out)
}

// DeleteSkill takes a skill away.
func (c *Client) DeleteSkill(ctx context.Context, tenant host.TenantID, id string) error {
	return c.do(ctx, "DELETE", skillPath(tenant, id, ""), nil, nil)
}

// ExportSkill returns a skill as a zip archive.
func (c *Client) ExportSkill(ctx context.Context, tenant host.TenantID, id string) ([]byte, error) {
	resp, err := c.send(ctx, "GET", skillPath(tenant, id, "/export"), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
