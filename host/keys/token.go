// Copyright 2026 The Gantry Authors.

package keys

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// A token is prefix, id, separator and secret. Ids and secrets are small letters and digits, so
// that a double click takes the whole of them.
const (
	prefixOrg   = "sk-org-"
	prefixAdmin = "sk-adm-"
	// idChars are 80 random bits: ids are not secret, but must not meet.
	idBytes = 10
	idChars = 16
	// secretChars are 256 random bits.
	secretBytes = 32
	secretChars = 52
	importedID  = "imp"
)

// The bounds of a token an operator may choose; issued ones lie within.
const (
	MinTokenBytes = 16
	MaxTokenBytes = 512
)

func encoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: the runtime ends the program instead
	return encoding().EncodeToString(b)
}

// newToken makes an id and the token that goes with it.
func newToken(kind host.Kind) (id, token string) {
	id, secret := random(idBytes), random(secretBytes)
	switch kind {
	case host.KindAdmin:
		return id, prefixAdmin + id + secret
	case host.KindWorkspace:
		return id, id + "." + secret
	}
	return id, prefixOrg + id + secret
}

// tokenID reads the id out of a token of one of the issued forms.
func tokenID(token string) (id string, ok bool) {
	rest, prefixed := strings.CutPrefix(token, prefixOrg)
	if !prefixed {
		rest, prefixed = strings.CutPrefix(token, prefixAdmin)
	}
	if !prefixed {
		if len(token) <= idChars || token[idChars] != '.' {
			return "", false
		}
		rest = token[:idChars] + token[idChars+1:]
	}
	if len(rest) != idChars+secretChars || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	return rest[:idChars], true
}

// checkForm refuses what cannot be a token, before anything is looked up.
func checkForm(token string) error {
	const op = "keys.Verify"
	hint := "send the header Authorization: Bearer <key>"
	if token == "" {
		return host.Errorf(op, abi.CodeUnauthenticated, "no credential came with the request").WithHint("%s", hint)
	}
	if len(token) > MaxTokenBytes || len(token) < MinTokenBytes || !printable(token) {
		return host.Errorf(op, abi.CodeUnauthenticated, "the credential does not have the form of a key").WithHint("%s", hint)
	}
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// macer makes the MACs under the pepper. The purpose keeps one kind of input from standing for
// another.
type macer struct{ pepper []byte }

func newMacer(pepper []byte) macer { return macer{append([]byte(nil), pepper...)} }

func (m macer) sum(purpose, text string) []byte {
	h := hmac.New(sha256.New, m.pepper)
	h.Write([]byte("gantry keys 1 " + purpose + "\x00" + text))
	return h.Sum(nil)
}

func (m macer) token(id, token string) []byte { return m.sum("token "+id, token) }

// importID is where an operator's own token is found: it has no id inside.
func (m macer) importID(token string) string {
	return importedID + encoding().EncodeToString(m.sum("import", token))[:idChars]
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
