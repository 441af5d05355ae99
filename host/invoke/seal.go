// Copyright 2026 The Gantry Authors.

package invoke

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// sealer hides and protects what a tool wants to have back with a client's answer: the client
// carries it, but can neither read nor change it, nor use it as somebody else, for another tool or
// later than it is meant for.
type sealer struct{ aead cipher.AEAD }

// maxState bounds a sealed state in both directions.
const maxState = 64 << 10

func newSealer(key []byte) (sealer, error) {
	if len(key) == 0 {
		key = make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return sealer{}, err
		}
	}
	// A key of its own, so that the same secret may serve elsewhere.
	derived, err := hkdf.Key(sha256.New, key, nil, "gantry tool state", 32)
	if err != nil {
		return sealer{}, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// bond is what a state is bound to. Each part has its length in front, so that no two lists of
// parts are the same bytes.
func bond(p *host.Principal, what string) []byte {
	var b []byte
	for _, s := range []string{string(p.Tenant), p.User, p.Workspace, p.CredentialID, what} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// seal binds state to the principal and to what is called ("tool add", "prompt greet").
func (s sealer) seal(p *host.Principal, what, state string, until time.Time) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(until.Unix()))
	plain = append(plain, state...)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, bond(p, what)))
}

// open is the state that seal has sealed. An empty one is empty.
func (s sealer) open(p *host.Principal, what, sealed string, now time.Time) (string, error) {
	const op = "invoke.openState"
	if sealed == "" {
		return "", nil
	}
	wrong := func(why string) (string, error) {
		return "", host.Errorf(op, abi.CodeInvalidArg, "the request state %s; call the tool again without it", why)
	}
	if len(sealed) > 2*maxState {
		return wrong("is too long")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return wrong("is not the one that this host gave")
	}
	plain, err := s.aead.Open(nil, nil, raw, bond(p, what))
	if err != nil || len(plain) < 8 {
		return wrong("is not the one that this host gave to this caller for this tool")
	}
	if now.Unix() > int64(binary.BigEndian.Uint64(plain)) {
		return wrong("has expired")
	}
	return string(plain[8:]), nil
}
