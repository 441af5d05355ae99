// Copyright 2026 The Gantry Authors.

package bearer

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Config is what a Service needs. Zero values mean what each field says.
type Config struct {
	// Issuers are those whose tokens are taken; at least one.
	Issuers []Issuer
	// Resource is the address that clients know the host's MCP endpoint by, such as
	// https://gantry.example.com/mcp: what a token has to be made out to.
	Resource string
	// Leeway is how far the clocks of an issuer and this host may be apart; 0 is a minute.
	Leeway time.Duration
	// CacheSize bounds the verified tokens that are remembered; 0 is 10,000, about 5 MB.
	CacheSize int
	// Refresh is how often an issuer's keys are fetched; 0 is 15 minutes. Floor is the least time
	// between two fetches, however many tokens name keys that are not known; 0 is 30 seconds.
	Refresh, Floor time.Duration
	// FetchTimeout bounds one request to an issuer; 0 is 5 seconds.
	FetchTimeout time.Duration
	// Transport carries the requests to issuers; nil is one of the service's own.
	Transport http.RoundTripper
	// Clock and Logger may be nil.
	Clock  host.Clock
	Logger *slog.Logger
}

const (
	defaultLeeway  = time.Minute
	defaultCache   = 10_000
	defaultRefresh = 15 * time.Minute
	defaultFloor   = 30 * time.Second
	defaultFetch   = 5 * time.Second
)

// Service checks tokens. Make it with New; Close ends its goroutines.
type Service struct {
	cfg     Config
	clock   host.Clock
	log     *slog.Logger
	issuers map[string]*issuer
	order   []*issuer
	client  *http.Client
	cache   cache

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New checks the settings and begins to fetch the issuers' keys, without waiting for them: an issuer
// that is down holds up its own tokens, not the host. A setting that is wrong is
// abi.CodeInvalidArg, and the message names it as the settings file does.
func New(cfg Config) (*Service, error) {
	const op = "bearer.New"
	if len(cfg.Issuers) == 0 {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Issuers is empty")
	}
	if cfg.Leeway < 0 || cfg.CacheSize < 0 || cfg.Refresh < 0 || cfg.Floor < 0 || cfg.FetchTimeout < 0 {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Leeway, CacheSize, Refresh, Floor and FetchTimeout cannot be negative")
	}
	for n := range cfg.Issuers {
		if err := cfg.Issuers[n].check(n); err != nil {
			return nil, err
		}
		if cfg.Resource == "" && cfg.Issuers[n].Audience == "" {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "issuers[%d].audience: is needed, as Resource is empty", n)
		}
	}
	if err := checkTogether(cfg.Issuers); err != nil {
		return nil, err
	}
	s := newService(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, i := range s.order {
		s.done.Go(func() { s.keep(ctx, i) })
	}
	return s, nil
}

func newService(cfg Config) *Service {
	orDefault(&cfg.Leeway, defaultLeeway)
	orDefault(&cfg.CacheSize, defaultCache)
	orDefault(&cfg.Refresh, defaultRefresh)
	orDefault(&cfg.Floor, defaultFloor)
	orDefault(&cfg.FetchTimeout, defaultFetch)
	s := &Service{cfg: cfg, clock: cfg.Clock, log: cfg.Logger, issuers: map[string]*issuer{}, client: newClient(&cfg)}
	if s.clock == nil {
		s.clock = host.SystemClock{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.cache.init(cfg.CacheSize)
	for _, c := range cfg.Issuers {
		i := newIssuer(c, cfg.Resource)
		s.issuers[c.URL] = i
		s.order = append(s.order, i)
	}
	return s
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Close ends the fetching of keys and waits for it. A second Close does nothing more. Tokens are
// checked with the keys there are for as long as those are good.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	s.client.CloseIdleConnections()
	return nil
}

// Looks tells whether a credential has the form of a JWT, and is this package's to judge.
func Looks(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2
}

// Verify says who an access token belongs to; the principal is shared with other calls and must not
// be changed. A token that is not good is abi.CodeBadCredential, and the message says why: who holds
// a token can read it anyway. abi.CodeUnavailable says that the keys of its issuer could not be had
// yet. A token that was verified before costs a digest of it and a look into a map. It may be
// called from any number of goroutines.
func (s *Service) Verify(ctx context.Context, token string) (*host.Principal, error) {
	digest := sha256.Sum256([]byte(token))
	now := s.clock.Now()
	if p := s.cache.get(digest, now); p != nil {
		return p, nil
	}
	return s.verifyCold(ctx, token, digest, now)
}

// Issuers are the URLs of the issuers, in the order of the settings.
func (s *Service) Issuers() []string {
	out := make([]string, len(s.order))
	for n, i := range s.order {
		out[n] = i.URL
	}
	return out
}

// Supported are the names under which the host's scopes can be asked for, in the words of the
// issuers.
func (s *Service) Supported() []string {
	var out []string
	for _, i := range s.order {
		for _, scope := range host.AllScopes() {
			if name := i.name(scope); name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// Names are the words in which an issuer is asked for these scopes of the host; nil where it does
// not have one of them. The empty issuer stands for all, and gets an answer where they agree.
func (s *Service) Names(issuer string, scopes []host.Scope) []string {
	var out []string
	for n, i := range s.order {
		if issuer != "" && i.URL != issuer {
			continue
		}
		names, ok := i.names(scopes)
		if !ok || issuer == "" && n > 0 && !slices.Equal(names, out) {
			return nil
		}
		out = names
	}
	return out
}
