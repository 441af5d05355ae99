// Copyright 2026 The Gantry Authors.

package main

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"

	"github.com/gantryhost/gantry/pdk"
)

const hashDoc = "Compute the hash of a text (its UTF-8 bytes). Use it to compare or to identify content exactly. " +
	"sha1, md5 and crc32 are for old formats only: they do not protect against tampering."

type hashIn struct {
	Text      string `json:"text" doc:"What to hash" example:"hello"`
	Algorithm string `json:"algorithm,omitempty" doc:"The hash function" enum:"sha256,sha512,sha1,md5,crc32" default:"sha256"`
	Encoding  string `json:"encoding,omitempty" doc:"How to write the hash" enum:"hex,base64" default:"hex"`
}

type hashOut struct {
	Hash      string `json:"hash" doc:"The hash"`
	Algorithm string `json:"algorithm" doc:"The hash function used"`
	Bytes     int    `json:"bytes" doc:"How many bytes were hashed"`
}

func hashText(_ *pdk.Context, in hashIn) (hashOut, error) {
	h := newHash(in.Algorithm)
	h.Write([]byte(in.Text)) // a hash never fails
	out := hashOut{Algorithm: in.Algorithm, Bytes: len(in.Text)}
	if in.Encoding == "base64" {
		out.Hash = base64.StdEncoding.EncodeToString(h.Sum(nil))
	} else {
		out.Hash = hex.EncodeToString(h.Sum(nil))
	}
	return out, nil
}

// newHash knows the words of hashIn's enum; sha256 is the default there too.
func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "sha512":
		return sha512.New()
	case "sha1":
		return sha1.New()
	case "md5":
		return md5.New()
	case "crc32":
		return crc32.NewIEEE()
	}
	return sha256.New()
}
