// Copyright 2026 The Gantry Authors.

package journal

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func anyEntry(t *rapid.T) Entry {
	text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[a-z_]{1,12}`), rapid.String())
	return Entry{
		ID: text.Draw(t, "id"), Time: time.Unix(0, rapid.Int64Range(0, 1<<60).Draw(t, "time")).UTC(),
		Tenant: host.TenantID(text.Draw(t, "tenant")), User: text.Draw(t, "user"), Workspace: text.Draw(t, "workspace"),
		Credential: text.Draw(t, "credential"), Surface: text.Draw(t, "surface"), Plugin: text.Draw(t, "plugin"),
		Tool: text.Draw(t, "tool"), CallID: text.Draw(t, "call"), RequestID: text.Draw(t, "request"),
		SessionID: text.Draw(t, "session"), Depth: rapid.IntRange(0, 8).Draw(t, "depth"), Code: abi.Code(text.Draw(t, "code")),
		WallMicros: rapid.Int64Range(0, 1<<40).Draw(t, "wall"), Fuel: rapid.Uint64().Draw(t, "fuel"),
		PeakBytes: rapid.Int64Range(0, 1<<40).Draw(t, "peak"), Ops: rapid.IntRange(0, 1000).Draw(t, "ops"),
		BytesIn: rapid.IntRange(0, 1<<30).Draw(t, "in"), BytesOut: rapid.IntRange(0, 1<<30).Draw(t, "out"),
	}
}

func TestABatchComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunk := rapid.SliceOfN(rapid.Custom(anyEntry), 1, 20).Draw(t, "chunk")
		var given []*Entry
		for i := range chunk {
			given = append(given, &chunk[i])
		}
		var got []Entry
		if err := entries(new(packer).pack(given), func(e *Entry) bool { got = append(got, *e); return true }); err != nil {
			t.Fatal(err)
		}
		for i, e := range got {
			if want := chunk[len(chunk)-1-i]; !reflect.DeepEqual(e, want) {
				t.Fatalf("entry %d\ngot  %+v\nwant %+v", i, e, want)
			}
		}
		if len(got) != len(chunk) {
			t.Fatalf("%d entries of %d", len(got), len(chunk))
		}
	})
}

func TestAnEntryHasTheFieldsOfItsType(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyEntry(t)
		want, err := json.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		var a, b map[string]any
		if err := json.Unmarshal(want, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(appendEntry(nil, &e), &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("got  %v\nwant %v", b, a)
		}
	})
}

func TestABatchOfAnOlderHostIsRead(t *testing.T) {
	line, err := json.Marshal(&Entry{ID: "1", Tool: "t"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := entries(append(line, '\n'), func(e *Entry) bool { n++; return e.Tool == "t" }); err != nil || n != 1 {
		t.Errorf("%d entries, %v", n, err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(new(packer).pack([]*Entry{{ID: "1", Tool: "t"}}))
	f.Add([]byte{packed, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte("{}\n"))
	f.Fuzz(func(_ *testing.T, value []byte) {
		_ = entries(value, func(*Entry) bool { return true }) // it must not panic, nor take memory without bound
	})
}
