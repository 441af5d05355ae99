// Copyright 2026 The Gantry Authors.

//go:build wasip1

// Command work is a plugin that does what programs do: it hashes, sorts, matches and speaks JSON.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

//go:wasmimport gantry output
func hostOutput(ptr unsafe.Pointer, size uint32)

type record struct {
	ID    int      `json:"id"`
	Name  string   `json:"name"`
	Tags  []string `json:"tags"`
	Score float64  `json:"score"`
}

var address = regexp.MustCompile(`([a-z]+)[0-9]+@([a-z]+)\.example`)

func main() {}

//go:wasmexport gantry_describe
func describe() int32 { return answer(0, `{"abi":1,"name":"work","tools":[{"name":"work"}]}`) }

//go:wasmexport gantry_call
func call(int32) int32 {
	records := make([]record, 300)
	for i := range records {
		n := i * 7919 % 1009
		records[i] = record{n, "user" + strconv.Itoa(n) + "@host.example", []string{"a", strconv.Itoa(n % 7)}, float64(n) / 3}
	}
	slices.SortFunc(records, func(a, b record) int { return strings.Compare(a.Name, b.Name) })
	data, err := json.Marshal(records)
	if err != nil {
		return answer(2, err.Error())
	}
	var back []record
	if err := json.Unmarshal(data, &back); err != nil {
		return answer(2, err.Error())
	}
	found := len(address.FindAllSubmatchIndex(data, -1))
	sum := sha256.Sum256(data)
	for range 200 {
		sum = sha256.Sum256(append(sum[:], data[:4096]...))
	}
	return answer(2, strconv.Itoa(len(back))+" "+strconv.Itoa(found)+" "+hex.EncodeToString(sum[:]))
}

func answer(kind int32, s string) int32 {
	hostOutput(unsafe.Pointer(unsafe.StringData(s)), uint32(len(s)))
	return kind
}
