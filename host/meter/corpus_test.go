// Copyright 2026 The Gantry Authors.

package meter_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestWhatCompilesStillCompiles compiles every module of the runtime's own tests as it is and
// rewritten.
func TestWhatCompilesStillCompiles(t *testing.T) {
	ctx := context.Background()
	// The interpreter validates as the compiler does and is faster to compile for.
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	defer func() {
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	compiles := func(data []byte) error {
		c, err := r.CompileModule(ctx, data)
		if err != nil {
			return err
		}
		return c.Close(ctx)
	}
	both, n := 0, 0
	refused := map[string]int{}
	corpus(t, func(path string, data []byte) {
		if n++; n%sampling != 0 || compiles(data) != nil {
			return
		}
		out, _, err := rewrite(data, everything)
		if err != nil {
			text := err.Error()
			if _, after, ok := strings.Cut(text, "byte "); ok {
				_, text, _ = strings.Cut(after, ": ")
			}
			refused[text]++
			t.Logf("%s: %v", path, err)
			return
		}
		if err := compiles(out); err != nil {
			t.Errorf("%s: does not compile any more: %v", path, err)
			return
		}
		both++
	})
	t.Logf("%d compile both ways; refused: %v", both, refused)
	if both < 1_500/sampling/2 || len(refused) > 1 {
		t.Errorf("only %d modules compile both ways; refused: %v", both, refused)
	}
}
