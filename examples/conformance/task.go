// Copyright 2026 The Gantry Authors.

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gantryhost/gantry/pdk"
)

func greet(_ *pdk.Context, in struct {
	Name string `json:"name"`
}) (string, error) {
	return "Hello, " + in.Name + "!", nil
}

func slowCompute(ctx *pdk.Context, in struct {
	Seconds float64 `json:"seconds" minimum:"0" maximum:"60"`
	Label   string  `json:"label,omitempty"`
}) (string, error) {
	ctx.Progress(0, in.Seconds, "sleeping")
	time.Sleep(time.Duration(in.Seconds * float64(time.Second)))
	return fmt.Sprintf("%s slept for %v s", in.Label, in.Seconds), nil
}

func failingJob(*pdk.Context, none) (string, error) {
	time.Sleep(time.Second)
	return "", errors.New("the job failed, as it always does")
}

func crashingJob(*pdk.Context, none) (string, error) {
	panic("the job crashed, as it always does")
}

func confirmDelete(ctx *pdk.Context, in struct {
	Filename string `json:"filename"`
}) (string, error) {
	type confirmation struct {
		Confirm bool `json:"confirm"`
	}
	form, ok, err := accepted[confirmation](ctx, "delete")
	if err != nil || !ok {
		return "", orAsk(err, "", pdk.Elicit("delete", "Delete "+in.Filename+"?", confirmation{}))
	}
	return fmt.Sprintf("%s: confirmed=%v, and nothing was deleted", in.Filename, form.Confirm), nil
}

// multiInput takes a form with more fields than it asks for: the suite fills in both forms alike.
func multiInput(ctx *pdk.Context, _ none) (string, error) {
	var first, second pdk.Elicited
	one, err := ctx.Answer("first", &first)
	if err != nil {
		return "", err
	}
	two, err := ctx.Answer("second", &second)
	if err != nil || !one || !two {
		return "", orAsk(err, "",
			pdk.Elicit("first", "What is your name?", nameForm{}), pdk.Elicit("second", "And the other's?", nameForm{}))
	}
	return fmt.Sprintf("first %s, second %s", first.Content, second.Content), nil
}

func askThenWork(ctx *pdk.Context, _ none) (string, error) {
	form, ok, err := accepted[nameForm](ctx, "user_name")
	if err != nil || !ok {
		return "", orAsk(err, "asked", pdk.Elicit("user_name", "What is your name?", nameForm{}))
	}
	time.Sleep(200 * time.Millisecond)
	return "Worked for " + form.Name, nil
}
