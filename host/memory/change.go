// Copyright 2026 The Gantry Authors.

package memory

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// changeTries is how often a change begins anew because another host of the cluster was faster.
const changeTries = 32

// version is what a change finds in place: rev is 0 where there is no file.
type version struct {
	head
	rev uint64
}

// Write puts a whole file in place. Errors: abi.CodeInvalidArg that names the field, CodeConflict
// where in.IfRevision does not hold, CodeLimit for a text that is too long or a quota, CodeForbidden
// without the scopes.
func (s *Service) Write(ctx context.Context, p *host.Principal, in abi.MemoryWrite) (abi.MemoryInfo, error) {
	const op = "memory.Write"
	if err := checkText(op, in.Content); err != nil {
		return abi.MemoryInfo{}, err
	}
	c := change{op: op, want: in.IfRevision, next: func(context.Context, space, version) (string, error) { return in.Content, nil }}
	return s.change(ctx, p, in.Path, c)
}

// Append adds to the end of a file, or makes it. Appends at the same time all take place. Errors are
// as for Write.
func (s *Service) Append(ctx context.Context, p *host.Principal, in abi.MemoryAppend) (abi.MemoryInfo, error) {
	const op = "memory.Append"
	if err := checkText(op, in.Content); err != nil {
		return abi.MemoryInfo{}, err
	}
	c := change{op: op, want: in.IfRevision, next: func(ctx context.Context, sp space, v version) (string, error) {
		text, err := s.text(ctx, sp, &v.head)
		if err != nil {
			return "", err
		}
		if in.NewLine && text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return text + in.Content, nil
	}}
	return s.change(ctx, p, in.Path, c)
}

// Delete removes a file; abi.CodeNotFound where there is none and none was expected. Other errors are
// as for Write.
func (s *Service) Delete(ctx context.Context, p *host.Principal, in abi.MemoryDelete) error {
	_, err := s.change(ctx, p, in.Path, change{op: "memory.Delete", want: in.IfRevision})
	return err
}

func checkText(op, text string) error {
	switch {
	case len(text) > MaxFileBytes:
		return tooLong(op, len(text))
	case !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0:
		return host.Errorf(op, abi.CodeInvalidArg, "content: it is not UTF-8 text, or holds a zero byte; memory keeps text")
	}
	return nil
}

func tooLong(op string, n int) error {
	return host.Errorf(op, abi.CodeLimit, "content: the file would have %d bytes; it may have %d", n, MaxFileBytes).
		WithHint("begin another file")
}

// change is what is to become of a file. A nil next deletes it.
type change struct {
	op   string
	want *uint64
	next func(context.Context, space, version) (string, error)
}

// change makes a change of a file while no other one of the same space is made by this process; the
// store's revisions guard against other processes.
func (s *Service) change(ctx context.Context, p *host.Principal, asked string, c change) (abi.MemoryInfo, error) {
	sp, err := spaceFor(c.op, p, true)
	if err != nil {
		return abi.MemoryInfo{}, err
	}
	path, err := cleanPath(c.op, asked)
	if err != nil {
		return abi.MemoryInfo{}, err
	}
	st := s.stripe(sp)
	st.mu.Lock()
	defer st.mu.Unlock()
	u := st.usage(sp)
	for range changeTries {
		info, err := s.try(ctx, sp, path, u, c)
		switch {
		case err == nil:
			return info, nil
		case errors.Is(err, errGone), errors.Is(err, errOvertaken):
			u.known = false // another process writes here
			continue
		}
		return abi.MemoryInfo{}, err
	}
	return abi.MemoryInfo{}, host.Errorf(c.op, abi.CodeBusy, "file %q is being changed all the time; try again", path)
}

// errOvertaken says that the file changed between reading and writing.
var errOvertaken = errors.New("the file was changed meanwhile")

// try makes a change once.
func (s *Service) try(ctx context.Context, sp space, path string, u *usage, c change) (abi.MemoryInfo, error) {
	h, rev, err := s.load(ctx, sp, path)
	if err != nil {
		return abi.MemoryInfo{}, err
	}
	old := version{h, rev}
	switch {
	case c.want != nil && *c.want != rev:
		return abi.MemoryInfo{}, conflict(c.op, path, *c.want, rev)
	case c.next == nil && rev == 0:
		return abi.MemoryInfo{}, notFound(c.op, path)
	}
	text, delta, err := c.plan(ctx, sp, old)
	if err != nil {
		return abi.MemoryInfo{}, err
	}
	if err := s.reserve(ctx, sp, u, delta); err != nil {
		return abi.MemoryInfo{}, err
	}
	var info abi.MemoryInfo
	if c.next == nil {
		err = s.remove(ctx, sp, path, old)
	} else {
		info, err = s.replace(ctx, sp, path, old, text)
	}
	if err != nil {
		u.known = false // it may or may not be written
	}
	if host.CodeOf(err) == abi.CodeConflict {
		err = errOvertaken
	}
	return info, err
}

// plan is the text that a change puts in place of a version, and what that adds to the usage.
func (c *change) plan(ctx context.Context, sp space, old version) (string, growth, error) {
	if c.next == nil {
		return "", growth{bytes: -old.Size, files: -1}, nil
	}
	text, err := c.next(ctx, sp, old)
	switch {
	case err != nil:
		return "", growth{}, err
	case len(text) > MaxFileBytes:
		return "", growth{}, tooLong(c.op, len(text))
	}
	g := growth{bytes: int64(len(text)) - old.Size}
	if old.rev == 0 {
		g.files = 1
	}
	return text, g, nil
}

// conflict tells which revision the file has now.
func conflict(op, path string, want, have uint64) error {
	e := host.Errorf(op, abi.CodeConflict, "file %q has revision %d, not %d", path, have, want).
		WithHint("read it again and decide anew")
	switch {
	case have == 0:
		e.Message = host.Errorf("", abi.CodeConflict, "there is no file %q, and revision %d was expected", path, want).Message
	case want == 0:
		e.Message = host.Errorf("", abi.CodeConflict, "file %q exists already, with revision %d", path, have).Message
	}
	details, err := json.Marshal(map[string]any{"path": path, "revision": have})
	if err == nil {
		e.Details = details
	}
	return e
}
