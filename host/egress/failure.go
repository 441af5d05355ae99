// Copyright 2026 The Gantry Authors.

package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// upstream makes an error of a service that failed. What is the part that failed, for machines.
func (x *exchange) upstream(what, format string, args ...any) *host.Error {
	e := host.Errorf(opFetch, abi.CodeUpstream, format, args...)
	e.Details, _ = json.Marshal(struct { // two strings always have a JSON form
		Failed string `json:"failed"`
		Host   string `json:"host"`
	}{what, x.to.host})
	return e
}

// failure tells an error of the network in words for the guest: what failed, where, and whether
// trying again may help. Addresses and URLs stay inside, in the cause.
func (x *exchange) failure(err error) error {
	var out *host.Error
	if errors.As(err, &out) {
		return err
	}
	what, again := x.classify(err)
	switch what {
	case "call":
		return host.E(opFetch, host.CodeOf(x.callErr()), err)
	case "refused address":
		return x.refused(err)
	case "timeout":
		out = x.upstream(what, "%s did not answer in time", x.to.host)
		if x.timeoutMS > 0 && x.ctx.Err() != nil {
			out = x.upstream(what, "%s did not answer within %d ms (timeout_ms)", x.to.host, x.timeoutMS)
		}
	case "dns":
		out = x.upstream(what, "the name %s does not resolve", x.to.host)
	case "refused":
		out = x.upstream(what, "%s refused the connection on port %d", x.to.host, x.to.port)
	case "tls":
		out = x.upstream(what, "the TLS connection to %s failed: %s", x.to.host, tlsReason(err))
	default:
		out = x.upstream(what, "the connection to %s broke", x.to.host)
	}
	out.Err, out.Retry = err, &again
	return out
}

// callErr is why the call itself is over, or nil where only this exchange's time has run out.
func (x *exchange) callErr() error {
	if err := x.parent.Err(); err != nil {
		return err
	}
	if d, has := x.parent.Deadline(); has && !time.Now().Before(d) {
		return context.DeadlineExceeded // a connection's timer may go off just before the context's
	}
	return nil
}

func (x *exchange) classify(err error) (what string, again bool) {
	var (
		ref *refusal
		dns *net.DNSError
		ne  net.Error
	)
	switch {
	case x.callErr() != nil:
		return "call", false
	case errors.As(err, &ref):
		return "refused address", false
	case errors.As(err, &dns):
		return "dns", !dns.IsNotFound
	case x.ctx.Err() != nil || errors.As(err, &ne) && ne.Timeout():
		return "timeout", true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", true
	case tlsReason(err) != "":
		return "tls", false
	}
	return "connection", true
}

// refused tells a guest that an address is not for it, without saying which address a name has:
// a plugin must not learn the inner network by asking. The operator reads it in the log.
func (x *exchange) refused(err error) error {
	var ref *refusal
	errors.As(err, &ref) // classify found it
	x.s.cfg.Logger.Warn("egress: connection refused", "plugin", x.call.Plugin, "call", x.call.CallID,
		"host", x.to.host, "address", ref.addr.String(), "why", ref.why)
	e := host.E(opFetch, abi.CodeForbidden, err)
	e.Message = "plugin " + x.call.Plugin + " may not reach " + x.to.String() + ": it is not on the public internet"
	if x.to.addr.IsValid() {
		return e.WithHint("if it is meant, write in %s.yaml: grants: {hosts: [%q], private: [\"%s/%d\"]}",
			x.call.Plugin, x.to.String(), ref.addr, ref.addr.BitLen())
	}
	return e.WithHint("if it is meant, write in %s.yaml: grants: {hosts: [%q], private: [RANGE]}, with a range that holds the address in the host's log",
		x.call.Plugin, x.to.String())
}

// tlsReason is what a TLS failure says, or "" for another error.
func tlsReason(err error) string {
	var (
		ce  *tls.CertificateVerificationError
		rh  tls.RecordHeaderError
		al  tls.AlertError
		inv x509.CertificateInvalidError
		hn  x509.HostnameError
		ua  x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &rh):
		return "the server does not speak TLS on this port"
	case errors.As(err, &hn):
		return "the certificate is for another name"
	case errors.As(err, &ua):
		return "the certificate is signed by an unknown authority"
	case errors.As(err, &inv):
		return inv.Error()
	case errors.As(err, &ce):
		return "the certificate cannot be verified"
	case errors.As(err, &al):
		return al.Error()
	}
	return ""
}
