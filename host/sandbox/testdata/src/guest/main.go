// Copyright 2026 The Gantry Authors.

// Command guest is a plugin for the tests of the sandbox, written on the bare contract. Each of its
// tools does one thing that the runner has to cope with.
package main

import (
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

//go:wasmimport gantry input
func hostInput(ptr unsafe.Pointer, size uint32) uint32

//go:wasmimport gantry output
func hostOutput(ptr unsafe.Pointer, size uint32)

//go:wasmimport gantry emit
func hostEmit(kind int32, ptr unsafe.Pointer, size uint32)

//go:wasmimport gantry log
func hostLog(level int32, ptr unsafe.Pointer, size uint32)

//go:wasmimport gantry op
func hostOp(namePtr unsafe.Pointer, nameLen uint32, reqPtr unsafe.Pointer, reqLen uint32) uint64

//go:wasmimport gantry op_read
func hostOpRead(ptr unsafe.Pointer, size uint32) uint32

const (
	structured = 0
	failed     = 1
	text       = 2
)

type tool struct {
	name string
	run  func(in []byte) int32
}

var tools = []tool{
	{"echo", func(in []byte) int32 { return answer(structured, in) }},
	{"panic", func(in []byte) int32 { var a []int; return int32(a[len(in)]) }},
	{"talk", talk},
	{"op", op},
	{"emit", emit},
	{"sleep", func([]byte) int32 { time.Sleep(time.Hour); return text }},
	{"loop", func([]byte) int32 {
		for {
		}
	}},
	{"hoard", hoard},
	{"exit", func([]byte) int32 { os.Exit(3); return text }},
	{"count", func([]byte) int32 { calls++; return answer(text, []byte(strconv.Itoa(calls))) }},
	{"clock", func([]byte) int32 { return answer(text, []byte(strconv.FormatInt(time.Now().Unix(), 10))) }},
	{"files", func([]byte) int32 {
		_, err := os.ReadFile("/etc/passwd")
		return answer(text, []byte(strconv.FormatBool(err != nil)+" "+strings.Join(os.Args, " ")+" "+strconv.Itoa(len(os.Environ()))))
	}},
	{"fail", func(in []byte) int32 { return answer(failed, in) }},
	{"silent", func([]byte) int32 { return structured }},
	{"strange", func([]byte) int32 { return 77 }},
}

var (
	calls int
	kept  [][]byte
)

func main() {}

//go:wasmexport gantry_describe
func describe() int32 {
	b := []byte(`{"abi":1,"name":"guest","tools":[`)
	for i, t := range tools {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":"`+t.name+`"}`...)
	}
	return answer(structured, append(b, "]}"...))
}

//go:wasmexport gantry_call
func call(i int32) int32 { return tools[i].run(input()) }

func input() []byte {
	b := make([]byte, 4096)
	n := hostInput(unsafe.Pointer(&b[0]), uint32(len(b)))
	if int(n) > len(b) {
		b = make([]byte, n)
		hostInput(unsafe.Pointer(&b[0]), n)
	}
	return b[:n]
}

func answer(kind int32, b []byte) int32 {
	hostOutput(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	return kind
}

func talk([]byte) int32 {
	line := "a line"
	hostLog(8, unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
	os.Stdout.WriteString("to stdout\nand ")
	os.Stdout.WriteString("on\n")
	os.Stderr.WriteString("to stderr")
	return answer(text, nil)
}

// op asks for the operation "name request" of its input and answers what came back.
func op(in []byte) int32 {
	name, req, _ := strings.Cut(string(in), " ")
	r := hostOp(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(unsafe.StringData(req)), uint32(len(req)))
	b := make([]byte, uint32(r))
	hostOpRead(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	if r>>32 != 0 {
		return answer(failed, b)
	}
	return answer(text, b)
}

// emit says its input as often as it has bytes.
func emit(in []byte) int32 {
	for range in {
		hostEmit(0, unsafe.Pointer(&in[0]), uint32(len(in)))
	}
	return answer(text, in)
}

func hoard([]byte) int32 {
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
}
