// Copyright 2026 The Gantry Authors.

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

// connectFlags are those of connect, as typed.
type connectFlags struct {
	key, url, name, tenant, user, expires, file string
	newKey, signIn, bridge                      bool
	write, undo, dryRun, yes, force             bool
}

const connectLong = `Print what an MCP client has to be told to use this host, in the form of that client.

With --write it goes into the client's own settings file: what would change is shown first, with
every text of the file hidden that may be a secret; comments and everything else in the file stay
as they are; the file as it was is kept beside it, and --undo puts it back.`

// placeholder stands for a key where none was given.
const placeholder = "sk-org-<your-key>"

func newConnect(s *settings) *cobra.Command {
	var f connectFlags
	var ids []string
	for _, c := range mcpClients() {
		ids = append(ids, c.ID)
	}
	cmd := &cobra.Command{
		Use:       "connect " + strings.Join(ids, "|"),
		Short:     "Print what an MCP client has to be told, or write it into the client's settings",
		Long:      connectLong,
		ValidArgs: ids,
		Example: `  gantry connect claude-code --new-key
  gantry connect cursor --new-key --write
  gantry connect claude-desktop --bridge --write --key "$KEY"
  gantry connect vscode --url https://gantry.example.com --sign-in --write
  gantry connect cursor --undo`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, c := range mcpClients() {
				if c.ID == args[0] {
					return (&connecting{s: s, f: &f, cmd: cmd, client: c}).run()
				}
			}
			return usageError{fmt.Errorf("%q is not a client that connect knows; use %s", args[0], strings.Join(ids, ", "))}
		},
	}
	f.bind(cmd)
	return cmd
}

func (f *connectFlags) bind(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.key, "key", "", "`key` for the client; better in GANTRY_KEY, where no list of processes shows it")
	fs.BoolVar(&f.newKey, "new-key", false, "make a key for the client")
	fs.BoolVar(&f.signIn, "sign-in", false, "no key: the client signs in with an issuer of this host (serve --issuers)")
	fs.StringVar(&f.tenant, "tenant", string(host.DefaultTenant), "`tenant` of --new-key")
	fs.StringVar(&f.user, "user", "", "`user` of --new-key")
	fs.StringVar(&f.expires, "expires", "", "`time` that --new-key is good for, such as 90d (default: until revoked)")
	fs.StringVar(&f.url, "url", "", "`URL` the client reaches the host by (default: that of the running host)")
	fs.StringVar(&f.name, "name", defaultServerName, "`name` of the host in the client")
	fs.BoolVar(&f.bridge, "bridge", false, "Claude Desktop: reach the host through npx mcp-remote")
	fs.BoolVar(&f.write, "write", false, "write it into the client's settings file")
	fs.BoolVar(&f.undo, "undo", false, "put the settings file back as it was before the last --write")
	fs.StringVar(&f.file, "file", "", "the settings `file`, where it is not at its usual place")
	fs.BoolVar(&f.dryRun, "dry-run", false, "with --write or --undo: show what would happen, change nothing")
	fs.BoolVar(&f.yes, "yes", false, "with --write: do not ask")
	fs.BoolVar(&f.force, "force", false, "with --undo: although the file has changed since")
}

func (f *connectFlags) check(c *mcpClient) error {
	given := 0
	for _, is := range []bool{f.key != "", f.newKey, f.signIn} {
		if is {
			given++
		}
	}
	switch {
	case f.write && f.undo:
		return usageError{errors.New("--undo: not together with --write")}
	case given > 1:
		return usageError{errors.New("--key, --new-key and --sign-in: only one of them")}
	case f.write && given == 0 && c.prompt == nil:
		return usageError{errors.New("--write: needs a key; name one with --key, make one with --new-key, or use --sign-in")}
	case f.bridge && c.ID != "claude-desktop":
		return usageError{fmt.Errorf("--bridge: %s takes the host's address itself", c.Title)}
	case strings.ContainsFunc(f.key, func(r rune) bool { return r <= ' ' || r > '~' }) || len(f.key) > 4<<10:
		return usageError{errors.New("--key: it holds what no key does, or is longer than 4 KiB")}
	case !abi.ValidToolName(f.name):
		return usageError{fmt.Errorf("--name: %q is not 1 to %d of A-Z, a-z, 0-9, _ . and -", f.name, abi.MaxNameBytes)}
	}
	return nil
}

// connecting is one run of the command.
type connecting struct {
	s      *settings
	f      *connectFlags
	cmd    *cobra.Command
	client *mcpClient
	newKey controlapi.TokenRequest // of --new-key
}

// connectResult is what --json prints.
type connectResult struct {
	Client  string          `json:"client"`
	Action  string          `json:"action"` // print, unchanged, would_write, written, would_restore, restored
	File    string          `json:"file"`
	Backup  string          `json:"backup,omitempty"`
	Command string          `json:"command,omitempty"`
	Config  json.RawMessage `json:"config,omitempty"`
	Diff    string          `json:"diff,omitempty"`
	KeyID   string          `json:"key_id,omitempty"`
	Key     string          `json:"key,omitempty"` // a new one that the person has to type in
	Note    string          `json:"note,omitempty"`
}

