// Copyright 2026 The Gantry Authors.

package web

import (
	"strconv"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Number is a query parameter that is a whole number, 0 where there is none. The error names it.
func (c *Ctx) Number(name string) (int64, error) {
	v := c.Query(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 {
		return 0, host.Errorf("web.Number", abi.CodeInvalidArg, "%s: has to be a whole number, 0 or more", name)
	}
	return n, nil
}

// Page answers what get finds for the request's limit, as JSON.
func Page[T any](c *Ctx, get func(limit int) (T, error)) error {
	limit, err := c.Number("limit")
	if err != nil {
		return err
	}
	page, err := get(int(limit))
	if err != nil {
		return err
	}
	return c.JSON(200, page)
}
