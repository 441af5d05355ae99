// Copyright 2026 The Gantry Authors.

//! A plugin built with Extism's kit for Rust. It describes its tools itself, by `describe` and `call`;
//! `shout` and `fail` are plain functions of a text, tools only where the settings file says so.

use extism_pdk::*;
use serde_json::{json, Value};

#[plugin_fn]
pub fn describe() -> FnResult<Json<Value>> {
    Ok(Json(json!({"tools": [
        {
            "name": "extism_rust_greet",
            "description": "Greet somebody, in the words of the configuration, and say how often this instance has.",
            "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": false}
        },
        {
            "name": "extism_rust_fetch",
            "description": "Fetch a page and answer its status and its text.",
            "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"], "additionalProperties": false},
            "annotations": {"readOnlyHint": true, "openWorldHint": true}
        }
    ]})))
}

#[plugin_fn]
pub fn call(Json(request): Json<Value>) -> FnResult<Json<Value>> {
    let params = &request["params"];
    let text = |name| params["arguments"][name].as_str().unwrap_or_default();
    let answer = match params["name"].as_str() {
        Some("extism_rust_greet") => greet(text("name")),
        Some("extism_rust_fetch") => fetch(text("url")),
        _ => Err(Error::msg("there is no such tool")),
    };
    let (text, is_error) = match answer {
        Ok(text) => (text, false),
        Err(e) => (e.to_string(), true),
    };
    Ok(Json(json!({"content": [{"type": "text", "text": text}], "isError": is_error})))
}

fn greet(name: &str) -> Result<String, Error> {
    let greeting = config::get("greeting")?.unwrap_or("Hello".into());
    let times: u64 = var::get::<String>("times")?.unwrap_or_default().parse().unwrap_or(0) + 1;
    var::set("times", times.to_string())?;
    info!("greeted {name}");
    Ok(format!("{greeting}, {name}! ({times})"))
}

fn fetch(url: &str) -> Result<String, Error> {
    let response = http::request::<()>(&HttpRequest::new(url).with_header("Accept", "text/plain"), None)?;
    Ok(format!("{} {}", response.status_code(), String::from_utf8(response.body())?))
}

#[plugin_fn]
pub fn shout(text: String) -> FnResult<String> {
    Ok(text.to_uppercase())
}

/// The ways to go wrong.
#[plugin_fn]
pub fn fail(how: String) -> FnResult<String> {
    match how.as_str() {
        "panic" => panic!("as it was told"),
        "loop" => loop {
            std::hint::black_box(());
        },
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1u8; 1 << 20]);
            }
        }
        _ => Err(Error::msg(format!("it was told: {how}")).into()),
    }
}