func (r *connecting) run() error {
	if err := r.f.check(r.client); err != nil {
		return err
	}
	var err error
	if r.newKey, err = (&tokenFlags{
		kind: string(host.KindOrg), tenant: r.f.tenant, user: r.f.user, expires: r.f.expires,
		name: "connect " + r.client.ID, tools: controlapi.ToolsAll,
	}).request(); err != nil {
		return err
	}
	file, err := r.path()
	if err != nil {
		return err
	}
	if r.f.undo {
		return r.undo(file)
	}
	conn := &connection{Name: r.f.name, Key: r.f.key, Bridge: r.f.bridge}
	if conn.URL, err = r.url(); err != nil {
		return err
	}
	if conn.Key == "" && !r.f.signIn {
		conn.Key = placeholder
	}
	if r.f.write {
		return r.write(file, conn)
	}
	return r.print(file, conn)
}

func (r *connecting) path() (string, error) {
	if r.f.file != "" {
		return filepath.Abs(r.f.file)
	}
	file, err := r.client.file(runtime.GOOS, os.Getenv)
	if err != nil {
		return "", usageError{err}
	}
	return filepath.Abs(file)
}

// url is the address of the MCP endpoint: as given, or that of the host that runs on the data folder.
func (r *connecting) url() (string, error) {
	given := r.f.url
	if given == "" {
		given = r.running()
	}
	u, err := url.Parse(given)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", usageError{fmt.Errorf("--url: %q is not a URL such as https://gantry.example.com/mcp", given)}
	}
	if path.Base(u.Path) != "mcp" {
		u.Path = path.Join("/", u.Path, "mcp")
	}
	return u.String(), nil
}

// running is the address of the host that runs; where none does, that of one with the usual settings.
func (r *connecting) running() string {
	dir, err := holdDataDir(r.s.Data)
	var held errHeld
	switch {
	case errors.As(err, &held):
		if c, done, err := r.s.dialRunning(r.cmd.Context(), held.holder); err == nil {
			defer done()
			if info, err := c.Info(r.cmd.Context()); err == nil && info.URL != "" {
				return info.URL
			}
		}
	case err == nil:
		dir.release()
	}
	fmt.Fprintf(r.cmd.ErrOrStderr(), "no host runs on %s; the address is that of gantry serve without flags. Another one: --url\n", r.s.Data)
	return "http://127.0.0.1:8000"
}

// makeKey makes the key of --new-key.
func (r *connecting) makeKey(conn *connection) (id string, err error) {
	if !r.f.newKey {
		return "", nil
	}
	c, done, err := r.s.dial(r.cmd.Context())
	if err != nil {
		return "", err
	}
	defer done()
	tok, err := c.CreateToken(r.cmd.Context(), r.newKey)
	if err != nil {
		return "", err
	}
	conn.Key = tok.Secret
	return tok.ID, nil
}

// config is the whole of a settings file with nothing but this server.
func (r *connecting) config(conn *connection) (json.RawMessage, error) {
	text, err := r.edit(nil, conn)
	return json.RawMessage(text), err
}

func (r *connecting) print(file string, conn *connection) error {
	id := ""
	if !r.f.dryRun {
		var err error
		if id, err = r.makeKey(conn); err != nil {
			return err
		}
	}
	config, err := r.config(conn)
	if err != nil {
		return err
	}
	command := ""
	if r.client.command != nil {
		command = r.client.command(conn)
	}
	if r.s.JSON {
		return printJSON(r.cmd, connectResult{Client: r.client.ID, Action: "print", File: file,
			Command: command, Config: config, KeyID: id, Key: r.toType(id, conn), Note: r.client.note})
	}
	out := r.cmd.OutOrStdout()
	if command != "" {
		fmt.Fprintf(out, "%s\n\n%s, or in ", command, r.client.Title)
	} else {
		fmt.Fprintf(out, "%s: ", r.client.Title)
	}
	fmt.Fprintf(out, "%s\n\n%s\n%s\n", file, config, r.client.note)
	if key := r.toType(id, conn); key != "" {
		fmt.Fprintf(out, "The key to type in, shown only now: %s\n", key)
	}
	return nil
}

// toType is the key that was made just now, where it is not in what the client is told.
func (r *connecting) toType(id string, conn *connection) string {
	if r.client.prompt == nil || id == "" {
		return ""
	}
	return conn.Key
}

// ask lets the person decide; no answer is a no.
func (r *connecting) ask(question string) bool {
	fmt.Fprintf(r.cmd.ErrOrStderr(), "%s [y/N] ", question)
	line, _ := bufio.NewReader(r.cmd.InOrStdin()).ReadString('\n') // the end of input is an answer too
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// tell prints what was done or would be.
func (r *connecting) tell(res *connectResult, text string) error {
	res.Client, res.Note = r.client.ID, cmp.Or(res.Note, r.client.note)
	if r.s.JSON {
		return printJSON(r.cmd, res)
	}
	fmt.Fprint(r.cmd.OutOrStdout(), text)
	return nil
}
