// Copyright 2026 The Gantry Authors.

package badgerstore_test

func runChild() {}
