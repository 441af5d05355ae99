// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/bearer"
	"github.com/gantryhost/gantry/host/keys"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/authapi"
	"github.com/gantryhost/gantry/host/web/controlapi"
	"github.com/gantryhost/gantry/host/web/healthapi"
	"github.com/gantryhost/gantry/host/web/mcpapi"
	"github.com/gantryhost/gantry/host/yamlfile"
)

// issuerList are the issuers whose tokens are taken, as a flag: addresses with commas between them,
// or the list of mappings that the settings file has, as JSON.
type issuerList []bearer.Issuer

// Set reads the list; it is pflag's.
func (l *issuerList) Set(v string) error {
	v = strings.TrimSpace(v)
	if !strings.HasPrefix(v, "[") {
		*l = nil
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*l = append(*l, bearer.Issuer{URL: part})
			}
		}
		return nil
	}
	var doc struct {
		Issuers []bearer.Issuer `yaml:"issuers"`
	}
	if err := yamlfile.Decode([]byte(`{"issuers": `+v+`}`), &doc, nil); err != nil {
		// The list is one line here, whatever it was in the file; the field's name says where.
		return errors.New(strings.TrimPrefix(host.Outward(err).Message, "line 1: "))
	}
	*l = doc.Issuers
	return nil
}

// String lists the issuers' addresses.
func (l *issuerList) String() string {
	urls := make([]string, len(*l))
	for n, i := range *l {
		urls[n] = i.URL
	}
	return strings.Join(urls, ",")
}

// Type is what --help calls it.
func (l *issuerList) Type() string { return "issuers" }

// checkIssuers makes sure that the host knows what tokens for it are made out to: where it listens
// is not what clients in the network call it.
func (s *settings) checkIssuers() error {
	if s.PublicURL != "" || isLoopback(s.Listen) {
		return nil
	}
	for n := range s.Issuers {
		if s.Issuers[n].Audience == "" {
			return usageError{fmt.Errorf("--issuers: %s has no audience, so its tokens have to be made out to this host; name it with --public-url",
				s.Issuers[n].URL)}
		}
	}
	return nil
}

func isLoopback(listen string) bool {
	name, _, err := net.SplitHostPort(listen)
	ip := net.ParseIP(name)
	return err == nil && (strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback())
}

// openTokens makes what checks access tokens, where there are issuers.
func (a *app) openTokens(context.Context) error {
	if len(a.s.Issuers) == 0 {
		return nil
	}
	var err error
	if a.tokens, err = bearer.New(bearer.Config{
		Issuers: a.s.Issuers, Resource: a.s.baseURL() + "/mcp", Logger: a.log,
	}); err != nil {
		return err
	}
	a.onClose("tokens", func(context.Context) error { return a.tokens.Close() })
	return nil
}

// credentials hands what has the form of a JWT to whom it is meant for, and everything else to the
// keys.
type credentials struct {
	keys   *keys.Service
	tokens *bearer.Service // nil without issuers
}

// Verify is web.Authenticator's.
func (c credentials) Verify(ctx context.Context, token string) (*host.Principal, error) {
	if c.tokens != nil && bearer.Looks(token) {
		return c.tokens.Verify(ctx, token)
	}
	return c.keys.Verify(ctx, token)
}

// guarded adds to the surfaces that of the protocol and, where there are issuers, what leads clients
// to them.
func (a *app) guarded(surfaces ...web.Surface) ([]web.Surface, error) {
	protocol := mcpapi.Config{Handler: a.mcp, ToolScopes: a.pipeline.ToolScopes}
	if a.tokens == nil {
		return append(surfaces, mcpapi.Surface(protocol)), nil
	}
	signIn, err := authapi.New(authapi.Config{BaseURL: a.s.baseURL(), Issuers: a.tokens})
	if err != nil {
		return nil, err
	}
	metadata, err := signIn.Surface()
	if err != nil {
		return nil, err
	}
	protocol.Insufficient = signIn.Insufficient
	surfaces = append(surfaces, metadata, mcpapi.Surface(protocol))
	for n := range surfaces {
		surfaces[n].Challenges = signIn.Challenge
	}
	return surfaces, nil
}

// checkIssuer reports for gantry doctor how it stands with an issuer.
func checkIssuer(st *bearer.Status) controlapi.Check {
	c := controlapi.Check{Name: "issuer", State: checkOK, Text: fmt.Sprintf("%s, %d keys", st.Issuer, st.Keys)}
	switch {
	case st.Err != nil:
		c.State, c.Text = checkWarn, fmt.Sprintf("%s: %v", st.Issuer, st.Err)
		c.Mend = "see that it is up and reached from here, and that --issuers has its address letter for letter"
	case !st.Good():
		c.State, c.Text = checkWarn, st.Issuer+": its keys are still being fetched"
	}
	return c
}

// probeIssuers is what /readyz asks. Its words are read by anybody: which issuer it is, not why.
func (a *app) probeIssuers(context.Context) healthapi.Finding {
	var bad []string
	all := a.tokens.Statuses()
	for n := range all {
		if !all[n].Good() {
			bad = append(bad, all[n].Issuer)
		}
	}
	if len(bad) > 0 {
		return healthapi.Finding{State: healthapi.Degraded, Detail: bad,
			Reason: fmt.Sprintf("the keys of %d of %d token issuers could not be fetched", len(bad), len(all))}
	}
	return healthapi.Finding{State: healthapi.OK}
}
