// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// mcpClient is a program that speaks MCP, and how its settings name a server.
type mcpClient struct {
	ID, Title string
	// file is where its settings are on an operating system; env is like os.Getenv.
	file func(goos string, env func(string) string) (string, error)
	// keys is the way to the object of servers in it.
	keys []string
	// entry is the server as the client's settings have it.
	entry func(c *connection) any
	// prompt is what the client asks the person for instead of keeping it in its file; nil where it
	// keeps it. It goes into the list at "inputs".
	prompt func(c *connection) *promptInput
	// command is a line for the shell that does the same, "" where there is none.
	command func(c *connection) string
	// note is what a person should know.
	note string
}

// connection is what a client is told.
type connection struct {
	Name, URL string
	// Key is the credential, empty where the client signs in by itself.
	Key    string
	Bridge bool // through mcp-remote
}

// remote is a server that is reached over HTTP. Field order is that of the documents the clients'
// people know.
type remote struct {
	Type      string            `json:"type,omitempty"`
	URL       string            `json:"url,omitempty"`
	ServerURL string            `json:"serverUrl,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
}

// bridged is a server that the client starts, and that passes everything on.
type bridged struct {
	Command string            `json:"command"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env,omitempty"`
}

type promptInput struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Description string `json:"description"`
	Password    bool   `json:"password"`
}

func (c *connection) headers() map[string]string {
	if c.Key == "" {
		return nil
	}
	return map[string]string{"Authorization": "Bearer " + c.Key}
}

// bridge is the entry for a client that takes only servers it starts itself. The header is in a
// variable because some clients break an argument at its blanks.
func (c *connection) bridge() any {
	b := bridged{Command: "npx", Args: []string{"-y", "mcp-remote", c.URL}}
	if strings.HasPrefix(c.URL, "http://") {
		b.Args = append(b.Args, "--allow-http")
	}
	if c.Key != "" {
		b.Args = append(b.Args, "--header", "Authorization:${GANTRY_AUTH}")
		b.Env = map[string]string{"GANTRY_AUTH": "Bearer " + c.Key}
	}
	return b
}

func (c *connection) inputID() string { return c.Name + "-key" }

// mcpClients are those that connect knows; docs/clients.md says where each fact is from.
func mcpClients() []*mcpClient {
	return []*mcpClient{
		{
			ID: "claude-desktop", Title: "Claude Desktop", file: desktopFile, keys: []string{"mcpServers"},
			entry: func(c *connection) any {
				if c.Bridge {
					return c.bridge()
				}
				return remote{URL: c.URL, Headers: c.headers()}
			},
			note: "Versions of the app that skip an entry with a url take --bridge (it needs Node.js). Restart the app afterwards.",
		},
		{
			ID: "claude-code", Title: "Claude Code", file: here(".mcp.json"), keys: []string{"mcpServers"},
			entry: func(c *connection) any { return remote{Type: "http", URL: c.URL, Headers: c.headers()} },
			command: func(c *connection) string {
				line := "claude mcp add --transport http " + c.Name + " " + shellWord(c.URL)
				if c.Key != "" {
					line += " --header " + shellWord("Authorization: Bearer "+c.Key)
				}
				return line
			},
			note: ".mcp.json is a project's file: a key in it does not belong into version control.",
		},
		{
			ID: "cursor", Title: "Cursor", file: inHome(".cursor", "mcp.json"), keys: []string{"mcpServers"},
			entry: func(c *connection) any { return remote{URL: c.URL, Headers: c.headers()} },
			note:  "For one project alone: --file .cursor/mcp.json.",
		},
		{
			ID: "vscode", Title: "VS Code", file: here(filepath.Join(".vscode", "mcp.json")), keys: []string{"servers"},
			entry: func(c *connection) any {
				r := remote{Type: "http", URL: c.URL}
				if c.Key != "" {
					r.Headers = map[string]string{"Authorization": "Bearer ${input:" + c.inputID() + "}"}
				}
				return r
			},
			prompt: func(c *connection) *promptInput {
				if c.Key == "" {
					return nil
				}
				return &promptInput{Type: "promptString", ID: c.inputID(), Description: "Key for " + c.Name, Password: true}
			},
			note: "The editor asks for the key once and keeps it; it is not in the file.",
		},
		{
			ID: "windsurf", Title: "Windsurf", file: inHome(".codeium", "windsurf", "mcp_config.json"), keys: []string{"mcpServers"},
			entry: func(c *connection) any { return remote{ServerURL: c.URL, Headers: c.headers()} },
			note:  "Refresh the servers in Cascade afterwards.",
		},
	}
}

func here(path string) func(string, func(string) string) (string, error) {
	return func(string, func(string) string) (string, error) { return path, nil }
}

func inHome(parts ...string) func(string, func(string) string) (string, error) {
	return func(goos string, env func(string) string) (string, error) {
		home, err := homeOf(goos, env)
		return filepath.Join(append([]string{home}, parts...)...), err
	}
}

func homeOf(goos string, env func(string) string) (string, error) {
	name := "HOME"
	if goos == "windows" {
		name = "USERPROFILE"
	}
	if home := env(name); home != "" {
		return home, nil
	}
	return "", fmt.Errorf("%s is not set, so the client's file cannot be found; name it with --file", name)
}

// desktopFile is where Claude Desktop has its settings.
func desktopFile(goos string, env func(string) string) (string, error) {
	const name = "claude_desktop_config.json"
	if dir := env("APPDATA"); goos == "windows" && dir != "" {
		return filepath.Join(dir, "Claude", name), nil
	}
	home, err := homeOf(goos, env)
	switch dir := env("XDG_CONFIG_HOME"); {
	case goos == "windows":
		return filepath.Join(home, "AppData", "Roaming", "Claude", name), err
	case goos == "darwin":
		return filepath.Join(home, "Library", "Application Support", "Claude", name), err
	case dir != "":
		return filepath.Join(dir, "Claude", name), nil
	}
	return filepath.Join(home, ".config", "Claude", name), err
}

// shellWord quotes a word for a POSIX shell where it needs it.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,") == "" {
		return s
	}
	if !strings.ContainsAny(s, "\"$`\\!") {
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
