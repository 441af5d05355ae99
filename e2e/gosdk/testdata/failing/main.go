// Copyright 2026 The Gantry Authors.

// Command failing is a plugin whose tools fail in every way that a plugin can.
package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

type failIn struct {
	Code  string `json:"code" pattern:"^[A-Z][A-Z0-9_]*$"`
	Retry bool   `json:"retry,omitempty"`
}

var _ = pdk.Serve(pdk.Plugin{Name: "failing", Summary: "Fails"},
	pdk.Tool("fail_with", "Fails with a code.", failWith, pdk.ReadOnly),
	pdk.Tool("fail_plainly", "Fails with a plain Go error.", func(*pdk.Context, struct{}) (string, error) {
		return "", errors.New("the cupboard is bare")
	}, pdk.ReadOnly),
	pdk.Tool("fail_by_panic", "Panics.", func(*pdk.Context, struct{}) (string, error) {
		panic(fmt.Sprint("at ", time.Now().Year()))
	}, pdk.ReadOnly),
	pdk.Tool("fail_by_time", "Never ends.", func(*pdk.Context, struct{}) (string, error) {
		for n := 0; ; n++ {
			if n < 0 {
				return "overflow", nil
			}
		}
	}, pdk.ReadOnly))

func failWith(_ *pdk.Context, in failIn) (string, error) {
	return "", pdk.With(pdk.Errorf(abi.Code(in.Code), "what went wrong"), pdk.More{
		Hint: "what to do", Retry: in.Retry, Final: !in.Retry, Details: map[string]string{"field": "code"},
	})
}

func main() {}
