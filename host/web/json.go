// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of a JSON body: JSONLimit where Config.JSONLimit says nothing else.
const (
	JSONLimit = 1 << 20
	JSONDepth = 64
)

// Bind reads the request's JSON body into v, a pointer to a struct. It refuses, with CodeInvalidArg
// and a message that names the place: another content type, a body that is no single JSON object,
// text that is not UTF-8, a doubled or unknown field at any depth the struct describes, a value of
// the wrong kind and nesting beyond JSONDepth. More than Config.JSONLimit bytes is
// CodeTooLarge.
func (c *Ctx) Bind(v any) error {
	const op = "web.Bind"
	ct := c.Header("Content-Type")
	if media, _, err := mime.ParseMediaType(ct); err != nil || !isJSON(media) {
		return host.Errorf(op, abi.CodeInvalidArg, "Content-Type: has to be application/json, not %q", clip(ct))
	}
	body := c.raw.BodyRaw()
	if most := c.server.cfg.JSONLimit; len(body) > most {
		return host.Errorf(op, CodeTooLarge, "the JSON body has %d bytes; at most %s are taken", len(body), bytesText(most))
	}
	// What v keeps of the body has to outlive fasthttp's buffer.
	return decodeJSON(&c.server.shapes, bytes.Clone(body), v)
}

func isJSON(media string) bool {
	return media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}

// DecodeJSON is Bind for bytes already at hand; v may keep parts of data.
func DecodeJSON(data []byte, v any) error { return decodeJSON(nil, data, v) }

func decodeJSON(known *shapes, data []byte, v any) error {
	const op = "web.DecodeJSON"
	bad := func(format string, args ...any) error {
		return host.Errorf(op, abi.CodeInvalidArg, format, args...)
	}
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return bad("the body is empty; send a JSON object")
	case !utf8.Valid(data):
		return bad("the body is not valid UTF-8")
	case trimmed[0] != '{':
		return bad("the body has to be a JSON object")
	}
	top, err := scanJSON(data, JSONDepth)
	if err != nil {
		return bad("%w", err)
	}
	if sh := known.of(v); sh != nil {
		if err := sh.knows(top); err != nil {
			return bad("%w", err)
		}
		if sh.fill(top, v) {
			return nil
		}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return bad("%s", decodeText(err))
	}
	return nil
}

// decodeText turns what encoding/json says into what the caller of an API can mend.
func decodeText(err error) string {
	var te *json.UnmarshalTypeError
	switch {
	case errors.As(err, &te) && te.Field != "":
		return fmt.Sprintf("%s: is a JSON %s; has to be %s", te.Field, te.Value, kindName(te.Type))
	case errors.As(err, &te):
		return fmt.Sprintf("the body is a JSON %s; has to be %s", te.Value, kindName(te.Type))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the body ends in the middle of the JSON"
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}
