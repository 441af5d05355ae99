// Copyright 2026 The Gantry Authors.

// Package kv gives each plugin a small key-value space of its own for each tenant: the operations
// abi.OpKVGet, OpKVPut, OpKVDelete and OpKVList.
//
// A guest names a key and nothing else; tenant and plugin come from the call, so there is no name
// for another's entry. It is no place for files or for large values, and it does not count calls.
package kv

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// The bounds of an entry.
const (
	MaxKeyBytes   = 512
	MaxValueBytes = 256 << 10
)

// Config is what a Service is made of.
type Config struct {
	// Store keeps the entries.
	Store store.Store
	// QuotaBytes bounds the keys and values of one plugin for one tenant. 0 means 64 MiB, negative
	// no bound.
	QuotaBytes int64
}

const defaultQuota = 64 << 20

// Service answers the kv operations. It is safe for concurrent use.
type Service struct {
	store store.Store
	quota quota
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil {
		return nil, host.Errorf("kv.New", abi.CodeInvalidArg, "Store is missing")
	}
	if c.QuotaBytes == 0 {
		c.QuotaBytes = defaultQuota
	}
	return &Service{store: c.Store, quota: quota{limit: c.QuotaBytes, spaces: map[string]*usage{}}}, nil
}

// Ops are the operations, for the pipeline.
func (s *Service) Ops() host.Ops {
	return host.Ops{
		abi.OpKVGet:    operation(s.get),
		abi.OpKVPut:    operation(s.put),
		abi.OpKVDelete: operation(s.delete),
		abi.OpKVList:   operation(s.list),
	}
}

// space is the prefix of one plugin's entries for one tenant.
func space(call *host.CallInfo) store.Key {
	return store.Key{"kv", string(call.Principal.Tenant), call.Plugin}
}

// operation wraps a typed answer to an operation: the right, the request's JSON, the answer's JSON.
func operation[In, Out any](f func(context.Context, store.Key, In) (Out, error)) host.OpFunc {
	const op = "kv"
	return func(ctx context.Context, call *host.CallInfo, req []byte) ([]byte, error) {
		if call.Granted == nil || !call.Granted.KV {
			return nil, host.Errorf(op, abi.CodeForbidden, "plugin %s has no right to a key-value space", call.Plugin).
				WithHint("add to %s.yaml: grants: {kv: true}", call.Plugin)
		}
		if call.Principal == nil || !call.Principal.Tenant.Valid() || !abi.ValidPluginName(call.Plugin) {
			return nil, host.Errorf(op, abi.CodeInternal, "the call has no tenant or no plugin")
		}
		var in In
		if err := json.Unmarshal(req, &in); err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "the request is not the JSON expected: %w", err)
		}
		out, err := f(ctx, space(call), in)
		if err != nil {
			return nil, err
		}
		data, err := json.Marshal(out)
		if err != nil {
			return nil, host.E(op, abi.CodeInternal, err)
		}
		return data, nil
	}
}

func entryKey(space store.Key, key string) (store.Key, error) {
	const op = "kv"
	switch {
	case key == "":
		return nil, host.Errorf(op, abi.CodeInvalidArg, "key is empty; it needs 1 to %d bytes", MaxKeyBytes)
	case len(key) > MaxKeyBytes:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "key has %d bytes; at most %d are allowed", len(key), MaxKeyBytes)
	case strings.IndexByte(key, 0) >= 0 || !utf8.ValidString(key):
		return nil, host.Errorf(op, abi.CodeInvalidArg, "key holds a zero byte or is not UTF-8")
	}
	return append(space, key), nil
}

func (s *Service) get(ctx context.Context, space store.Key, in abi.KVRequest) (abi.KVEntry, error) {
	k, err := entryKey(space, in.Key)
	if err != nil {
		return abi.KVEntry{}, err
	}
	rec, err := s.store.Get(ctx, k)
	if host.CodeOf(err) == abi.CodeNotFound {
		return abi.KVEntry{}, host.Errorf("kv.get", abi.CodeNotFound, "there is no entry %q", in.Key)
	}
	if err != nil {
		return abi.KVEntry{}, err
	}
	return abi.KVEntry{Key: in.Key, Value: rec.Value, Revision: rec.Rev}, nil
}

func (s *Service) put(ctx context.Context, space store.Key, in abi.KVPut) (abi.KVEntry, error) {
	const op = "kv.put"
	k, err := entryKey(space, in.Key)
	if err != nil {
		return abi.KVEntry{}, err
	}
	const maxTTL = 100 * 365 * 24 * time.Hour
	switch {
	case len(in.Value) > MaxValueBytes:
		return abi.KVEntry{}, host.Errorf(op, abi.CodeLimit,
			"value has %d bytes; an entry may have %d", len(in.Value), MaxValueBytes).
			WithHint("keep large values in a file (files: write)")
	case in.TTLMS < 0 || in.TTLMS > maxTTL.Milliseconds():
		return abi.KVEntry{}, host.Errorf(op, abi.CodeInvalidArg, "ttl_ms is %d; use 0 to keep the entry, at most a hundred years", in.TTLMS)
	}
	o := store.PutOptions{Expect: store.AnyRev, TTL: time.Duration(in.TTLMS) * time.Millisecond}
	if in.IfRevision != nil {
		if o.Expect = *in.IfRevision; o.Expect == store.AnyRev {
			return abi.KVEntry{}, host.Errorf(op, abi.CodeInvalidArg, "if_revision %d is no revision", o.Expect)
		}
	}
	release, err := s.quota.reserve(ctx, s.store, space, int64(len(in.Key)+len(in.Value)))
	if err != nil {
		return abi.KVEntry{}, err
	}
	defer release()
	rev, err := s.store.Put(ctx, k, in.Value, o)
	if host.CodeOf(err) == abi.CodeConflict {
		return abi.KVEntry{}, host.Errorf(op, abi.CodeConflict, "entry %q does not have revision %d any more", in.Key, o.Expect).
			WithHint("get it again and decide anew")
	}
	if err != nil {
		return abi.KVEntry{}, err
	}
	return abi.KVEntry{Key: in.Key, Revision: rev}, nil
}

func (s *Service) delete(ctx context.Context, space store.Key, in abi.KVRequest) (struct{}, error) {
	k, err := entryKey(space, in.Key)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, s.store.Delete(ctx, k, store.AnyRev)
}
