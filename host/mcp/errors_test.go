// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// everyCode reads the host's codes from the contract itself, so that a new one is tested too.
func everyCode(t *testing.T) []abi.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../abi/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []abi.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
			code, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, abi.Code(code))
		}
		return true
	})
	if len(out) < 15 || !slices.Contains(out, abi.CodeUpstream) {
		t.Fatalf("found the codes %v", out)
	}
	return out
}

// rpcAnswer is what a client gets for a call: a result or the protocol's own error.
type rpcAnswer struct {
	Result *struct {
		IsError bool
		Content []struct{ Type, Text string }
	}
	Error *struct {
		Code    int64
		Message string
		Data    json.RawMessage
	}
}

// callRaw calls a tool over HTTP as a client of the era does.
func callRaw(t *testing.T, url, session, era, tool string) rpcAnswer {
	t.Helper()
	params := `"name":"` + tool + `"`
	header := []string{"Mcp-Protocol-Version", era}
	if era == singleEra {
		params += `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
		header, session = append(header, "Mcp-Method", "tools/call", "Mcp-Name", tool), ""
	}
	resp := send(t, t.Context(), "POST", url, session, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{`+params+`}}`, header...)
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a rpcAnswer
	if err := json.Unmarshal(unframe(data), &a); err != nil {
		t.Fatalf("%d %q: %v", resp.StatusCode, data, err)
	}
	if a.Error == nil && resp.StatusCode != http.StatusOK {
		t.Errorf("a result came with status %d", resp.StatusCode)
	}
	return a
}

// TestEveryFailureIsAToolError holds every code of the contract, from the host and from a plugin,
// to the form of seed 000: {code, message, retryable, hint?, details?} as the text of a result.
func TestEveryFailureIsAToolError(t *testing.T) {
	f := newFake()
	type failure struct {
		tool string
		err  error
		want abi.Error
		rpc  func(era string) int64 // the protocol's own code for it, where it has one; the content is the same
	}
	result := func(string) int64 { return 0 }
	hostsWord := func(code abi.Code) func(era string) int64 {
		return func(era string) int64 {
			switch {
			case code == abi.CodeUnknownTool:
				return -32602
			case code == abi.CodeConfirmation && era == singleEra:
				return -32021
			}
			return 0
		}
	}
	var cases []failure
	for _, code := range append(everyCode(t), "UNKNOWN_SERVICE", "OPENAI_ERROR") {
		details := json.RawMessage(`{"field":"x"}`)
		told := abi.Error{Code: code, Message: "what went wrong", Retryable: code.Retryable(), Hint: "what to do", Details: details}
		plugins := told
		plugins.Retryable = !told.Retryable // a plugin's own word counts
		hosts := told
		if code == abi.CodeInternal {
			hosts = abi.Error{Code: code, Message: "the host failed; its log has the cause", Hint: told.Hint, Details: details}
		}
		cases = append(cases,
			failure{"plugin_" + string(code), &plugins, plugins, result},
			failure{"host_" + string(code), &host.Error{Op: "fake", Code: code, Message: told.Message, Hint: told.Hint, Details: details,
				Err: fmt.Errorf("a secret of the inside")}, hosts, hostsWord(code)})
	}
	cases = append(cases,
		failure{"stranger", fmt.Errorf("a secret of the inside"), abi.Error{Code: abi.CodeInternal, Message: "the host failed; its log has the cause"}, result},
		failure{"deadline", context.DeadlineExceeded, abi.Error{Code: abi.CodeDeadline, Message: "the call ran into its time limit", Retryable: true}, result},
		failure{"bare", &abi.Error{Code: abi.CodeNotFound, Message: "no such file"}, abi.Error{Code: abi.CodeNotFound, Message: "no such file"}, result})
	for _, c := range cases {
		f.add(abi.Tool{Name: c.tool}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) { return nil, c.err })
	}
	for _, way := range []string{"quickly", "handed over", "by the SDK"} {
		s, url := up(t, f, func(c *Config) { c.NoHotPath = way == "by the SDK" })
		if way == "handed over" {
			s.headStart = 0
		}
		session := openSession(t, url, "acme:ann")
		for _, era := range []string{sessionEra, singleEra} {
			for _, c := range cases {
				t.Run(way+" "+era+" "+c.tool, func(t *testing.T) {
					checkFailure(t, callRaw(t, url, session, era, c.tool), c.want, c.rpc(era))
				})
			}
		}
	}
}

func checkFailure(t *testing.T, got rpcAnswer, want abi.Error, rpc int64) {
	t.Helper()
	var body string
	switch {
	case rpc != 0 && got.Error != nil && got.Error.Code == rpc && got.Error.Message == want.Message:
		body = string(got.Error.Data)
	case rpc == 0 && got.Result != nil && got.Result.IsError && len(got.Result.Content) == 1 && got.Result.Content[0].Type == "text":
		body = got.Result.Content[0].Text
	default:
		t.Fatalf("got %+v, want %+v", got, want)
	}
	var have abi.Error
	if err := json.Unmarshal([]byte(body), &have); err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("got %s, want %s (%v)", body, marshal(&want), err)
	}
	if strings.Contains(body, "secret") {
		t.Errorf("%s tells what is the host's own", body)
	}
}
