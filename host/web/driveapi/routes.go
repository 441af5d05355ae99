// Copyright 2026 The Gantry Authors.

package driveapi

import (
	"encoding/json"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// The schemas of this surface, for its OpenAPI document. A test holds them against real answers.
const (
	documentFields = `"path":{"type":"string"},"title":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},` +
		`"media_type":{"type":"string"},"size":{"type":"integer","description":"bytes of the text"},` +
		`"revision":{"type":"integer","description":"another with each change; the ETag holds it too"},` +
		`"modified":{"type":"string","format":"date-time"}`
	documentNeeds  = `"path","media_type","size","revision","modified"`
	documentSchema = `{"type":"object","required":[` + documentNeeds + `],"properties":{` + documentFields + `}}`

	putSchema = `{"type":"object","required":["path","text"],"additionalProperties":false,"properties":{` +
		`"path":{"type":"string","maxLength":512,"description":"such as policies/refunds.md"},` +
		`"title":{"type":"string","description":"taken from the text where it is empty"},` +
		`"tags":{"type":"array","maxItems":32,"items":{"type":"string"}},` +
		`"media_type":{"type":"string","description":"by the end of the path where it is empty"},` +
		`"text":{"type":"string","description":"the document"}}}`

	pageSchema = `{"type":"object","required":["documents"],"properties":{"documents":{"type":"array","items":` + documentSchema + `},` +
		`"next":{"type":"string","description":"the cursor of the following page"}}}`

	textSchema = `{"type":"object","required":[` + documentNeeds + `,"text","offset","line"],"properties":{` + documentFields +
		`,"text":{"type":"string"},"offset":{"type":"integer"},"line":{"type":"integer"},` +
		`"next":{"type":"integer","description":"the offset of what follows"}}}`

	hitsSchema = `{"type":"object","required":["hits","total"],"properties":{"total":{"type":"integer"},` +
		`"any":{"type":"boolean","description":"no document has all words; these have some"},"next":{"type":"string"},` +
		`"hits":{"type":"array","items":{"type":"object","required":[` + documentNeeds + `,"score"],"properties":{` + documentFields +
		`,"score":{"type":"number"},"snippets":{"type":"array","items":{"type":"object","required":["text","line","offset"],"properties":{` +
		`"text":{"type":"string"},"line":{"type":"integer"},"offset":{"type":"integer"}}}}}}}}}`
)

var (
	pathParam   = web.Param{Name: "path", In: "path", Required: true, Description: "the document; slashes stay as they are"}
	limitParam  = web.Param{Name: "limit", In: "query", Description: "how many"}
	cursorParam = web.Param{Name: "cursor", In: "query", Description: "next of the page before"}
	guards      = []web.Param{
		{Name: "If-Match", In: "header", Description: "an ETag; the change is refused where the document is another by now"},
		{Name: "If-None-Match", In: "header", Description: "*: the change is refused where there is a document"},
	}
)

func answer(text, schema string) []web.AnswerDoc {
	return []web.AnswerDoc{{Status: 200, Description: text, Schema: json.RawMessage(schema)}}
}

func (a *api) routes() []web.Route { return append(a.collection(), a.single()...) }

func (a *api) collection() []web.Route {
	return []web.Route{
		{
			Method: "GET", Path: "/api/v1/drive/documents", Scope: host.ScopeReadData, Handler: a.list,
			Doc: web.Doc{ID: "listDocuments", Summary: "List documents of the knowledge base, in order of their paths",
				Params:  []web.Param{{Name: "prefix", In: "query", Description: "what the paths begin with"}, limitParam, cursorParam},
				Answers: answer("A page of documents", pageSchema), Errors: []int{422}},
		},
		{
			Method: "POST", Path: "/api/v1/drive/documents", Scope: host.ScopeReadData, Handler: a.create,
			Doc: web.Doc{ID: "createDocument", Summary: "Put a document into the knowledge base, in place of the one at its path",
				Description: "Needs the scope write:tools as well. PUT takes the document itself, and longer ones.",
				Params:      guards, Request: json.RawMessage(putSchema),
				Answers: answer("The document as it is kept", documentSchema), Errors: []int{409, 413, 422}},
		},
		{
			Method: "GET", Path: "/api/v1/drive/search", Scope: host.ScopeReadData, Handler: a.search,
			Doc: web.Doc{ID: "searchDocuments", Summary: "Find documents by what they say, best first",
				Params: []web.Param{
					{Name: "q", In: "query", Required: true, Description: `words, "words that stand together", -words that must not occur, OR`},
					{Name: "under", In: "query", Description: "only below this folder"},
					{Name: "tags", In: "query", Description: "only with all of these, commas between"}, limitParam, cursorParam,
				},
				Answers: answer("A page of hits", hitsSchema), Errors: []int{422, 503, 504}},
		},
	}
}

func (a *api) single() []web.Route {
	const path = "/api/v1/drive/documents/{path...}"
	return []web.Route{
		{
			Method: "GET", Path: path, Scope: host.ScopeReadData, Handler: a.get,
			Doc: web.Doc{ID: "readDocument", Summary: "Read a document's text, or the document as it was put",
				Params: []web.Param{pathParam, {Name: "form", In: "query", Description: "source: the bytes that were put, in their own type"},
					{Name: "offset", In: "query", Description: "the byte to begin at"}, {Name: "limit", In: "query", Description: "bytes, 16384 where it is left out"}},
				Answers: answer("A piece of the text", textSchema), Errors: []int{404, 422}},
		},
		{
			Method: "PUT", Path: path, Scope: host.ScopeReadData, Handler: a.put,
			Doc: web.Doc{ID: "putDocument", Summary: "Put a document, in place of the one at its path",
				Description: "The body is the document: plain text, Markdown, HTML or another type of text in UTF-8, at most 4 MiB. Needs the scope write:tools as well.",
				Params: append([]web.Param{pathParam, {Name: "title", In: "query", Description: "taken from the text where it is left out"},
					{Name: "tags", In: "query", Description: "with commas between"}}, guards...),
				Answers: answer("The document as it is kept", documentSchema), Errors: []int{409, 413, 422}},
		},
		{
			Method: "DELETE", Path: path, Scope: host.ScopeReadData, Handler: a.remove,
			Doc: web.Doc{ID: "deleteDocument", Summary: "Take a document away", Description: "Needs the scope write:tools as well.",
				Params:  append([]web.Param{pathParam}, guards[0]),
				Answers: []web.AnswerDoc{{Status: 204, Description: "It is gone"}}, Errors: []int{404, 409, 422}},
		},
	}
}
