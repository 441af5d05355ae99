// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// skillsExtension is the name of the extension in SEP-2640.
const skillsExtension = "io.modelcontextprotocol/skills"

// Skills answers the methods of the extension for skills, as the principal of the context. All may
// be called concurrently.
type Skills interface {
	// Serves tells whether the principal sees skills at all; others are not told of the extension.
	Serves(p *host.Principal) bool
	// Entries are the skills that the principal sees, in an order that stays.
	Entries(ctx context.Context) []SkillEntry
	// Directory lists what lies right in the folder at uri, which is a skill's or one below it;
	// abi.CodeNotFound for what is no folder.
	Directory(ctx context.Context, uri string) ([]abi.Resource, error)
}

// SkillEntry is a skill as skills/list shows it: the URI of its SKILL.md, the front matter of that,
// and all its files, SKILL.md among them.
type SkillEntry struct {
	URI         string         `json:"uri"`
	Frontmatter map[string]any `json:"frontmatter"`
	Resources   []SkillFile    `json:"resources"`
}

// SkillFile is a file of a skill; Digest is "sha256:" and hex.
type SkillFile struct {
	URI    string `json:"uri"`
	Digest string `json:"digest"`
	Size   int    `json:"size"`
}

// skillPage bounds the entries of one answer of skills/list: each can have hundreds of files.
const skillPage = 20

type (
	listSkillsParams struct {
		sdk.ParamsBase
		Cursor string `json:"cursor,omitempty"`
	}
	uriParams struct {
		sdk.ParamsBase
		URI    string `json:"uri"`
		Cursor string `json:"cursor,omitempty"`
	}
	// modernResult is what results of the newest era have in common.
	modernResult struct {
		sdk.ResultBase
		*sdk.Cacheable
		ResultType string `json:"resultType,omitempty"`
	}
	listSkillsResult struct {
		modernResult
		Skills     []SkillEntry `json:"skills"`
		NextCursor string       `json:"nextCursor,omitempty"`
	}
	getSkillResult struct {
		modernResult
		Skill SkillEntry `json:"skill"`
	}
	readDirectoryResult struct {
		modernResult
		Resources []*sdk.Resource `json:"resources"`
	}
)

// announceSkills puts the extension into the capabilities of who sees skills.
func (s *Server) announceSkills(p *host.Principal, caps *sdk.ServerCapabilities) bool {
	if s.cfg.Skills == nil || !s.cfg.Skills.Serves(p) {
		return false
	}
	caps.AddExtension(skillsExtension, map[string]any{"directoryRead": true})
	return true
}

// addSkillMethods teaches the SDK's server the extension's methods.
func (v *view) addSkillMethods() {
	for _, err := range []error{
		sdk.AddReceivingCustomMethod(v.server, "skills/list", v.listSkills),
		sdk.AddReceivingCustomMethod(v.server, "skills/get", v.getSkill),
		sdk.AddReceivingCustomMethod(v.server, "resources/directory/read", v.readDirectory),
	} {
		if err != nil { // the SDK has come to know the method itself
			v.s.cfg.Logger.Warn("a method of skills is left to the SDK", "err", err)
		}
	}
}

// modernFor is the common part of an answer: what the newest era wants of a result, for its clients.
func modernFor(ss *sdk.ServerSession) modernResult {
	if p := ss.InitializeParams(); p == nil || p.ProtocolVersion < firstModern {
		return modernResult{}
	}
	return modernResult{Cacheable: &sdk.Cacheable{CacheScope: "private"}, ResultType: "complete"}
}

func (v *view) listSkills(ctx context.Context, ss *sdk.ServerSession, p *listSkillsParams) (*listSkillsResult, error) {
	all := v.s.cfg.Skills.Entries(ctx)
	from := 0
	if p != nil && p.Cursor != "" {
		// The cursor is the last entry that was shown, so that a page is right whatever was added before it.
		for from < len(all) && all[from].URI <= p.Cursor {
			from++
		}
	}
	out := &listSkillsResult{modernResult: modernFor(ss), Skills: []SkillEntry{}}
	out.Skills = append(out.Skills, all[from:min(from+skillPage, len(all))]...)
	if from+skillPage < len(all) {
		out.NextCursor = out.Skills[len(out.Skills)-1].URI
	}
	return out, nil
}

func (v *view) getSkill(ctx context.Context, ss *sdk.ServerSession, p *uriParams) (*getSkillResult, error) {
	if p == nil || p.URI == "" {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "uri is missing; it is that of a skill's SKILL.md"}
	}
	for _, e := range v.s.cfg.Skills.Entries(ctx) {
		if e.URI == p.URI {
			return &getSkillResult{modernResult: modernFor(ss), Skill: e}, nil
		}
	}
	return nil, noSuch("skill", p.URI)
}

func (v *view) readDirectory(ctx context.Context, ss *sdk.ServerSession, p *uriParams) (*readDirectoryResult, error) {
	if p == nil || p.URI == "" {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "uri is missing; it is that of a folder of a skill"}
	}
	found, err := v.s.cfg.Skills.Directory(ctx, p.URI)
	switch {
	case host.CodeOf(err) == abi.CodeNotFound:
		return nil, noSuch("folder", p.URI)
	case err != nil:
		return nil, v.s.protocolError(err, "folder", p.URI)
	}
	out := &readDirectoryResult{modernResult: modernFor(ss), Resources: []*sdk.Resource{}}
	for _, r := range found {
		out.Resources = append(out.Resources, &sdk.Resource{URI: r.URI, Name: r.Name, MIMEType: r.MIMEType})
	}
	return out, nil
}

func noSuch(kind, uri string) error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("there is no %s at %q here", kind, clip(uri)),
		Data: marshal(map[string]string{"uri": uri})}
}
