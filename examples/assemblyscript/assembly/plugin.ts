// Copyright 2026 The Gantry Authors.

// Three tools in AssemblyScript: they read the arguments and write the answer's JSON by hand.

import { answer, fail, input, int, isInt, member, op, quote, text, values, ERROR, STRUCTURED, TEXT } from "./gantry";

const manifest = `{
  "abi": 1, "name": "assemblyscript", "version": "1.0.0", "summary": "Three tools in AssemblyScript",
  "tools": [
    {
      "name": "assemblyscript_echo", "description": "Say a text back.",
      "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": false},
      "output_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
      "annotations": {"read_only": true}
    },
    {
      "name": "assemblyscript_sum", "description": "Add whole numbers.",
      "input_schema": {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}, "required": ["numbers"], "additionalProperties": false},
      "annotations": {"read_only": true}
    },
    {
      "name": "assemblyscript_ask", "description": "Ask the host for one of its operations, such as context, and answer what it says.",
      "input_schema": {"type": "object", "properties": {"operation": {"type": "string"}}, "required": ["operation"], "additionalProperties": false},
      "annotations": {"read_only": true}
    }
  ]
}`;

function echo(args: string): i32 {
  return answer(STRUCTURED, '{"text":' + quote(text(member(args, "text"))) + "}");
}

function sum(args: string): i32 {
  const numbers = values(member(args, "numbers"));
  let total: i64 = 0;
  for (let i = 0; i < numbers.length; i++) {
    const n = int(numbers[i]), next = total + n;
    if (!isInt(numbers[i]) || ((total ^ next) & (n ^ next)) < 0) {
      return fail("INVALID_ARG", "numbers: write them, and let their sum be, in 64 bits without fraction or exponent");
    }
    total = next;
  }
  return answer(TEXT, total.toString());
}

function ask(args: string): i32 {
  const response = op(text(member(args, "operation")), "{}");
  return answer(response.failed ? ERROR : STRUCTURED, response.text);
}

export function gantry_describe(): i32 {
  return answer(STRUCTURED, manifest);
}

export function gantry_call(tool: i32): i32 {
  const args = input();
  switch (tool) { // the place in the manifest's tools
    case 0: return echo(args);
    case 1: return sum(args);
    default: return ask(args);
  }
}
