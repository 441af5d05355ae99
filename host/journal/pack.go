// Copyright 2026 The Gantry Authors.

package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/s2"
)

// packed is the first byte of a batch that is compressed; one that is not begins with a brace.
const packed = 1

// maxUnpacked bounds what a batch unpacks to. One entry has a few hundred bytes.
const maxUnpacked = 16 << 20

// packer keeps the memory that packing a batch needs.
type packer struct{ lines, out []byte }

// pack writes entries, given oldest first, as lines of JSON, newest first, and compresses them: the
// lines of one tenant's calls differ in little, and what is not written need not be merged and
// written again by the store.
func (p *packer) pack(chunk []*Entry) []byte {
	lines := p.lines[:0]
	for i := len(chunk) - 1; i >= 0; i-- {
		lines = append(appendEntry(lines, chunk[i]), '\n')
	}
	p.lines = lines
	p.out = slices.Grow(p.out[:0], s2.MaxEncodedLen(len(lines)))
	p.out = s2.Encode(p.out[:cap(p.out)], lines)
	return append(append(make([]byte, 0, 1+len(p.out)), packed), p.out...)
}

// unpack is the lines of a batch. The error says that it is none.
func unpack(value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] != packed {
		return value, nil
	}
	n, err := s2.DecodedLen(value[1:])
	switch {
	case err != nil:
		return nil, fmt.Errorf("a batch of the journal is damaged: %w", err)
	case n > maxUnpacked:
		return nil, fmt.Errorf("a batch of the journal unpacks to %d bytes; at most %d are expected", n, maxUnpacked)
	}
	lines, err := s2.Decode(nil, value[1:])
	if err != nil {
		return nil, fmt.Errorf("a batch of the journal is damaged: %w", err)
	}
	return lines, nil
}

// entries yields the entries of a batch, newest first, until yield returns false.
func entries(value []byte, yield func(*Entry) bool) error {
	lines, err := unpack(value)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(lines) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if !yield(&e) {
			return nil
		}
	}
	return nil
}

// appendEntry writes the fields that json.Marshal would. There is one for every call, so it is done by
// hand.
func appendEntry(b []byte, e *Entry) []byte {
	b = appendText(append(b, `{"id":`...), e.ID)
	b = append(b, `,"time":"`...)
	b = e.Time.AppendFormat(b, time.RFC3339Nano)
	b = appendText(append(b, `","tenant":`...), string(e.Tenant))
	for _, f := range [...]struct{ name, value string }{
		{`,"user":`, e.User}, {`,"workspace":`, e.Workspace}, {`,"credential":`, e.Credential},
		{`,"surface":`, e.Surface}, {`,"plugin":`, e.Plugin},
	} {
		if f.value != "" {
			b = appendText(append(b, f.name...), f.value)
		}
	}
	b = appendText(append(b, `,"tool":`...), e.Tool)
	b = appendText(append(b, `,"call_id":`...), e.CallID)
	for _, f := range [...]struct{ name, value string }{
		{`,"request_id":`, e.RequestID}, {`,"session_id":`, e.SessionID}, {`,"code":`, string(e.Code)},
	} {
		if f.value != "" {
			b = appendText(append(b, f.name...), f.value)
		}
	}
	b = strconv.AppendInt(append(b, `,"wall_us":`...), e.WallMicros, 10)
	for _, f := range [...]struct {
		name  string
		value uint64
	}{{`,"depth":`, uint64(e.Depth)}, {`,"fuel":`, e.Fuel}, {`,"peak_bytes":`, uint64(e.PeakBytes)}, {`,"ops":`, uint64(e.Ops)}} {
		if f.value != 0 {
			b = strconv.AppendUint(append(b, f.name...), f.value, 10)
		}
	}
	b = strconv.AppendInt(append(b, `,"bytes_in":`...), int64(e.BytesIn), 10)
	b = strconv.AppendInt(append(b, `,"bytes_out":`...), int64(e.BytesOut), 10)
	return append(b, '}')
}

// appendText quotes s. What is not plain is left to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
