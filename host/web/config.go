// Copyright 2026 The Gantry Authors.

package web

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Authenticator finds out who a token belongs to.
type Authenticator interface {
	// Verify returns the token's principal. CodeUnauthenticated says that the token has not the form
	// of one, CodeBadCredential that it is unknown, expired or revoked. It is called once per
	// request, from any number of goroutines.
	Verify(ctx context.Context, token string) (*host.Principal, error)
}

// Config is what a Server needs. Zero values mean what each field says.
type Config struct {
	// Auth is asked for every route that is not Public. Nil is refused as soon as there is one.
	Auth Authenticator
	// Logger gets one line per request, and what went wrong inside; nil discards both.
	Logger *slog.Logger
	// AccessLevel is the level of the line per request; 0 is Info.
	AccessLevel slog.Level

	// AllowedOrigins are origins, "https://app.example.com", whose pages may call the host, beside
	// those of localhost. "*" allows any. A request without an Origin is always allowed.
	AllowedOrigins []string
	// AllowedHosts are names, without a port, that the Host header may hold on a loopback
	// connection, beside localhost and its addresses: what a proxy on this machine passes on. "*"
	// allows any.
	AllowedHosts []string

	// BodyLimit bounds a request's body in bytes; 0 is 4 MiB.
	BodyLimit int
	// JSONLimit bounds a body that is read as JSON, in bytes; 0 is 1 MiB, or BodyLimit where that is less.
	JSONLimit int
	// HeaderLimit bounds a request's header in bytes; 0 is 8 KiB. Each open connection holds that much.
	HeaderLimit int
	// ReadTimeout bounds the reading of one request; 0 is 20 s.
	ReadTimeout time.Duration
	// IdleTimeout ends a kept connection without a request; 0 is 75 s.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take nothing of an answer before it is cut; 0 is 3 s. Over
	// TLS it is how long 64 KiB may take.
	WriteTimeout time.Duration
	// ConnsPerIP bounds the open connections of one IPv4 address or IPv6 /64; 0 is 1,024, less than
	// 0 is no bound. Loopback is not counted.
	ConnsPerIP int
	// Ping is how often a silent stream gets a comment; 0 is 15 s.
	Ping time.Duration
	// Grace is how long Serve waits for requests and streams when its context ends; 0 is 10 s.
	Grace time.Duration
}

func (c Config) withDefaults() (Config, error) {
	const op = "web.New"
	for _, o := range c.AllowedOrigins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "") {
			return c, host.Errorf(op, abi.CodeInvalidArg,
				"allowed origin %q: has to be scheme and host, such as https://app.example.com", o)
		}
	}
	for name, v := range map[string]int64{
		"BodyLimit": int64(c.BodyLimit), "JSONLimit": int64(c.JSONLimit), "HeaderLimit": int64(c.HeaderLimit), "ReadTimeout": int64(c.ReadTimeout),
		"IdleTimeout": int64(c.IdleTimeout), "WriteTimeout": int64(c.WriteTimeout), "Ping": int64(c.Ping),
		"Grace": int64(c.Grace),
	} {
		if v < 0 {
			return c, host.Errorf(op, abi.CodeInvalidArg, "%s is negative", name)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	orDefault(&c.BodyLimit, 4<<20)
	orDefault(&c.JSONLimit, min(JSONLimit, c.BodyLimit))
	orDefault(&c.HeaderLimit, 8<<10)
	orDefault(&c.ReadTimeout, 20*time.Second)
	orDefault(&c.IdleTimeout, 75*time.Second)
	orDefault(&c.WriteTimeout, 3*time.Second)
	orDefault(&c.ConnsPerIP, 1024)
	orDefault(&c.Ping, 15*time.Second)
	orDefault(&c.Grace, 10*time.Second)
	return c, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
