// Copyright 2026 The Gantry Authors.

package hostile

import (
	"slices"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Wall is the time limit that shapes are to be run under: a call's, and that of the making of an
// instance. Each has to be over by then, and a little more for the host to notice.
const Wall = 300 * time.Millisecond

// Shape is one plugin that runs away.
type Shape struct {
	// Name says what it does.
	Name string
	// AtLoad says that it does so while it is loaded, and so never comes to a call.
	AtLoad bool
	// Limits are those it is loaded with; where Limits.Wall is 0 it is to be Wall.
	Limits host.Limits
	// Input is how many bytes of arguments it is called with.
	Input int
	// Waits says that it asks for an operation without a name, which its border is to let wait for the
	// end of the context.
	Waits bool
	// Code and Text are what has to come of it: the code, and a part of the message.
	Code abi.Code
	Text string

	program func() *program
}

// Wasm is the plugin's file under a name. Its tool is "run".
func (s *Shape) Wasm(name string) []byte { return s.program().module(name) }

// Shapes are all of them. Every call makes new ones.
func Shapes() []Shape {
	return slices.Concat(computing(), asking(), taking(), starting(), bombs())
}

// Neighbour is a plugin that does not run away: it answers with the first kilobyte of its input.
func Neighbour() Shape {
	return Shape{Name: "neighbour", program: calling(num(2048), num(2048), num(1024), call(fnInput), call(fnOutput), text)}
}

const (
	deadline = "the call ran into its time limit of"
	starts   = "the module did not finish starting within"
)

// calling is a program whose gantry_call has the body.
func calling(body ...[]byte) func() *program {
	return func() *program { return &program{call: code(body...)} }
}

// computing are those that only compute.
func computing() []Shape {
	twice := func(fn uint32) []byte { return code(local(0), minusOne, call(fn), local(0), minusOne, call(fn)) }
	late := func(name string, p func() *program) Shape {
		return Shape{Name: name, Code: abi.CodeDeadline, Text: deadline, program: p}
	}
	return []Shape{
		late("an empty loop", calling(forever())),
		late("a counting loop", calling(forever(count(1024)))),
		late("loops within loops", calling(forever(thousand(1024, thousand(1028, thousand(1032)))))),
		late("a loop of br_table", calling([]byte{0x03, 0x40}, block(num(1), []byte{0x0e, 1, 0, 1, 0}), []byte{0x0c, 0, opEnd, 0x00})),
		late("recursion that doubles", func() *program {
			return &program{call: code(num(60), call(firstHelper), text),
				helpers: []helper{{1, 0, code(local(0), when(twice(firstHelper)))}}}
		}),
		late("mutual recursion that doubles", func() *program {
			return &program{call: code(num(60), call(firstHelper), text), helpers: []helper{
				{1, 0, code(local(0), when(twice(firstHelper+1)))},
				{1, 0, code(local(0), when(twice(firstHelper)))},
			}}
		}),
		late("a storm of memory.fill", func() *program {
			return &program{pages: 512, call: forever(num(0), num(1), num(512<<16), []byte{0xfc, 0x0b, 0})}
		}),
		late("a storm of memory.copy", func() *program {
			return &program{pages: 512, call: forever(num(0), num(1), num(512<<16-1), []byte{0xfc, 0x0a, 0, 0})}
		}),
		{Name: "a loop under a limit of fuel", Limits: host.Limits{Fuel: 1_000_000}, Code: abi.CodeLimit, Text: "used up the fuel",
			program: calling(forever(count(1024)))},
		// The stack grows to its end first, which is much to copy.
		{Name: "recursion without end", Limits: host.Limits{Wall: 5 * time.Second}, Code: abi.CodeTrap, Text: "stack overflow", program: calling(num(0), call(fnCall))},
	}
}

// asking are those that ask too much of the host.
func asking() []Shape {
	late := func(name string, body ...[]byte) Shape {
		return Shape{Name: name, Code: abi.CodeDeadline, Text: deadline, program: calling(body...)}
	}
	// at 2048 lie a WASI subscription to the monotonic clock in an hour, and an iovec of 32 KiB
	hour := func(at int) []byte {
		const ns = uint64(3600 * time.Second)
		store := func(off int, v uint64) []byte {
			return code(num(at+off), num(int(uint32(v))), []byte{0x36, 2, 0})
		}
		return code(store(16, 1), store(24, ns), store(28, ns>>32))
	}
	return []Shape{
		late("a loop of host calls", forever(num(0), num(1<<16), call(fnInput), drop)),
		late("a flood of log lines", forever(num(0), num(0), num(100), call(fnLog))),
		late("a flood of standard output", code(num(2048), num(0), []byte{0x36, 2, 0}, num(2052), num(32<<10), []byte{0x36, 2, 0}),
			forever(num(1), num(2048), num(1), num(2060), call(fnWrite), drop)),
		late("a flood of random bytes", forever(num(0), num(1<<16), call(fnRandom), drop)),
		late("a loop of reading the clock", forever(num(1), []byte{0x42, 0}, num(2048), call(fnClock), drop)),
		late("a loop of yielding", forever(call(fnYield), drop)),
		late("sleeping for an hour", hour(2048), forever(num(2048), num(3072), num(1), num(4000), call(fnPoll), drop)),
		{Name: "an operation that waits", Waits: true, Code: abi.CodeDeadline, Text: deadline,
			program: calling(forever(num(4096), num(0), num(0), num(0), call(fnOp), drop))},
		{Name: "a flood of events", Code: abi.CodeLimit, Text: "emitted too many events",
			program: calling(forever(num(0), num(0), num(10), call(fnEmit)))},
		{Name: "a flood of operations", Limits: host.Limits{Ops: 1000}, Code: abi.CodeLimit, Text: "too many operations",
			program: calling(forever(num(0), num(4), num(0), num(0), call(fnOp), drop))},
		{Name: "ending itself", Code: abi.CodeTrap, Text: "ended itself", program: calling(num(7), call(fnExit), unreachable)},
	}
}

// taking are those that take too much memory, or more than there is.
func taking() []Shape {
	grow := func(pages int) []byte { return code(num(pages), []byte{0x40, 0}) }
	failed := []byte{0x41, 0x7f, 0x46} // it is -1
	small := host.Limits{MemoryBytes: 16 << 20}
	return []Shape{
		{Name: "growing memory page by page, then failing", Limits: small, Code: abi.CodeLimit, Text: "ran out of memory",
			program: calling(forever(grow(1), failed, when(unreachable)))},
		{Name: "changing a byte of every page, then failing", Code: abi.CodeTrap, Text: "crashed", program: func() *program {
			const at, end = 4096, 128 << 16 // the byte at 1024 counts; every page is read and then written
			next := code(num(1024), num(1024), load, num(4096), add, store)
			return &program{pages: 128, call: code(num(1024), num(at), store,
				[]byte{0x03, 0x40}, num(1024), load, num(1024), load, load8, num(1), add, store8,
				next, num(1024), load, num(end), []byte{0x49, 0x0d, 0, opEnd}, unreachable)}
		}},
		{Name: "growing memory, refused without end", Limits: small, Code: abi.CodeDeadline, Text: deadline,
			program: calling(forever(grow(1), drop))},
		{Name: "growing memory by all there is", Limits: small, Code: abi.CodeLimit, Text: "ran out of memory",
			program: calling(grow(65_000), failed, when(unreachable), text)},
		{Name: "growing a table without end", Code: abi.CodeDeadline, Text: deadline, program: func() *program {
			return &program{tables: []uint32{0}, call: forever([]byte{0xd0, 0x70}, num(1000), []byte{0xfc, 0x0f, 0}, drop)}
		}},
		{Name: "an answer of 32 MiB", Code: abi.CodeLimit, Text: "the plugin answered 32 MiB; the limit is 8 MiB", program: func() *program {
			return &program{pages: 513, call: code(num(0), num(32<<20), call(fnOutput), text)}
		}},
		{Name: "an event of 32 MiB", Code: abi.CodeLimit, Text: "an event of 32 MiB", program: func() *program {
			return &program{pages: 513, call: code(num(0), num(0), num(32<<20), call(fnEmit), text)}
		}},
		{Name: "a pointer outside of memory", Code: abi.CodeTrap, Text: "with a bad pointer", program: calling(num(-8), num(64), call(fnOutput), text)},
		{Name: "a length outside of memory", Code: abi.CodeTrap, Text: "with a bad pointer", program: calling(num(0), num(-1), call(fnInput), drop, text)},
		{Name: "arguments larger than its memory", Limits: host.Limits{MemoryBytes: 64 << 10}, Input: 100_000, Code: abi.CodeLimit,
			Text: "more than the plugin's memory may hold", program: calling(text)},
	}
}

// starting are those that do not come to a call.
func starting() []Shape {
	return []Shape{
		{Name: "a start function without end", AtLoad: true, Code: abi.CodeContract, Text: starts, program: func() *program {
			return &program{call: text, start: forever()}
		}},
		{Name: "an _initialize without end", AtLoad: true, Code: abi.CodeContract, Text: starts, program: func() *program {
			return &program{call: text, init: forever(count(1024))}
		}},
		{Name: "a description without end", AtLoad: true, Code: abi.CodeContract, Text: "gantry_describe did not return within", program: func() *program {
			return &program{call: text, describe: forever()}
		}},
		{Name: "a description of 2 MiB", AtLoad: true, Code: abi.CodeLimit, Text: "the limit is 1 MiB", program: func() *program {
			return &program{pages: 32, call: text, describe: code(num(0), num(2<<20), call(fnOutput), num(0))}
		}},
	}
}
