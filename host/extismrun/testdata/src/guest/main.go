// Copyright 2026 The Gantry Authors.

//go:build wasip1

// Guest is a plugin for the tests of the runner: what a plugin of Extism's kind can do, one export
// for each. Its describe and call make it a plugin that describes its tools itself.
package main

import (
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {}

var calls int

//go:wasmexport echo
func echo() int32 { return output(input()) }

// count says how often this instance was called.
//
//go:wasmexport count
func count() int32 {
	calls++
	return output(strconv.Itoa(calls))
}

//go:wasmexport report
func report() int32 { return fail("it said: " + input()) }

//go:wasmexport seven
func seven() int32 { return 7 }

//go:wasmexport silent
func silent() int32 { return 0 }

//go:wasmexport crash
func crash() int32 {
	if s := input(); s != "" {
		panic(s)
	}
	return 0
}

//go:wasmexport exit
func exit() int32 {
	if input() == "0" {
		output("bye")
		syscall.Exit(0)
	}
	syscall.Exit(3)
	return 0
}

//go:wasmexport loop
func loop() int32 {
	for n := 0; ; n++ {
		if n < 0 {
			return 1
		}
	}
}

//go:wasmexport recurse
func recurse() int32 { return output(strconv.Itoa(fib(90))) }

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:wasmexport hostloop
func hostloop() int32 {
	for getLogLevel() >= 0 {
	}
	return 0
}

//go:wasmexport sleep
func sleep() int32 {
	d, err := time.ParseDuration(input())
	if err != nil {
		return fail(err.Error())
	}
	time.Sleep(d)
	return output("awake")
}

var hoard [][]byte

//go:wasmexport grow
func grow() int32 {
	for range 1 << 20 {
		hoard = append(hoard, make([]byte, 1<<20))
	}
	return output("grown")
}

// big answers so many bytes as it is told.
//
//go:wasmexport big
func big() int32 {
	n := number(input())
	outputSet(alloc(n), n)
	return 0
}

// pointers sets an output that is not there.
//
//go:wasmexport pointers
func pointers() int32 {
	offset, n, _ := strings.Cut(input(), " ")
	outputSet(number(offset), number(n))
	return 0
}

// reach reads a byte, and with a second number writes it.
//
//go:wasmexport reach
func reach() int32 {
	at, value, write := strings.Cut(input(), " ")
	if write {
		storeU8(number(at), uint32(number(value)))
	}
	return output(strconv.Itoa(int(loadU8(number(at)))))
}

//go:wasmexport binary
func binary() int32 { return output("\xff\xfe") }

//go:wasmexport config
func config() int32 { return output(take(configGet(put(input())))) }

// variable keeps its input and answers what it kept before.
//
//go:wasmexport variable
func variable() int32 {
	old := take(varGet(put("v")))
	varSet(put("v"), put(input()))
	return output(old)
}

//go:wasmexport talk
func talk() int32 {
	say(1, "on stdout\n")
	say(2, "on stderr")
	logWarn(put("a warning about " + input()))
	return output("said")
}

//go:wasmexport world
func world() int32 {
	var random uint64
	randomGet(&random, 8)
	_, err := syscall.Open("/", syscall.O_RDONLY, 0)
	return output(strings.Join([]string{
		strconv.FormatUint(random, 16), strconv.FormatInt(time.Now().Unix(), 10),
		strconv.FormatBool(err != nil), strconv.Itoa(len(syscall.Environ())),
	}, " "))
}

// fetch takes the request as Extism's kits write it, answers status, headers and body.
//
//go:wasmexport fetch
func fetch() int32 {
	body := take(httpRequest(put(input()), 0))
	return output(strconv.Itoa(int(httpStatusCode())) + " " + take(httpHeaders()) + " " + body)
}

//go:wasmexport post
func post() int32 {
	req, body, _ := strings.Cut(input(), "\n")
	return output(take(httpRequest(put(req), put(body))))
}

//go:wasmexport describe
func describe() int32 {
	return output(`{"tools": [
		{"name": "shout", "description": "Say it louder.", "annotations": {"readOnlyHint": true},
		 "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}},
		{"name": "mixed", "description": "Answer everything.", "inputSchema": {"type": "object"}},
		{"name": "broken", "description": "Answer nothing of use.", "inputSchema": null}
	]}`)
}

//go:wasmexport call
func call() int32 {
	in := input()
	switch _, arguments, _ := strings.Cut(in, `"arguments":`); {
	case strings.Contains(in, `"name":"shout"`):
		_, text, _ := strings.Cut(arguments, `"text":"`)
		text, _, _ = strings.Cut(text, `"`)
		return output(`{"content": [{"type": "text", "text": "` + strings.ToUpper(text) + `"}]}`)
	case strings.Contains(in, `"name":"mixed"`):
		return output(`{"isError": true, "structuredContent": {"n": 1}, "content": [
			{"type": "text", "text": "t"},
			{"type": "image", "data": "AQI=", "mimeType": "image/png"},
			{"type": "resource", "resource": {"uri": "note://1", "mimeType": "text/plain", "text": "body"}},
			{"type": "resource_link", "uri": "note://2", "name": "two"}]}`)
	}
	return output(`{"content": [{"type": "strange"}]}`)
}

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGet(to *uint64, n uint32) uint32

func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func say(fd int, text string) {
	if _, err := syscall.Write(fd, []byte(text)); err != nil {
		panic(err)
	}
}
