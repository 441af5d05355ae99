// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/jsonc"
)

// edit puts the server into a client's settings, and what the client has to ask the person for.
func (r *connecting) edit(doc []byte, conn *connection) ([]byte, error) {
	out, err := jsonc.Set(doc, append(slices.Clone(r.client.keys), conn.Name), r.client.entry(conn))
	if err != nil || r.client.prompt == nil {
		return out, err
	}
	input := r.client.prompt(conn)
	if input == nil {
		return out, nil
	}
	var known []promptInput
	if _, err := jsonc.Get(out, []string{"inputs"}, &known); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(known, func(k promptInput) bool { return k.ID == input.ID }) {
		return out, nil
	}
	return jsonc.Append(out, []string{"inputs"}, input)
}

// inFile names the file in what a person sees of an error.
func inFile(file string, err error) error {
	return host.Errorf("connect", host.CodeOf(err), "%s: %s", file, host.Outward(err).Message)
}

// write shows what would change in the client's settings, asks, and changes it.
func (r *connecting) write(file string, conn *connection) error {
	target, old, err := readSettings(file)
	if err != nil {
		return err
	}
	changed, err := r.edit(old, conn)
	if err != nil {
		return inFile(file, err)
	}
	res := &connectResult{File: file}
	if bytes.Equal(changed, old) && !r.f.newKey {
		res.Action = "unchanged"
		return r.tell(res, file+": nothing to do, it is there already\n")
	}
	if res.Diff, err = r.preview(old, changed, conn); err != nil {
		return err
	}
	if !r.s.JSON {
		fmt.Fprintf(r.cmd.OutOrStdout(), "%s\n%s", file, res.Diff)
	}
	if r.f.dryRun {
		res.Action = "would_write"
		return r.tell(res, "nothing was written (--dry-run)\n")
	}
	if !r.f.yes && !r.ask("Write this?") {
		return errors.New("nothing was written; answer y, or use --yes")
	}
	if _, now, err := readSettings(file); err != nil || !bytes.Equal(now, old) || (now == nil) != (old == nil) {
		return errors.Join(err, fmt.Errorf("%s has changed meanwhile; nothing was written, run it again", file))
	}
	if res.KeyID, err = r.makeKey(conn); err != nil {
		return err
	}
	if changed, err = r.edit(old, conn); err != nil { // with the key that was made just now
		return inFile(file, err)
	}
	if res.Backup, err = replaceSettings(target, old, changed); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	res.Action, res.Key = "written", r.toType(res.KeyID, conn)
	text := fmt.Sprintf("written; gantry connect %s --undo puts back how it was\n%s\n", r.client.ID, r.client.note)
	switch {
	case res.Key != "":
		text += "The key to type in, shown only now: " + res.Key + "\n"
	case r.client.prompt == nil && modeOf(target)&0o077 != 0 && runtime.GOOS != "windows":
		text += "Other users of this machine can read the key in it: chmod 600 " + file + "\n"
	}
	return r.tell(res, text)
}

// preview is the difference in lines. Comments and texts that are not this host's own entry are
// hidden, and so is the key: a terminal keeps what it showed.
func (r *connecting) preview(old, changed []byte, conn *connection) (string, error) {
	shown := *conn
	shown.Key = "****"
	sample, err := r.edit(nil, &shown)
	if err != nil {
		return "", err
	}
	own := map[string]bool{"": true}
	if _, err := jsonc.Redact(sample, func(s string) string { own[s] = true; return s }); err != nil {
		return "", err
	}
	hide := func(s string) string {
		if conn.Key != "" {
			s = strings.ReplaceAll(s, conn.Key, "****")
		}
		if own[s] {
			return s
		}
		return "…"
	}
	before, err := jsonc.Redact(old, hide)
	if err != nil {
		return "", err
	}
	after, err := jsonc.Redact(changed, hide)
	if err != nil {
		return "", err
	}
	if bytes.Equal(before, after) {
		return "  (a text changes that is not shown, such as the key)\n", nil
	}
	return lineDiff(string(before), string(after)), nil
}

