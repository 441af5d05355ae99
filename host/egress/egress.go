// Copyright 2026 The Gantry Authors.

// Package egress is the only way out of the sandbox over HTTP: it checks each request of a plugin
// against the plugin's grants, connects to public addresses only (or to the private ranges that are
// granted), puts credentials in where the guest cannot see them, and bounds time and size.
//
// The decision is made twice: on the URL, before anything is sent, and on the resolved address, in
// the moment of connecting, so that neither a redirect nor a name that changes its address leads
// past it. Proxies from the environment are not used.
//
// It keeps no cookies, caches nothing, and does not know what a tool is. Requests that the host
// makes for itself do not come through here.
package egress

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds that no setting moves.
const (
	// MaxRedirects is how many redirects one request follows.
	MaxRedirects = 5
	// MaxStreams is how many streamed responses one call may have open.
	MaxStreams = 16
	// MaxURLBytes and MaxHeaderBytes bound a request's URL and all its header lines together.
	MaxURLBytes    = 8 << 10
	MaxHeaderBytes = 64 << 10

	maxChunk = 1 << 20 // the most that one fetch.next answers
	maxPools = 256     // grant sets whose idle connections are kept
)

// Config says how a Service reaches the network. The zero value is usable.
type Config struct {
	// EgressBytes is what one call may receive where its Limits do not say; 0 means 16 MiB. Bodies
	// count after decompression.
	EgressBytes int64
	// Timeout bounds one exchange of a call that has no deadline; 0 means 60 s.
	Timeout time.Duration
	// DialTimeout bounds name resolution and connecting, and again the TLS handshake; 0 means 10 s.
	DialTimeout time.Duration
	// Lookup reads a credential from its source ("env:NAME", "file:/path"). Nil means SystemLookup.
	// An error, or an empty value, means that the credential is not set; its text is shown to the
	// operator and the guest, so it must not hold a secret.
	Lookup func(from string) (string, error)
	// Resolver resolves names; nil means the machine's.
	Resolver *net.Resolver
	// RootCAs verifies servers; nil means the machine's.
	RootCAs *x509.CertPool
	// UserAgent is sent where the guest sets none; empty means "Gantry".
	UserAgent string
	// Logger hears of refused connections, with the address that the guest is not told. Nil is silent.
	Logger *slog.Logger
}

// Service answers abi.OpFetch and abi.OpFetchNext. Its methods may be called concurrently.
type Service struct {
	cfg Config

	requests, received atomic.Int64

	mu     sync.Mutex
	closed bool
	pools  pools
	calls  map[*host.CallInfo]*callState
}

// New returns a Service. It opens nothing until the first request.
func New(cfg Config) (*Service, error) {
	const op = "egress.New"
	if cfg.EgressBytes < 0 || cfg.Timeout < 0 || cfg.DialTimeout < 0 {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "egress bytes and timeouts cannot be negative")
	}
	if cfg.EgressBytes == 0 {
		cfg.EgressBytes = 16 << 20
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = 10 * time.Second
	}
	if cfg.Lookup == nil {
		cfg.Lookup = SystemLookup
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "Gantry"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, pools: newPools(), calls: map[*host.CallInfo]*callState{}}, nil
}

// Ops returns the two operations. Their context has to live as long as the guest's call: a streamed
// response ends with the context of the fetch that opened it.
func (s *Service) Ops() host.Ops {
	return host.Ops{abi.OpFetch: s.fetch, abi.OpFetchNext: s.fetchNext}
}

// Stats is what the service has done since New.
type Stats struct {
	// Requests are HTTP requests that were permitted, redirects included, Received the bytes of the
	// answers' bodies, after decompression.
	Requests, Received int64
}

// Stats counts.
func (s *Service) Stats() Stats {
	return Stats{Requests: s.requests.Load(), Received: s.received.Load()}
}

// Close ends open streams and idle connections; requests after it fail with CodeUnavailable. A
// second Close does nothing.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	calls := s.calls
	s.calls = map[*host.CallInfo]*callState{}
	s.pools.closeAll()
	s.mu.Unlock()
	for _, st := range calls {
		st.close()
	}
	return nil
}

// CheckRights checks the syntax of host patterns, private ranges and credentials beyond what
// abi.Rights.Validate does. The error joins all faults; each names its field and the mend.
func CheckRights(r *abi.Rights) error {
	if r == nil {
		return nil
	}
	_, errs := compile(r)
	return errors.Join(errs...)
}

// CheckCredentials tells which credentials of r are not set, but for optional ones: one error each,
// with CodeCredentialMissing and a hint. It reads the sources and keeps nothing.
func (s *Service) CheckCredentials(r *abi.Rights) []error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range r.Credentials {
		if c.Optional {
			continue
		}
		if _, err := s.secret(&c); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
