// Copyright 2026 The Gantry Authors.

package invoke

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gantryhost/gantry/abi"
)

// A run in the log is its fields in order, texts and values with their length in front: JSON would cost
// more than keeping it. Fields are added behind the last, under another format.
const runFormat = 1

// The forms of a result: none, what structured makes of a value, one text, or any other, as JSON.
const (
	resultNone = iota
	resultStructured
	resultText
	resultJSON
)

// appendRun writes a run that nobody gave a request id, and what it has said.
func appendRun(b []byte, rec *record, s *script) ([]byte, error) {
	b = append(b, runFormat)
	for _, field := range [...]string{rec.CallID, rec.Tool, rec.Owner, string(rec.Status), rec.SessionID} {
		b = appendField(b, field)
	}
	b = appendField(b, rec.Metadata)
	b = appendTime(appendTime(b, rec.CreatedAt), rec.EndedAt)
	b, err := appendResult(b, rec.Result)
	if err != nil {
		return nil, err
	}
	if b, err = appendJSON(b, rec.Error, rec.Error == nil); err != nil {
		return nil, err
	}
	b = appendField(b, s.Text)
	b = binary.AppendUvarint(b, uint64(len(s.Ends)))
	for _, end := range s.Ends {
		b = binary.AppendVarint(b, int64(end))
	}
	return appendJSON(b, s.Progress, len(s.Progress) == 0)
}

func appendField[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// appendTime writes nanoseconds since 1970, and for the zero time the least number.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, math.MinInt64)
	}
	return binary.AppendVarint(b, t.UnixNano())
}

func appendJSON(b []byte, v any, none bool) ([]byte, error) {
	if none {
		return appendField(b, ""), nil
	}
	data, err := json.Marshal(v)
	return appendField(b, data), err
}

func appendResult(b []byte, r *abi.Result) ([]byte, error) {
	switch {
	case r == nil:
		return append(b, resultNone), nil
	case !oneText(r):
		return appendJSON(append(b, resultJSON), r, false)
	case len(r.Structured) == 0:
		return appendField(append(b, resultText), r.Content[0].Text), nil
	case r.Content[0].Text == string(r.Structured):
		return appendField(append(b, resultStructured), r.Structured), nil
	}
	return appendJSON(append(b, resultJSON), r, false)
}

// oneText tells whether the result's content is one block with a text and nothing else.
func oneText(r *abi.Result) bool {
	if r.IsError || len(r.Content) != 1 {
		return false
	}
	c := &r.Content[0]
	return c.Type == abi.ContentText && c.Data == nil && c.MIMEType == "" && c.URI == "" && c.Name == "" && c.Title == "" && c.Description == ""
}

var errRunDamaged = errors.New("it ends before its last field, or goes on behind it")

// parseRun reads what appendRun wrote.
func parseRun(data []byte) (*record, *script, error) {
	if len(data) == 0 || data[0] != runFormat {
		return nil, nil, fmt.Errorf("its format is not %d", runFormat)
	}
	f := fields{rest: data[1:]}
	rec, s := &record{}, &script{}
	rec.CallID, rec.Tool, rec.Owner = f.text(), f.text(), f.text()
	rec.Status, rec.SessionID = Status(f.text()), f.text()
	if m := f.next(); len(m) > 0 {
		rec.Metadata = m
	}
	rec.CreatedAt, rec.EndedAt = f.time(), f.time()
	rec.Result = f.result()
	f.json(&rec.Error)
	s.Text = f.text()
	// Each end has a byte at least.
	if n := f.number(); n <= uint64(len(f.rest)) {
		for range n {
			s.Ends = append(s.Ends, int(f.signed()))
		}
	} else {
		f.fail(errRunDamaged)
	}
	f.json(&s.Progress)
	if len(f.rest) > 0 {
		f.fail(errRunDamaged)
	}
	if f.err == nil {
		f.fail(s.check())
	}
	return rec, s, f.err
}

// check finds ends that are not those of a text and its progress.
func (s *script) check() error {
	at, progress := 0, 0
	for _, end := range s.Ends {
		switch {
		case end >= at && end <= len(s.Text):
			at = end
		case end == -1-progress && progress < len(s.Progress):
			progress++
		default:
			return errRunDamaged
		}
	}
	return nil
}

// fields reads field by field; after the first error it reads empty ones.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) fail(err error) {
	if f.err == nil && err != nil {
		f.err, f.rest = err, nil
	}
}

func (f *fields) number() uint64 {
	n, used := binary.Uvarint(f.rest)
	if used <= 0 {
		f.fail(errRunDamaged)
		return 0
	}
	f.rest = f.rest[used:]
	return n
}

func (f *fields) signed() int64 {
	n, used := binary.Varint(f.rest)
	if used <= 0 {
		f.fail(errRunDamaged)
		return 0
	}
	f.rest = f.rest[used:]
	return n
}

func (f *fields) next() []byte {
	n := f.number()
	if n > uint64(len(f.rest)) {
		f.fail(errRunDamaged)
		return nil
	}
	v := f.rest[:n:n]
	f.rest = f.rest[n:]
	return v
}

func (f *fields) text() string { return string(f.next()) }

func (f *fields) time() time.Time {
	n := f.signed()
	if n == math.MinInt64 || f.err != nil {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// json reads a value into v, which an empty field leaves as it is.
func (f *fields) json(v any) {
	if data := f.next(); len(data) > 0 {
		f.fail(json.Unmarshal(data, v))
	}
}

func (f *fields) result() (r *abi.Result) {
	if len(f.rest) == 0 {
		f.fail(errRunDamaged)
		return nil
	}
	form := f.rest[0]
	f.rest = f.rest[1:]
	switch form {
	case resultNone:
	case resultStructured:
		r = structured(f.next())
	case resultText:
		r = &abi.Result{Content: []abi.Content{abi.Text(f.text())}}
	case resultJSON:
		f.json(&r)
	default:
		f.fail(errRunDamaged)
	}
	return r
}
