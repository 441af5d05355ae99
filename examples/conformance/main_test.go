// Copyright 2026 The Gantry Authors.

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/pdk/pdktest"
)

// TestEveryToolAnswers calls each tool with a client that can answer everything. What the answers
// have to be is the suite's to say.
func TestEveryToolAnswers(t *testing.T) {
	form := pdktest.Accept(map[string]any{"name": "Ann", "color": "blue", "ok": true, "username": "ann"})
	arguments := map[string]any{
		"test_sampling":            map[string]string{"prompt": "?"},
		"test_elicitation":         map[string]string{"message": "?"},
		"json_schema_2020_12_tool": map[string]string{"email": "ann@example.com"},
		"greet":                    map[string]string{"name": "Ann"},
		"slow_compute":             map[string]any{"seconds": 0, "label": "it"},
		"confirm_delete":           map[string]string{"filename": "a.txt"},
	}
	for _, tool := range pdktest.New(t).Manifest().Tools {
		t.Run(tool.Name, func(t *testing.T) {
			h := pdktest.New(t)
			h.Context.Client.ProgressToken = []byte("7")
			h.Context.Client.Can = []string{"elicitation", "sampling", "roots"}
			h.Answers = map[string]any{
				"user_name": pdktest.Accept(map[string]any{"name": "Ann"}), "form": form,
				"confirm": pdktest.Accept(map[string]any{"ok": true}),
				"step1":   pdktest.Accept(map[string]any{"name": "Ann"}), "step2": pdktest.Accept(map[string]any{"color": "blue"}),
				"completion": pdktest.Sampled("Paris"), "capital_question": pdktest.Sampled("Paris"), "greeting": pdktest.Sampled("Hello"),
				"delete": pdktest.Accept(map[string]any{"confirm": true}), "first": form, "second": form,
				"client_roots": pdktest.Roots("file:///work"),
			}
			in := arguments[tool.Name]
			if in == nil {
				in = map[string]any{}
			}
			r := h.Call(tool.Name, in)
			if slices.Contains([]string{"test_error_handling", "failing_job", "protocol_error_job"}, tool.Name) {
				if r.Err == nil {
					t.Error("it did not fail")
				}
				return
			}
			if r.OK(); r.Text == "" && len(r.Content) == 0 {
				t.Error("the answer is empty")
			}
			if strings.HasSuffix(tool.Name, "_change") && len(h.Changed()) != 1 {
				t.Errorf("it announced %v, want one change", h.Changed())
			}
		})
	}
}
