// Copyright 2026 The Gantry Authors.

package memoryapi

import (
	"encoding/json"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// The schemas of this surface, for its OpenAPI document. A test holds them against real answers.
const (
	infoFields = `"path":{"type":"string","description":"parts with slashes between"},` +
		`"size":{"type":"integer","minimum":0,"description":"bytes of the whole file"},` +
		`"revision":{"type":"integer","minimum":1,"description":"grows with each change; the ETag holds it too"},` +
		`"modified":{"type":"string","format":"date-time"}`

	infoSchema = `{"type":"object","required":["path","size","revision","modified"],"properties":{` + infoFields + `}}`

	fileSchema = `{"type":"object","required":["path","size","revision","modified","content"],"properties":{` + infoFields + `,` +
		`"content":{"type":"string"},` +
		`"offset":{"type":"integer","description":"the byte at which content begins, 0 where absent"},` +
		`"next":{"type":"integer","description":"the offset of what follows, absent at the end"}}}`

	pageSchema = `{"type":"object","required":["entries"],"properties":{"entries":{"type":"array","items":` + infoSchema + `},` +
		`"next":{"type":"string","description":"the cursor of the following page, absent on the last"}}}`

	readSchema = `{"type":"object","required":["paths"],"additionalProperties":false,"properties":{` +
		`"paths":{"type":"array","minItems":1,"maxItems":50,"items":{"type":"string"}},` +
		`"limit":{"type":"integer","minimum":0,"maximum":4194304,"description":"bytes that the files may have together, 1 MiB where absent"}}}`

	filesSchema = `{"type":"object","required":["files"],"properties":{"files":{"type":"array","items":{"type":"object","required":["path"],"properties":{` +
		`"path":{"type":"string","description":"as it was asked for"},"file":` + fileSchema + `,` +
		`"error":{"type":"object","required":["code","message","retryable"],"properties":{"code":{"type":"string"},` +
		`"message":{"type":"string"},"retryable":{"type":"boolean"},"hint":{"type":"string"}}}}}}}}`

	hitsSchema = `{"type":"object","required":["hits"],"properties":{"hits":{"type":"array","items":{"type":"object",` +
		`"required":["path","size","revision","modified","matches"],"properties":{` + infoFields + `,` +
		`"matches":{"type":"integer","description":"lines that hold one of the words"},` +
		`"lines":{"type":"array","items":{"type":"object","required":["line","text"],"properties":{"line":{"type":"integer","minimum":1},"text":{"type":"string"}}}}}}},` +
		`"more":{"type":"boolean","description":"there are more files than limit"},` +
		`"partial":{"type":"string","description":"why not every file was looked at, where that is so"}}}`

	writeFields = `"content":{"type":"string","description":"the text, at most 1 MiB"},` +
		`"if_revision":{"type":"integer","minimum":0,"description":"change only this revision; 0: only where there is no file"}`

	writeSchema = `{"type":"object","required":["content"],"additionalProperties":false,"properties":{` + writeFields + `}}`

	appendSchema = `{"type":"object","required":["content"],"additionalProperties":false,"properties":{` + writeFields + `,` +
		`"new_line":{"type":"boolean","description":"begin a new line where the file does not end with one"}}}`
)

var (
	pathParam   = web.Param{Name: "path", In: "query", Required: true, Description: "the file, such as people/ada.md"}
	prefixParam = web.Param{Name: "prefix", In: "query", Description: "only files whose paths begin with it"}
	conditions  = []web.Param{
		pathParam,
		{Name: "If-Match", In: "header", Description: "an ETag; the change is refused where the file is another by now"},
		{Name: "If-None-Match", In: "header", Description: "*: the change is refused where there is a file"},
	}
)

const rawText = "A body of another type than application/json is the text itself."

func (a *api) routes() []web.Route { return append(a.all(), a.one()...) }

func (a *api) all() []web.Route {
	return []web.Route{
		{
			Method: "GET", Path: "/api/v1/memory", Scope: host.ScopeReadData, Handler: a.list,
			Doc: web.Doc{ID: "listMemory", Summary: "List the files of the caller's memory",
				Params: []web.Param{prefixParam,
					{Name: "cursor", In: "query", Description: "next of the page before"},
					{Name: "limit", In: "query", Description: "files on a page, 100 where absent, at most 1000"}},
				Answers: []web.AnswerDoc{{Status: 200, Description: "The files, in order of their paths", Schema: json.RawMessage(pageSchema)}},
				Errors:  []int{422}},
		},
		{
			Method: "GET", Path: "/api/v1/memory/search", Scope: host.ScopeReadData, Handler: a.search,
			Doc: web.Doc{ID: "searchMemory", Summary: "Find files of the caller's memory by their words",
				Description: "A file is found when all words stand in its text or its path; capitals and small letters are the same.",
				Params: []web.Param{{Name: "query", In: "query", Required: true, Description: "the words"}, prefixParam,
					{Name: "limit", In: "query", Description: "how many files, 10 where absent, at most 50"}},
				Answers: []web.AnswerDoc{{Status: 200, Description: "The files found, those with the words together first", Schema: json.RawMessage(hitsSchema)}},
				Errors:  []int{422}},
		},
		{
			Method: "POST", Path: "/api/v1/memory/read", Scope: host.ScopeReadData, Handler: a.readMany,
			Doc: web.Doc{ID: "readMemoryFiles", Summary: "Read several files of the caller's memory", Request: json.RawMessage(readSchema),
				Description: "A file that cannot be read has its error in its place and does not keep the others away.",
				Answers:     []web.AnswerDoc{{Status: 200, Description: "The files, in the order of paths", Schema: json.RawMessage(filesSchema)}},
				Errors:      []int{413, 422}},
		},
	}
}

func (a *api) one() []web.Route {
	const path = "/api/v1/memory/file"
	changed := []web.AnswerDoc{{Status: 200, Description: "The file as it is now", Schema: json.RawMessage(infoSchema)}}
	return []web.Route{
		{
			Method: "GET", Path: path, Scope: host.ScopeReadData, Handler: a.read,
			Doc: web.Doc{ID: "readMemory", Summary: "Read a file of the caller's memory",
				Description: "With Accept: text/plain the answer is the text alone.",
				Params: []web.Param{pathParam,
					{Name: "offset", In: "query", Description: "the byte to begin at, from next"},
					{Name: "limit", In: "query", Description: "at most so many bytes, all where absent"},
					{Name: "If-None-Match", In: "header", Description: "an ETag; 304 where the file is still the same"}},
				Answers: []web.AnswerDoc{
					{Status: 200, Description: "The file, with its revision as the ETag", Schema: json.RawMessage(fileSchema)},
					{Status: 304, Description: "It is still the same"},
				},
				Errors: []int{404, 422}},
		},
		{
			Method: "PUT", Path: path, Scope: host.ScopeReadData, Handler: a.write,
			Doc: web.Doc{ID: "writeMemory", Summary: "Write a file of the caller's memory, whole", Description: scopes + rawText,
				Params: conditions, Request: json.RawMessage(writeSchema), Answers: changed, Errors: []int{409, 413, 415, 422}},
		},
		{
			Method: "POST", Path: path, Scope: host.ScopeReadData, Handler: a.append,
			Doc: web.Doc{ID: "appendMemory", Summary: "Add to the end of a file of the caller's memory",
				Description: scopes + "A file that is not there is made; nothing is lost when several add at once. " + rawText,
				Params:      conditions, Request: json.RawMessage(appendSchema), Answers: changed, Errors: []int{409, 413, 415, 422}},
		},
		{
			Method: "DELETE", Path: path, Scope: host.ScopeReadData, Handler: a.remove,
			Doc: web.Doc{ID: "deleteMemory", Summary: "Take a file of the caller's memory away", Description: scopes,
				Params: conditions, Answers: []web.AnswerDoc{{Status: 204, Description: "It is gone"}}, Errors: []int{404, 409, 422}},
		},
	}
}

// scopes tells what a route's one scope cannot; host/memory checks both.
const scopes = "Needs the scope write:tools besides. "