// readSettings reads a client's file, nil where there is none, and says where it really is: people
// keep such files elsewhere and link to them.
func readSettings(file string) (target string, data []byte, err error) {
	target, err = filepath.EvalSymlinks(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(file); err == nil {
			return "", nil, fmt.Errorf("%s is a link to nothing; mend or remove it", file)
		}
		return file, nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	info, err := os.Stat(target)
	switch {
	case err != nil:
		return "", nil, err
	case !info.Mode().IsRegular():
		return "", nil, fmt.Errorf("%s is not a file", file)
	case info.Size() > jsonc.MaxBytes:
		return "", nil, fmt.Errorf("%s has %d bytes; at most %d are read", file, info.Size(), jsonc.MaxBytes)
	}
	data, err = os.ReadFile(target)
	if data == nil {
		data = []byte{}
	}
	return target, data, err
}

// A backup is named for its file, the time, and what was written over it, so that undo can tell
// whether somebody else has written since. One of a file that was not there ends differently.
const (
	backupMark = ".gantry-"
	backupTime = "20060102T150405.000000000Z"
	backupHad  = ".bak"
	backupNone = ".none"
)

func contentID(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

// replaceSettings keeps the old content beside the file and puts the new one in its place, in one
// step. A nil old says that there was no file.
func replaceSettings(target string, old, changed []byte) (backup string, err error) {
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return "", err
	}
	backup = target + backupMark + time.Now().UTC().Format(backupTime) + "-" + contentID(changed) + backupHad
	if old == nil {
		backup = strings.TrimSuffix(backup, backupHad) + backupNone
	}
	if err := putFile(backup, old, 0o600); err != nil {
		return "", err
	}
	if err := putFile(target, changed, modeOf(target)); err != nil {
		_ = os.Remove(backup) // of nothing
		return "", err
	}
	return backup, nil
}

// modeOf is the mode of a file, and for its owner alone where there is none: it will hold a key.
func modeOf(file string) fs.FileMode {
	info, err := os.Stat(file)
	if err != nil {
		return 0o600
	}
	return info.Mode().Perm()
}

// putFile writes a file so that another program sees all of it or nothing.
func putFile(file string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".gantry-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

// undo puts the file back as it was before the last write.
func (r *connecting) undo(file string) error {
	target, now, err := readSettings(file)
	if err != nil {
		return err
	}
	backup, err := lastBackup(target)
	if err != nil {
		return err
	}
	if backup == "" {
		return fmt.Errorf("%s: there is nothing to undo; connect --write has not written it", file)
	}
	stem := strings.TrimSuffix(strings.TrimSuffix(backup, backupHad), backupNone)
	if !strings.HasSuffix(stem, "-"+contentID(now)) && !r.f.force {
		return fmt.Errorf("%s has changed since connect wrote it; --force puts it back nevertheless, and loses the change", file)
	}
	res := &connectResult{File: file, Backup: backup, Action: "restored"}
	if r.f.dryRun {
		res.Action = "would_restore"
		return r.tell(res, fmt.Sprintf("%s would be put back from %s\n", file, backup))
	}
	if strings.HasSuffix(backup, backupNone) {
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return errors.Join(os.Remove(backup), r.tell(res, file+": removed, as there was none before\n"))
	}
	old, err := os.ReadFile(backup)
	if err != nil {
		return err
	}
	if err := putFile(target, old, modeOf(target)); err != nil {
		return err
	}
	return errors.Join(os.Remove(backup), r.tell(res, file+": put back as it was\n"))
}

// lastBackup is the newest backup of a file, "" where there is none.
func lastBackup(target string) (string, error) {
	entries, err := os.ReadDir(filepath.Dir(target))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	last, prefix := "", filepath.Base(target)+backupMark
	for _, e := range entries { // in the order of names, and so of time
		if name := e.Name(); strings.HasPrefix(name, prefix) && (strings.HasSuffix(name, backupHad) || strings.HasSuffix(name, backupNone)) {
			last = filepath.Join(filepath.Dir(target), name)
		}
	}
	return last, err
}

// maxDiffLines bounds the lines that are compared one with the other.
const maxDiffLines = 1000

// lineDiff shows the lines that differ, with two of those around.
func lineDiff(before, after string) string {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	const around = 2
	var out strings.Builder
	show := func(mark string, lines []string) {
		for _, l := range lines {
			fmt.Fprintf(&out, "%s %s\n", mark, strings.TrimSuffix(l, "\r"))
		}
	}
	show(" ", a[max(0, head-around):head])
	middleDiff(a[head:len(a)-tail], b[head:len(b)-tail], show)
	show(" ", a[len(a)-tail:min(len(a), len(a)-tail+around)])
	return out.String()
}

// middleDiff shows what is between the first and the last difference, by the longest common
// subsequence of lines.
func middleDiff(a, b []string, show func(string, []string)) {
	if len(a) > maxDiffLines || len(b) > maxDiffLines {
		show("-", a)
		show("+", b)
		return
	}
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			show(" ", a[i:i+1])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || longest[i+1][j] >= longest[i][j+1]):
			show("-", a[i:i+1])
			i++
		default:
			show("+", b[j:j+1])
			j++
		}
	}
}
