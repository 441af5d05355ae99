// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type zeroable struct{ N int }

func (z zeroable) IsZero() bool { return z.N == 7 }

type broken struct{}

func (broken) MarshalJSON() ([]byte, error) { return nil, errors.New("it is broken") }

type leaf struct {
	S  string  `json:"s"`
	I  int16   `json:"i,omitempty"`
	U  uint32  `json:"u,omitzero"`
	F  float64 `json:"f"`
	G  float32 `json:"g,omitempty"`
	B  bool    `json:"b,omitempty"`
	P  *string `json:"p"`
	PP **int   `json:"pp,omitempty"`
}

type embedded struct {
	Deep string `json:"deep"`
}

type allKinds struct {
	embedded
	Leaf   leaf               `json:"leaf,omitempty"`
	List   []leaf             `json:"list"`
	Ptrs   []*leaf            `json:"ptrs,omitempty"`
	Array  [2]uint8           `json:"array"`
	Map    map[string]float64 `json:"map"`
	Nested map[string][]string
	Any    any               `json:"any"`
	Raw    json.RawMessage   `json:"raw,omitempty"`
	Time   time.Time         `json:"time,omitzero"`
	Bytes  []byte            `json:"bytes"`
	Num    json.Number       `json:"num"`
	Addr   netip.Addr        `json:"addr"`
	Zero   zeroable          `json:"zero,omitzero"`
	PZero  *zeroable         `json:"pzero,omitzero"`
	Empty  map[string]string `json:"empty,omitempty"`
	Self   *allKinds         `json:"self,omitempty"`
}

// sameAsLibrary holds the encoder against encoding/json.
func sameAsLibrary[T any](t interface{ Fatalf(string, ...any) }, v T) {
	s, err := newShape(reflect.TypeFor[T]())
	if err != nil {
		t.Fatalf("%v", err)
	}
	want, wantErr := encodeJSON(&v)
	got, gotErr := s.encode([]byte("kept"), &v)
	if (gotErr == nil) != (wantErr == nil) {
		t.Fatalf("error %v, the library's %v", gotErr, wantErr)
	}
	if wantErr != nil {
		if gotErr.Error() != wantErr.Error() {
			t.Fatalf("error %v, the library's %v", gotErr, wantErr)
		}
		return
	}
	if string(got) != "kept"+string(want) {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestEncodeIsTheLibrarys(t *testing.T) {
	text, number := "a<b>&\u2028\x00\x1f\xff\"\\\b\f\n\r\t\x7f", 5
	pointer := &number
	l := leaf{S: text, I: -3, U: 9, F: 1e-7, G: 3.5e21, B: true, P: &text, PP: &pointer}
	sameAsLibrary(t, leaf{})
	sameAsLibrary(t, allKinds{})
	sameAsLibrary(t, allKinds{embedded: embedded{"x"}, Leaf: l, List: []leaf{l, {}}, Ptrs: []*leaf{nil, &l},
		Map: map[string]float64{"b": 1e21, "a": 123456789, "é": -0.000001}, Nested: map[string][]string{"x": nil, "": {text}},
		Any: map[string]any{"z": []any{1.5, nil, "<"}}, Raw: json.RawMessage(`{"a" : [1, 2]}`), Time: time.Unix(1, 5).UTC(),
		Bytes: []byte{1, 2, 3}, Num: "12.50", Addr: netip.MustParseAddr("::1"), Zero: zeroable{7}, PZero: &zeroable{7},
		Self: &allKinds{Zero: zeroable{1}}})
	sameAsLibrary(t, map[string]any{"b": 1, "a": nil})
	sameAsLibrary(t, []string(nil))
	sameAsLibrary(t, []float32{0, 1e-6, 1e-7, 1e20, 1e21, math.MaxFloat32, -0.5, float32(math.Copysign(0, -1))})
	sameAsLibrary(t, []float64{1e-9, 1e-10, 1e100, math.SmallestNonzeroFloat64, math.MaxFloat64})
}

func TestEncodeRefusesWhatTheLibraryRefuses(t *testing.T) {
	sameAsLibrary(t, []float64{math.NaN()})
	sameAsLibrary(t, struct{ F float32 }{float32(math.Inf(-1))})
	sameAsLibrary(t, map[string]broken{"x": {}})
	sameAsLibrary(t, struct{ N json.Number }{"no number"})
	endless := &allKinds{}
	endless.Self = endless
	sameAsLibrary(t, *endless)
}

func TestEncodeFuzzesLikeTheLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		str := rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes")) })
		one := rapid.Custom(func(t *rapid.T) leaf {
			return leaf{S: str.Draw(t, "s"), I: rapid.Int16().Draw(t, "i"), U: rapid.Uint32().Draw(t, "u"),
				F: rapid.Float64().Draw(t, "f"), G: rapid.Float32().Draw(t, "g"), B: rapid.Bool().Draw(t, "b"),
				P: rapid.Ptr(str, true).Draw(t, "p")}
		})
		sameAsLibrary(t, allKinds{Leaf: one.Draw(t, "leaf"), List: rapid.SliceOfN(one, 0, 3).Draw(t, "list"),
			Map: rapid.MapOfN(str, rapid.Float64(), 0, 4).Draw(t, "map"), Bytes: rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "b"), Any: str.Draw(t, "any")})
	})
}
