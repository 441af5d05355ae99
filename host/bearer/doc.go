// Copyright 2026 The Gantry Authors.

// Package bearer checks OAuth 2.1 access tokens that others issued: JWTs of the issuers an operator
// trusts, signed with keys that the issuer publishes and made out to this host. It makes the host a
// resource server in the words of the MCP authorization specification.
//
// It issues no tokens and shows nobody a sign-in page, takes no opaque tokens and asks no issuer
// about a token: what it knows of one is what the token says. It keeps nothing on disk, and never
// hands a token on.
package bearer
