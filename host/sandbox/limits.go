// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"math"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// checkAdmission refuses bounds that nothing can keep to.
func checkAdmission(op string, l wasmbin.Limits) error {
	for _, f := range []struct {
		name  string
		value int
	}{
		{"FileBytes", l.FileBytes}, {"Functions", l.Functions}, {"BodyBytes", l.BodyBytes}, {"Locals", l.Locals},
		{"Nesting", l.Nesting}, {"Tables", l.Tables}, {"TableEntries", l.TableEntries},
	} {
		if f.value < 0 || f.value > math.MaxInt32 {
			return host.Errorf(op, abi.CodeInvalidArg, "Admission.%s: %d is not between 0 and %d; 0 means the default", f.name, f.value, math.MaxInt32)
		}
	}
	return nil
}

// overLimit is the error for a limit that a call met: which, its value, and how to raise it.
func (g *guest) overLimit(field, value, what string) *host.Error {
	return host.Errorf(opCall, abi.CodeLimit, "%s; the limit is %s", what, value).
		WithHint("raise limits: %s: in %s.yaml", field, g.name)
}
