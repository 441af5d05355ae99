// Copyright 2026 The Gantry Authors.

package invoke

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
)

func TestARunIsReadAsItWasWritten(t *testing.T) {
	at := time.Unix(1_790_000_000, 123456789).UTC()
	for name, c := range map[string]struct {
		rec record
		s   script
	}{
		"that has begun": {rec: record{Owner: "u:ann", Run: Run{CallID: "c", Tool: "echo", Status: StatusStarted, CreatedAt: at}}},
		"with everything": {
			rec: record{Owner: "c:k1", Run: Run{CallID: "c", Tool: "t", Status: StatusFinished, SessionID: "s", Metadata: json.RawMessage(`{"a": 1}`),
				CreatedAt: at, EndedAt: at.Add(time.Second), Result: structured([]byte(`{"x": [1, 2]}`))}},
			s: script{Text: "aébc", Ends: []int{3, -1, 3, 5, -2}, Progress: []abi.Progress{{Done: 1}, {Done: 2, Message: "two"}}},
		},
		"with a text":               {rec: record{Run: Run{Result: &abi.Result{Content: []abi.Content{abi.Text("")}}}}},
		"with a text of its own":    {rec: record{Run: Run{Result: &abi.Result{Content: []abi.Content{abi.Text("a")}, Structured: json.RawMessage(`1`)}}}},
		"with a tool's own error":   {rec: record{Run: Run{Result: &abi.Result{Content: []abi.Content{abi.Text("no")}, IsError: true}}}},
		"with a picture":            {rec: record{Run: Run{Result: &abi.Result{Content: []abi.Content{{Type: abi.ContentImage, Data: []byte{1}, MIMEType: "image/png"}}}}}},
		"with a text that has more": {rec: record{Run: Run{Result: &abi.Result{Content: []abi.Content{{Type: abi.ContentText, Text: "a", Title: "b"}}}}}},
		"with an empty result":      {rec: record{Run: Run{Result: &abi.Result{}}}},
		"that failed":               {rec: record{Run: Run{Status: StatusError, Error: &abi.Error{Code: abi.CodeTrap, Message: "m", Hint: "h", Details: json.RawMessage(`{"a":1}`)}}}},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := appendRun(nil, &c.rec, &c.s)
			if err != nil {
				t.Fatal(err)
			}
			rec, s, err := parseRun(data)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*rec, c.rec) || !reflect.DeepEqual(*s, c.s) {
				t.Errorf("got %+v %+v\nwant %+v %+v", *rec, *s, c.rec, c.s)
			}
			for n := range data {
				if _, _, err := parseRun(data[:n]); err == nil {
					t.Errorf("%d bytes of %d are read as a run", n, len(data))
				}
			}
			if _, _, err := parseRun(append(data, 0)); err == nil {
				t.Error("a byte too many is not seen")
			}
		})
	}
}

// FuzzParseRun reads any bytes: no panic, and what is read can be told and is written as it was.
func FuzzParseRun(f *testing.F) {
	rec := &record{Owner: "u:ann", Run: Run{CallID: "c", Status: StatusFinished, Result: structured([]byte(`{}`)), Metadata: json.RawMessage(`{}`)}}
	for _, s := range []*script{{}, {Text: "ab", Ends: []int{1, -1, 2}, Progress: []abi.Progress{{Done: 1}}}} {
		data, err := appendRun(nil, rec, s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, s, err := parseRun(data)
		if err != nil {
			return
		}
		l := restored(*s, lastEvent(&rec.Run))
		start := -1
		for seq := range uint64(len(s.Ends) + 1) {
			if _, ended, wait := l.next(seq, &start); ended || wait != nil {
				t.Fatalf("event %d of %d is not there", seq+1, len(s.Ends)+1)
			}
		}
		again, err := appendRun(nil, rec, s)
		if err != nil {
			return // JSON that was never written by us
		}
		rec2, s2, err := parseRun(again)
		if err != nil || rec2.CallID != rec.CallID || !reflect.DeepEqual(s2.Ends, s.Ends) || s2.Text != s.Text {
			t.Errorf("read again: %+v, %v; want %+v", rec2, err, rec)
		}
	})
}
