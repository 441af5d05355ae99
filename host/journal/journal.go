// Copyright 2026 The Gantry Authors.

// Package journal keeps who called what, when, how it ended and what it cost.
//
// It never sees the inputs and outputs of a call, only their sizes. Recording takes no lock for
// longer than a copy and never waits for the store: entries go through a bounded queue and are
// written in batches, so a host that is killed loses those of the last moments, and one whose
// store is slow loses the oldest and says how many. It is no audit log in the legal sense and no
// source of quotas.
package journal

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Entry is one call.
type Entry struct {
	// ID is given by Record and orders the entries of a tenant, newest first.
	ID        string        `json:"id"`
	Time      time.Time     `json:"time"`
	Tenant    host.TenantID `json:"tenant"`
	User      string        `json:"user,omitempty"`
	Workspace string        `json:"workspace,omitempty"`
	// Credential is the id of the credential, never the secret.
	Credential string `json:"credential,omitempty"`
	// Surface is where the call came in: "mcp", "rest", "cli", "tool".
	Surface string `json:"surface,omitempty"`
	Plugin  string `json:"plugin,omitempty"`
	Tool    string `json:"tool"`
	// Kind is "prompt", "read" or "complete" where Tool names such a thing and no tool.
	Kind      string `json:"kind,omitempty"`
	CallID    string `json:"call_id"`
	RequestID string `json:"request_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	// Depth is above 0 for a tool that another tool called.
	Depth int `json:"depth,omitempty"`
	// Code is the outcome: empty for a call that went well.
	Code abi.Code `json:"code,omitempty"`
	// WallMicros and the rest are what the call cost, as in host.Usage.
	WallMicros int64  `json:"wall_us"`
	Fuel       uint64 `json:"fuel,omitempty"`
	PeakBytes  int64  `json:"peak_bytes,omitempty"`
	Ops        int    `json:"ops,omitempty"`
	BytesIn    int    `json:"bytes_in"`
	BytesOut   int    `json:"bytes_out"`
}

// Config is what a Journal needs. Store is required.
type Config struct {
	Store store.Store
	// Clock is the system's where nil.
	Clock host.Clock
	// Logger hears of losses; nil is silent.
	Logger *slog.Logger
	// Queue is how many entries may wait; 0 means 8,192.
	Queue int
	// FlushEvery is how long an entry waits at most; 0 means 250 ms.
	FlushEvery time.Duration
	// Retention is how long entries are kept; 0 means 30 days.
	Retention time.Duration
}

// The defaults of Config.
const (
	DefaultQueue      = 8192
	DefaultFlushEvery = 250 * time.Millisecond
	DefaultRetention  = 30 * 24 * time.Hour
)

// appender is what a store may offer to write many records at once (badgerstore does).
type appender interface {
	Append(ctx context.Context, recs []store.Record) error
}

// Journal records calls. All methods may be called concurrently.
type Journal struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	queue  []Entry // a ring
	first  int
	count  int
	lastID uint64
	stats  Stats
	closed bool

	// writing is held while a batch is on its way to the store, so that Flush returns after it. What
	// is needed on the way is kept for the next time.
	writing sync.Mutex
	taken   []Entry
	packer  packer
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}
}

// Stats say how the journal is doing since it was opened.
type Stats struct {
	Written uint64 `json:"written"`
	// Lost are entries that never reached the store: the queue was full, or the store refused them.
	Lost   uint64 `json:"lost"`
	Queued int    `json:"queued"`
}

// New starts a journal; Close ends it.
func New(c Config) (*Journal, error) {
	const op = "journal.New"
	switch {
	case c.Store == nil:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store is nil; give the store for runs")
	case c.Queue < 0 || c.FlushEvery < 0 || c.Retention < 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Queue, FlushEvery and Retention must not be negative; 0 is the default")
	}
	if c.Clock == nil {
		c.Clock = host.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = DefaultFlushEvery
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	j := &Journal{
		cfg: c, log: c.Logger, queue: make([]Entry, c.Queue),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go j.run()
	return j, nil
}

// Record takes an entry; its Time is the clock's where zero, its ID is made here. It never waits:
// when the queue is full the oldest entry is dropped and counted. After Close it only counts.
func (j *Journal) Record(e Entry) {
	if e.Time.IsZero() {
		e.Time = j.cfg.Clock.Now()
	}
	j.mu.Lock()
	if j.closed {
		j.stats.Lost++
		j.mu.Unlock()
		return
	}
	if j.count == len(j.queue) {
		j.first = (j.first + 1) % len(j.queue)
		j.count--
		j.stats.Lost++
	}
	// Ids never go back, also when the clock does.
	j.lastID = max(j.lastID+1, uint64(e.Time.UnixNano()))
	e.ID = newestFirst(j.lastID)
	j.queue[(j.first+j.count)%len(j.queue)] = e
	j.count++
	full := j.count == len(j.queue)/2
	j.mu.Unlock()
	if full {
		j.nudge()
	}
}

func (j *Journal) nudge() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Stats tells the counts since New.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Queued = j.count
	return s
}

// run writes batches until Close.
func (j *Journal) run() {
	defer close(j.done)
	tick := time.NewTicker(j.cfg.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-j.wake:
		case <-j.stop:
			return
		}
		j.write(context.Background())
	}
}

// Flush writes what is queued and returns when it is in the store, or lost.
func (j *Journal) Flush(ctx context.Context) error {
	j.write(ctx)
	return ctx.Err()
}

// Close writes what is queued, within ctx, and ends the journal. A second Close does nothing.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	again := j.closed
	j.closed = true
	j.mu.Unlock()
	if !again {
		close(j.stop)
	}
	<-j.done
	return j.Flush(ctx)
}
