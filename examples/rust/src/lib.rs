// Copyright 2026 The Gantry Authors.

//! Three tools in Rust: they read the arguments and write the answer's JSON by hand.

mod gantry;

use gantry::{fail, json, Answer};

const MANIFEST: &str = r#"{
  "abi": 1, "name": "rust", "version": "1.0.0", "summary": "Three tools in Rust",
  "tools": [
    {
      "name": "rust_echo", "description": "Say a text back.",
      "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": false},
      "output_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
      "annotations": {"read_only": true}
    },
    {
      "name": "rust_sum", "description": "Add whole numbers.",
      "input_schema": {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}, "required": ["numbers"], "additionalProperties": false},
      "annotations": {"read_only": true}
    },
    {
      "name": "rust_ask", "description": "Ask the host for one of its operations, such as context, and answer what it says.",
      "input_schema": {"type": "object", "properties": {"operation": {"type": "string"}}, "required": ["operation"], "additionalProperties": false},
      "annotations": {"read_only": true}
    }
  ]
}"#;

fn echo(input: &str) -> Result<Answer, String> {
    let text = json::string(json::member(input, "text").unwrap_or_default());
    Ok(Answer::Json(format!("{{\"text\":{}}}", json::quote(&text))))
}

fn sum(input: &str) -> Result<Answer, String> {
    json::values(json::member(input, "numbers").unwrap_or_default())
        .try_fold(0i64, |total, n| total.checked_add(n.parse().ok()?))
        .map(|total| Answer::Text(total.to_string()))
        .ok_or_else(|| fail("INVALID_ARG", "numbers: write them, and let their sum be, in 64 bits without fraction or exponent"))
}

fn ask(input: &str) -> Result<Answer, String> {
    let operation = json::string(json::member(input, "operation").unwrap_or_default());
    gantry::op(&operation, "{}").map(Answer::Json)
}

#[no_mangle]
pub extern "C" fn gantry_describe() -> i32 {
    gantry::answer(Ok(Answer::Json(MANIFEST.to_string())))
}

#[no_mangle]
pub extern "C" fn gantry_call(tool: i32) -> i32 {
    let input = gantry::input();
    gantry::answer(match tool {
        // the place in the manifest's tools
        0 => echo(&input),
        1 => sum(&input),
        _ => ask(&input),
    })
}
