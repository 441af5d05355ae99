// Copyright 2026 The Gantry Authors.

package egress

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// mask hides secrets in what goes back to a guest: a service that repeats a request would
// otherwise hand the credential over. It finds the secret as it is and in base64, hex, URL and JSON
// spelling; it cannot find one that the service has transformed in another way. The zero value
// hides nothing.
type mask struct {
	needles [][]byte // longest first
}

const hidden = "***"

// Shorter secrets would be found everywhere; nobody guards anything with one.
const minMasked = 6

func (m *mask) add(secret string) {
	if len(secret) < minMasked {
		return
	}
	raw := []byte(secret)
	quoted, _ := json.Marshal(secret) // a string always has a JSON form
	for _, form := range []string{
		secret,
		url.QueryEscape(secret),
		url.PathEscape(secret),
		strings.Trim(string(quoted), `"`),
		base64.RawStdEncoding.EncodeToString(raw),
		base64.RawURLEncoding.EncodeToString(raw),
		hex.EncodeToString(raw),
		strings.ToUpper(hex.EncodeToString(raw)),
	} {
		if !slices.ContainsFunc(m.needles, func(n []byte) bool { return string(n) == form }) {
			m.needles = append(m.needles, []byte(form))
		}
	}
	slices.SortStableFunc(m.needles, func(a, b []byte) int { return len(b) - len(a) })
}

// apply hides the secrets in data and returns what may go on. Rest is the end of data that may be
// the beginning of a secret; it belongs in front of the next piece. With final, rest is empty.
func (m *mask) apply(data []byte, final bool) (out, rest []byte) {
	for _, n := range m.needles {
		if bytes.Contains(data, n) {
			data = bytes.ReplaceAll(data, n, []byte(hidden))
		}
	}
	if final {
		return data, nil
	}
	cut := len(data)
	for _, n := range m.needles {
		for l := min(len(n)-1, len(data)); l > len(data)-cut; l-- {
			if bytes.HasSuffix(data, n[:l]) {
				cut = len(data) - l
				break
			}
		}
	}
	return data[:cut], data[cut:]
}

func (m *mask) text(s string) string {
	if !m.finds(s) {
		return s
	}
	out, _ := m.apply([]byte(s), true)
	return string(out)
}

func (m *mask) finds(s string) bool {
	return slices.ContainsFunc(m.needles, func(n []byte) bool { return strings.Contains(s, string(n)) })
}
