// Copyright 2026 The Gantry Authors.

package skillsapi

import (
	"encoding/json"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// The schemas of this surface, for its OpenAPI document.
const (
	commonFields = `"name":{"type":"string","maxLength":128,"description":"for people; the id where empty"},` +
		`"description":{"type":"string","maxLength":1024,"description":"what the skill does and when to use it"},` +
		`"system_prompt":{"type":"string","description":"the text the model reads, at most 256 KiB"},` +
		`"service":{"type":"string","description":"the connector the skill works with"},` +
		`"enabled":{"type":"boolean","description":"whether models see it"},` +
		`"license":{"type":"string"},"compatibility":{"type":"string"},"allowed_tools":{"type":"string"},` +
		`"metadata":{"type":"object","additionalProperties":{"type":["string","number","boolean"]}}`

	createSchema = `{"type":"object","required":["id","description","system_prompt"],"additionalProperties":false,"properties":{` +
		`"id":{"type":"string","pattern":"^[a-z0-9][a-z0-9_-]{0,63}$"},` + commonFields + `,` +
		`"files":{"type":"array","items":{"type":"object","required":["path"],"properties":{` +
		`"path":{"type":"string","maxLength":200},"text":{"type":"string"},"data":{"type":"string","format":"byte"},"executable":{"type":"boolean"}}}}}}`

	editSchema = `{"type":"object","additionalProperties":false,"properties":{` + commonFields + `}}`

	skillSchema = `{"type":"object","required":["id","uri","name","description","enabled","created_at","updated_at","revision"],"properties":{` +
		`"id":{"type":"string"},"uri":{"type":"string","description":"where MCP clients read it"},` + commonFields + `,` +
		`"files":{"type":"array","items":{"type":"object","required":["path","size","digest"],"properties":{` +
		`"path":{"type":"string"},"size":{"type":"integer"},"digest":{"type":"string"},"executable":{"type":"boolean"}}}},` +
		`"created_at":{"type":"string","format":"date-time"},"updated_at":{"type":"string","format":"date-time"},` +
		`"revision":{"type":"integer","description":"another with each change; the ETag holds it too"}}}`

	listSchema = `{"type":"object","required":["skills"],"properties":{"skills":{"type":"array","items":` + skillSchema + `}}}`

	bytesSchema = `{"type":"string","format":"binary"}`
)

var (
	idParam     = web.Param{Name: "id", In: "path", Required: true, Description: "the skill"}
	pathParam   = web.Param{Name: "path", In: "query", Required: true, Description: "the file, such as scripts/report.py"}
	matchHeader = web.Param{Name: "If-Match", In: "header", Description: "an ETag; the change is refused where the skill is another by now"}
)

func skillDoc(status int, text string) []web.AnswerDoc {
	return []web.AnswerDoc{{Status: status, Description: text, Schema: json.RawMessage(skillSchema)}}
}

func (a *api) routes() []web.Route {
	return append(append(a.collection(), a.single()...), a.files()...)
}

func (a *api) collection() []web.Route {
	return []web.Route{
		{
			Method: "GET", Path: "/api/v1/skills", Scope: host.ScopeReadData, Handler: a.list,
			Doc: web.Doc{ID: "listSkills", Summary: "List the skills, without their prompts",
				Description: "Those that are switched on; with the scope admin all of them.",
				Answers:     []web.AnswerDoc{{Status: 200, Description: "The skills, in order of their ids", Schema: json.RawMessage(listSchema)}}},
		},
		{
			Method: "POST", Path: "/api/v1/skills", Scope: host.ScopeAdmin, Handler: a.create,
			Doc: web.Doc{ID: "createSkill", Summary: "Make a skill", Request: json.RawMessage(createSchema),
				Answers: skillDoc(201, "The skill"), Errors: []int{409, 413, 422}},
		},
		{
			Method: "POST", Path: "/api/v1/skills/import", Scope: host.ScopeAdmin, Handler: a.importZip,
			Doc: web.Doc{ID: "importSkill", Summary: "Make a skill of a zip archive",
				Description: "The body is the archive (application/zip): a SKILL.md with what belongs to it, at the top or below one folder.",
				Params:      []web.Param{{Name: "replace", In: "query", Description: "true: an existing skill becomes what the archive says"}},
				Answers:     skillDoc(201, "The skill"), Errors: []int{409, 413, 415, 422}},
		},
	}
}

func (a *api) single() []web.Route {
	one := []web.Param{idParam}
	change := []web.Param{idParam, matchHeader}
	return []web.Route{
		{
			Method: "GET", Path: "/api/v1/skills/{id}", Scope: host.ScopeReadData, Handler: a.get,
			Doc: web.Doc{ID: "getSkill", Summary: "Read a skill", Params: one, Answers: skillDoc(200, "The skill"), Errors: []int{404}},
		},
		{
			Method: "PATCH", Path: "/api/v1/skills/{id}", Scope: host.ScopeAdmin, Handler: a.edit,
			Doc: web.Doc{ID: "editSkill", Summary: "Change what the body names", Params: change,
				Request: json.RawMessage(editSchema), Answers: skillDoc(200, "The skill as it is now"), Errors: []int{404, 409, 413, 422}},
		},
		{
			Method: "DELETE", Path: "/api/v1/skills/{id}", Scope: host.ScopeAdmin, Handler: a.remove,
			Doc: web.Doc{ID: "deleteSkill", Summary: "Take a skill away", Params: change,
				Answers: []web.AnswerDoc{{Status: 204, Description: "It is gone"}}, Errors: []int{404, 409}},
		},
		{
			Method: "POST", Path: "/api/v1/skills/{id}/enable", Scope: host.ScopeAdmin, Handler: a.enable(true),
			Doc: web.Doc{ID: "enableSkill", Summary: "Show a skill to models", Params: change,
				Answers: skillDoc(200, "The skill as it is now"), Errors: []int{404, 409}},
		},
		{
			Method: "POST", Path: "/api/v1/skills/{id}/disable", Scope: host.ScopeAdmin, Handler: a.enable(false),
			Doc: web.Doc{ID: "disableSkill", Summary: "Hide a skill from models", Params: change,
				Answers: skillDoc(200, "The skill as it is now"), Errors: []int{404, 409}},
		},
		{
			Method: "GET", Path: "/api/v1/skills/{id}/export", Scope: host.ScopeReadData, Handler: a.export,
			Doc: web.Doc{ID: "exportSkill", Summary: "A skill as a zip archive", Params: one,
				Answers: []web.AnswerDoc{{Status: 200, Description: "What import makes the same skill of", Type: "application/zip", Schema: json.RawMessage(bytesSchema)}},
				Errors:  []int{404}},
		},
	}
}

func (a *api) files() []web.Route {
	return []web.Route{
		{
			Method: "GET", Path: "/api/v1/skills/{id}/file", Scope: host.ScopeReadData, Handler: a.file,
			Doc: web.Doc{ID: "getSkillFile", Summary: "Read one file of a skill, or its SKILL.md", Params: []web.Param{idParam, pathParam},
				Answers: []web.AnswerDoc{{Status: 200, Description: "The file", Type: "application/octet-stream", Schema: json.RawMessage(bytesSchema)}},
				Errors:  []int{404}},
		},
		{
			Method: "PUT", Path: "/api/v1/skills/{id}/file", Scope: host.ScopeAdmin, Handler: a.putFile,
			Doc: web.Doc{ID: "putSkillFile", Summary: "Write one file of a skill", Description: "The body is the file, at most 2 MiB.",
				Params:  []web.Param{idParam, pathParam, {Name: "executable", In: "query", Description: "true for a program"}, matchHeader},
				Answers: skillDoc(200, "The skill as it is now"), Errors: []int{404, 409, 413, 422}},
		},
		{
			Method: "DELETE", Path: "/api/v1/skills/{id}/file", Scope: host.ScopeAdmin, Handler: a.removeFile,
			Doc: web.Doc{ID: "deleteSkillFile", Summary: "Take one file of a skill away", Params: []web.Param{idParam, pathParam, matchHeader},
				Answers: skillDoc(200, "The skill as it is now"), Errors: []int{404, 409}},
		},
	}
}
