// Copyright 2026 The Gantry Authors.

package skillsapi

import (
	"mime"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/skills"
	"github.com/gantryhost/gantry/host/web"
)

// createRequest is the body of POST /api/v1/skills.
type createRequest struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Description   string         `json:"description"`
	SystemPrompt  string         `json:"system_prompt"`
	Service       string         `json:"service"`
	Enabled       *bool          `json:"enabled"`
	License       string         `json:"license"`
	Compatibility string         `json:"compatibility"`
	AllowedTools  string         `json:"allowed_tools"`
	Metadata      map[string]any `json:"metadata"`
	Files         []fileRequest  `json:"files"`
}

// fileRequest is a file with its body as text or as Base64.
type fileRequest struct {
	Path       string  `json:"path"`
	Text       *string `json:"text"`
	Data       []byte  `json:"data"`
	Executable bool    `json:"executable"`
}

// editRequest is the body of PATCH /api/v1/skills/{id}: what it does not name stays.
type editRequest struct {
	Name          *string         `json:"name"`
	Description   *string         `json:"description"`
	SystemPrompt  *string         `json:"system_prompt"`
	Service       *string         `json:"service"`
	Enabled       *bool           `json:"enabled"`
	License       *string         `json:"license"`
	Compatibility *string         `json:"compatibility"`
	AllowedTools  *string         `json:"allowed_tools"`
	Metadata      *map[string]any `json:"metadata"`
}

func (r *createRequest) draft() (*skills.Draft, error) {
	d := &skills.Draft{Skill: skills.Skill{ID: r.ID, Name: r.Name, Description: r.Description, SystemPrompt: r.SystemPrompt,
		Service: r.Service, Enabled: r.Enabled == nil || *r.Enabled, License: r.License, Compatibility: r.Compatibility,
		AllowedTools: r.AllowedTools, Metadata: r.Metadata}}
	for i, f := range r.Files {
		b := skills.Body{Path: f.Path, Data: f.Data, Executable: f.Executable}
		switch {
		case f.Text != nil && f.Data != nil:
			return nil, host.Errorf("skillsapi.create", abi.CodeInvalidArg, "files[%d]: has text and data; send one of them", i)
		case f.Text != nil:
			b.Data = []byte(*f.Text)
		}
		d.Bodies = append(d.Bodies, b)
	}
	return d, nil
}

// importZip makes a skill of an archive; with ?replace=true an existing one becomes what it says.
func (a *api) importZip(c *web.Ctx) error {
	const op = "skillsapi.import"
	p, err := caller(c)
	if err != nil {
		return err
	}
	replace, err := boolQuery(c, "replace")
	if err != nil {
		return err
	}
	if media, _, err := mime.ParseMediaType(c.Header("Content-Type")); err != nil || media != "application/zip" && media != "application/octet-stream" {
		return host.Errorf(op, web.CodeMediaType, "Content-Type: has to be application/zip; the body is the archive")
	}
	folder, err := skills.ReadZip(c.Body())
	if err != nil {
		return err
	}
	d, err := skills.ReadDraft(folder)
	if err != nil {
		return err
	}
	k, err := a.skills.Import(c.Context(), p.Tenant, d, replace)
	if err != nil {
		return err
	}
	return reply(c, 201, k)
}

func boolQuery(c *web.Ctx, name string) (bool, error) {
	switch v := c.Query(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, host.Errorf("skillsapi", abi.CodeInvalidArg, "%s: has to be true or false", name)
}

func (a *api) export(c *web.Ctx) error {
	p, k, err := a.visible(c)
	if err != nil {
		return err
	}
	folder, k, err := a.skills.Export(c.Context(), p.Tenant, k.ID)
	if err != nil {
		return err
	}
	data, err := folder.Zip(k.ID, k.UpdatedAt)
	if err != nil {
		return err
	}
	download(c, k.ID+".zip")
	c.Bytes(200, "application/zip", data)
	return nil
}

// download tells browsers to keep a body and not to show it: it is a stranger's.
func download(c *web.Ctx, name string) {
	c.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	c.SetHeader("X-Content-Type-Options", "nosniff")
}

func (a *api) file(c *web.Ctx) error {
	p, k, err := a.visible(c)
	if err != nil {
		return err
	}
	b, err := a.skills.File(c.Context(), p.Tenant, k.ID, c.Query("path"))
	if err != nil {
		return err
	}
	download(c, "file")
	c.Bytes(200, "application/octet-stream", b.Data)
	return nil
}

func (a *api) putFile(c *web.Ctx) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	executable, err := boolQuery(c, "executable")
	if err != nil {
		return err
	}
	b := skills.Body{Path: c.Query("path"), Data: c.Body(), Executable: executable}
	return a.update(c, p, skills.Edit{Put: []skills.Body{b}})
}

func (a *api) removeFile(c *web.Ctx) error {
	p, err := caller(c)
	if err != nil {
		return err
	}
	return a.update(c, p, skills.Edit{Remove: []string{c.Query("path")}})
}
