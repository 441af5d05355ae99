// Copyright 2026 The Gantry Authors.

package host

// Isolation is what calls of one plugin may share.
type Isolation string

// The isolations. Under IsolationCall, the default, every call starts from the same state, the one
// the plugin had once it was initialised: nothing of a call is seen by the next. Under
// IsolationTenant a call may find what earlier calls of the same tenant left in memory, never
// another tenant's. Under IsolationShared it may find what any call left: for plugins that keep
// nothing of their callers, or belong to one.
const (
	IsolationCall   Isolation = "call"
	IsolationTenant Isolation = "tenant"
	IsolationShared Isolation = "shared"
)

// Valid tells whether i is one of the three, or empty, which means IsolationCall.
func (i Isolation) Valid() bool {
	switch i {
	case "", IsolationCall, IsolationTenant, IsolationShared:
		return true
	}
	return false
}
