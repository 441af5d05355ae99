// Copyright 2026 The Gantry Authors.

package yamlfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size as people write it: "512", "64KiB", "1.5 MiB", "2GB". KiB, MiB, GiB and TiB count
// in 1024s, KB, MB, GB and TB in 1000s; capitals do not matter.
type Bytes int64

var units = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1}, {"", 1},
}

// UnmarshalText reads a size; a negative one, a fraction of a byte and a number without a unit it
// knows are errors.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.ToLower(strings.TrimSpace(string(text)))
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		digits = strings.TrimSpace(digits)
		n, err := strconv.ParseFloat(digits, 64)
		size := n * u.factor
		if err != nil || strings.Trim(digits, "0123456789.") != "" || size > math.MaxInt64/2 || size != math.Trunc(size) {
			break
		}
		*b = Bytes(size)
		return nil
	}
	return fmt.Errorf("%q is not a size; write one such as 65536, 64KiB or 16MiB", clip(string(text)))
}
