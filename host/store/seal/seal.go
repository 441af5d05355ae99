// Copyright 2026 The Gantry Authors.

// Package seal keeps secrets at rest: it puts a value into an envelope that opens only with the
// master key, and only for the tenant, name and version it was made for.
//
// Each tenant has a key of its own, derived from the master key, and each envelope a random nonce
// under AES-256-GCM. A changed byte, another tenant's envelope or an older version's does not open.
//
// It keeps nothing itself, and it does not hide how long a value is or who reads it.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// KeyBytes is the size of a master key.
const KeyBytes = 32

// envelopeFormat begins each envelope, so that a later format can be told from this one.
const envelopeFormat = 1

// Label says what an envelope is for. All of it has to be the same to open it.
type Label struct {
	Tenant host.TenantID
	Name   string
	// Version keeps an older envelope from being put back in place of a newer one.
	Version uint64
}

// additional is the label in one unambiguous row of bytes.
func (l Label) additional() []byte {
	out := []byte{envelopeFormat}
	for _, s := range []string{string(l.Tenant), l.Name} {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	return binary.BigEndian.AppendUint64(out, l.Version)
}

// Sealer seals and opens. It is immutable, and safe for concurrent use.
type Sealer struct{ master []byte }

// New makes a Sealer from a master key of KeyBytes random bytes.
func New(master []byte) (*Sealer, error) {
	if len(master) != KeyBytes {
		return nil, host.Errorf("seal.New", abi.CodeInvalidArg, "the master key has %d bytes; it needs %d", len(master), KeyBytes)
	}
	return &Sealer{append([]byte(nil), master...)}, nil
}

func (s *Sealer) cipher(tenant host.TenantID) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, s.master, nil, "gantry seal 1 tenant "+string(tenant), KeyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal returns an envelope around value, 29 bytes longer than it.
func (s *Sealer) Seal(l Label, value []byte) ([]byte, error) {
	const op = "seal.Seal"
	if !l.Tenant.Valid() || l.Name == "" {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "a label needs a tenant and a name")
	}
	c, err := s.cipher(l.Tenant)
	if err != nil {
		return nil, host.E(op, abi.CodeInternal, err)
	}
	return c.Seal([]byte{envelopeFormat}, nil, value, l.additional()), nil
}

// Open returns what was sealed under the same master key and label; anything else is
// abi.CodeInternal, in the same words whatever does not fit.
func (s *Sealer) Open(l Label, envelope []byte) ([]byte, error) {
	const op = "seal.Open"
	c, err := s.cipher(l.Tenant)
	if err != nil {
		return nil, host.E(op, abi.CodeInternal, err)
	}
	if len(envelope) == 0 || envelope[0] != envelopeFormat {
		return nil, host.Errorf(op, abi.CodeInternal, "secret %q of tenant %s does not open", l.Name, l.Tenant)
	}
	value, err := c.Open(nil, nil, envelope[1:], l.additional())
	if err != nil {
		return nil, host.Errorf(op, abi.CodeInternal, "secret %q of tenant %s does not open: %w", l.Name, l.Tenant, err)
	}
	return value, nil
}
