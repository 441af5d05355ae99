// Copyright 2026 The Gantry Authors.

package mcp

import (
	"errors"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The question by which a person confirms a destructive call is the pipeline's, and comes like one of
// the tool's: as an elicitation in the era of sessions, as an input_required result after it. What is
// left to do here is to word its refusal.

// unconfirmable tells whether err is the host's word that a person has to confirm the call and that
// the client cannot ask one. A plugin may use the same code for matters of its own.
func unconfirmable(err error) bool {
	var he *host.Error
	return errors.As(err, &he) && he.Code == abi.CodeConfirmation
}
