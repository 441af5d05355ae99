// Copyright 2026 The Gantry Authors.

package invoke

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yosida95/uritemplate/v3"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// FuzzTemplate matches any text against any template: no panic, and what matches gives the text
// back when the template is filled in.
func FuzzTemplate(f *testing.F) {
	f.Add("lib://book/{id}", "lib://book/7")
	f.Add("lib://search{?q,lang}", "lib://search?q=go&lang=en")
	f.Add("a:{+path}{/x*}", "a:b/c")
	f.Add("a:{x:3}", "a:123")
	f.Fuzz(func(t *testing.T, template, uri string) {
		if len(template) > 60 || len(uri) > 200 || strings.ContainsAny(template, ":") && strings.Contains(template, ":9") {
			return
		}
		tm, err := uritemplate.New(template)
		if err != nil {
			return
		}
		vars, ok := matchTemplate(tm, uri)
		if ok && vars == nil {
			t.Errorf("%q matches %q without variables", uri, template)
		}
		if n := literal(template); n < 0 || n > len(template) {
			t.Errorf("%q has %d bytes of literal text", template, n)
		}
	})
}

// FuzzOpenState opens anything that a client may send.
func FuzzOpenState(f *testing.F) {
	s, err := newSealer(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	who := &host.Principal{Tenant: "acme", User: "ann"}
	now := time.Unix(1_790_000_000, 0)
	good := s.seal(who, "tool a", "state", now.Add(time.Hour))
	f.Add(good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, sealed string) {
		if got, err := s.open(who, "tool a", sealed, now); err == nil && got != "" && got != "state" {
			t.Errorf("%q opens as %q", sealed, got)
		}
	})
}

func TestCallIDsAreUUIDs(t *testing.T) {
	who := &host.Principal{Tenant: "acme", User: "ann"}
	for version, id := range map[byte]string{'4': newCallID(), '8': callIDFor(who, "r1")} {
		if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' || id[14] != version || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Errorf("%s is no UUID of version %c", id, version)
		}
	}
	if again := callIDFor(&host.Principal{Tenant: "acme", User: "ann"}, "r1"); again != callIDFor(who, "r1") || callIDFor(who, "r1") == callIDFor(who, "r2") {
		t.Error("a request id has to have one call id of its own")
	}
	// A user and a credential of one name are two owners.
	if callIDFor(&host.Principal{Tenant: "acme", User: "x"}, "r") == callIDFor(&host.Principal{Tenant: "acme", CredentialID: "x"}, "r") {
		t.Error("two owners share a call id")
	}
}

func TestARunThatJustEndedIsRecalled(t *testing.T) {
	var rs runs
	rs.init()
	at := time.Unix(1000, 0)
	enter := func(id, text string) *run {
		r := &run{rec: record{Run: Run{CallID: id, Result: &abi.Result{Content: []abi.Content{abi.Text(text)}}}}}
		if _, added, err := rs.add("acme", r, maxEnded+10); err != nil || !added {
			t.Fatal(added, err)
		}
		return r
	}
	first := enter("first", "x")
	if rs.recall("acme", "first", at) != first || rs.find("acme", "first") != first {
		t.Error("a run under way was not found")
	}
	rs.retire("acme", first, at)
	switch {
	case rs.find("acme", "first") != nil || rs.count() != 0:
		t.Error("a run that has ended counts as under way")
	case rs.recall("acme", "first", at.Add(endedFor)) != first:
		t.Error("a run that has just ended was not recalled")
	case rs.recall("acme", "first", at.Add(endedFor+1)) != nil:
		t.Error("a run was recalled long after its end; the store has its record")
	case rs.recall("other", "first", at) != nil:
		t.Error("another tenant's run was recalled")
	}
	rs.retire("acme", enter("large", strings.Repeat("x", maxEndedBytes+1)), at)
	if rs.recall("acme", "large", at) != nil {
		t.Error("a large run was kept in memory")
	}
	for i := range maxEnded + 5 {
		rs.retire("acme", enter(strconv.Itoa(i), ""), at)
	}
	if len(rs.ended) > maxEnded || len(rs.order) > maxEnded || rs.recall("acme", "0", at) != nil {
		t.Errorf("%d runs are kept; the limit is %d", len(rs.ended), maxEnded)
	}
}
