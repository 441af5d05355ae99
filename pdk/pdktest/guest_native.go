// Copyright 2026 The Gantry Authors.

//go:build !wasip1

package pdktest

import (
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/internal/wire"
)

func guestOf(plugin *pdk.Served) wire.Guest { return plugin }
