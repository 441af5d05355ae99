// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// TestQuickToolsAreCalledHere: a tool that has always been quick runs on the goroutine that asks, any
// other on one that can be left to itself.
func TestQuickToolsAreCalledHere(t *testing.T) {
	b := newBench(t)
	caller := func() string {
		stack := make([]byte, 16<<10)
		return string(stack[:runtime.Stack(stack, false)])
	}
	var stack string
	var takes time.Duration
	b.f.add(abi.Tool{Name: "where"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
		stack = caller()
		time.Sleep(takes)
		return answer()
	})
	b.s.Refresh()
	pace := func() *pace {
		p, _ := b.s.paces.Load("where")
		return p.(*pace)
	}()
	here := func(version string) bool {
		t.Helper()
		body := olderCall(`"name":"where"`)
		if version == firstModern {
			body = modernCall(`"name":"where"`)
		}
		r := b.request(version, nil, body)
		reply, _ := b.s.Hot(r.Context(), Ask{peek(r.Header), []byte(body), watching(r.Context())})
		if reply == nil {
			t.Fatal("no reply")
		}
		return strings.Contains(stack, "callHere")
	}
	if here(firstModern) {
		t.Error("called here before it has shown that it is quick")
	}
	pace.quick.Store(quickCalls)
	if !here(firstModern) {
		t.Error("quick, and not called here")
	}
	if here("2025-11-25") {
		t.Error("a session's call is called here")
	}
	takes = quickCall
	here(firstModern)
	if takes = 0; here(firstModern) {
		t.Error("called here after a call that took long")
	}
	for range quickCalls + 1000 { // a busy machine makes calls slow
		if here(firstModern) {
			return
		}
	}
	t.Error("not quick again, however often it was quick")
}

// TestClientThatLeavesACallHere: it is noticed once the head start is over.
func TestClientThatLeavesACallHere(t *testing.T) {
	for _, why := range []string{"the client leaves", "the request is given up", "the server closes"} {
		t.Run(why, func(t *testing.T) {
			b := newBench(t)
			b.s.headStart = time.Millisecond
			begun, ended := make(chan struct{}), make(chan error, 1)
			b.f.add(abi.Tool{Name: "wait"}, func(ctx context.Context, _ invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
				close(begun)
				<-ctx.Done()
				ended <- ctx.Err()
				return nil, host.E("fake", abi.CodeCancelled, ctx.Err())
			})
			b.s.Refresh()
			p, _ := b.s.paces.Load("wait")
			p.(*pace).quick.Store(quickCalls)
			client, leave := context.WithCancel(t.Context())
			request, giveUp := context.WithCancel(host.WithPrincipal(t.Context(), ann))
			defer leave()
			defer giveUp()
			go func() {
				<-begun
				switch why {
				case "the client leaves":
					leave()
				case "the request is given up":
					giveUp()
				default:
					if err := b.s.Close(context.Background()); err != nil {
						t.Error(err)
					}
				}
			}()
			body := modernCall(`"name":"wait"`)
			r := b.request(firstModern, nil, body)
			reply, _ := b.s.Hot(request, Ask{peek(r.Header), []byte(body), watching(client)})
			<-ended
			if reply == nil || !strings.Contains(string(reply.Body), `"isError":true`) {
				t.Errorf("answered %+v", reply)
			}
		})
	}
}

func TestAPanicOfACallHere(t *testing.T) {
	b := newBench(t)
	b.f.add(abi.Tool{Name: "crash"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) { panic("crash") })
	b.s.Refresh()
	p, _ := b.s.paces.Load("crash")
	p.(*pace).quick.Store(quickCalls)
	body := modernCall(`"name":"crash"`)
	r := b.request(firstModern, nil, body)
	reply, _ := b.s.Hot(r.Context(), Ask{peek(r.Header), []byte(body), watching(r.Context())})
	if reply == nil || !strings.Contains(string(reply.Body), "INTERNAL") {
		t.Errorf("answered %+v", reply)
	}
}
