// Copyright 2026 The Gantry Authors.

package invoke

import (
	"slices"
	"sync"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// maxRunText bounds the text of a run's partial events, all together.
const maxRunText = 8 << 20

// script is what a run has said, in a form that is small in memory and on disk: one text, and where
// each event ends in it.
type script struct {
	Text string `json:"text,omitempty"`
	// Ends has one number for each event: the end of its piece of Text, or for a progress event -1
	// minus its place in Progress.
	Ends     []int          `json:"ends,omitempty"`
	Progress []abi.Progress `json:"progress,omitempty"`
}

// event is the event of that number, which is at most len(s.Ends). Start is where its text begins,
// and is moved to where the next one does.
func (s *script) event(seq uint64, text []byte, start *int) Event {
	if *start < 0 {
		*start = s.start(seq - 1)
	}
	end := s.Ends[seq-1]
	if end < 0 {
		p := s.Progress[-1-end]
		return Event{Seq: seq, Type: EventProgress, Progress: &p}
	}
	e := Event{Seq: seq, Type: EventPartial, Text: string(text[*start:end])}
	*start = end
	return e
}

// start is where the text of the event after seq begins.
func (s *script) start(seq uint64) int {
	for i := int(seq) - 1; i >= 0; i-- {
		if s.Ends[i] >= 0 {
			return s.Ends[i]
		}
	}
	return 0
}

// eventLog is a run's events while it lives, and afterwards until the last reader leaves. Writing never
// waits for a reader: readers come and fetch. It is the run's Sink.
type eventLog struct {
	mu     sync.Mutex
	text   []byte
	script script
	// last is the final event, nil while there is none; broken is why no more is taken.
	last   *Event
	broken error
	// changed is closed at the next change; nil where nobody waits.
	changed chan struct{}
}

var _ Sink = (*eventLog)(nil)

// Partial implements Sink.
func (l *eventLog) Partial(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.text)+len(text) > maxRunText {
		l.broken = host.Errorf("invoke.Emit", abi.CodeLimit, "the run's partial texts have more than %d bytes in all", maxRunText)
		return
	}
	l.text = append(l.text, text...)
	l.script.Ends = append(l.script.Ends, len(l.text))
	l.wake()
}

// Progress implements Sink.
func (l *eventLog) Progress(p abi.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.script.Ends = append(l.script.Ends, -1-len(l.script.Progress))
	l.script.Progress = append(l.script.Progress, p)
	l.wake()
}

// Log implements Sink; a run's log lines are the operator's, not its caller's.
func (l *eventLog) Log(abi.LogLevel, string) {}

func (l *eventLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

func (l *eventLog) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// end gives the last event its number and lets readers come to their end.
func (l *eventLog) end(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq = uint64(len(l.script.Ends)) + 1
	l.last = &e
	l.wake()
}

func (l *eventLog) bytes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.text) + 64*len(l.script.Progress)
}

// snapshot is the script so far, to be kept.
func (l *eventLog) snapshot() script {
	l.mu.Lock()
	defer l.mu.Unlock()
	return script{Text: string(l.text), Ends: slices.Clone(l.script.Ends), Progress: slices.Clone(l.script.Progress)}
}

// restored is the log of a run that has ended.
func restored(s script, last Event) *eventLog {
	l := &eventLog{text: []byte(s.Text), script: s}
	l.end(last)
	return l
}

// next is the event after seq, or the channel to wait for. Start is as in script.event.
func (l *eventLog) next(seq uint64, start *int) (e Event, ended bool, wait <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := uint64(len(l.script.Ends)); {
	case seq < n:
		return l.script.event(seq+1, l.text, start), false, nil
	case l.last != nil && seq == n:
		return *l.last, false, nil
	case l.last != nil:
		return Event{}, true, nil
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return Event{}, false, l.changed
}
