// Copyright 2026 The Gantry Authors.

//! Gantry's native contract, version 1, for Rust: what a plugin may ask of its host, and as much JSON
//! as a small tool needs. A larger one takes serde_json instead of the functions below `json`.
//!
//! The names, the numbers and their meaning are those of package abi. An instance may serve another
//! call afterwards, or not: keep nothing in statics that the next call should see, or should not.

#![allow(dead_code)] // a plugin uses of this file what it needs

mod host {
    #[link(wasm_import_module = "gantry")]
    extern "C" {
        pub fn input(ptr: *mut u8, cap: usize) -> usize;
        pub fn output(ptr: *const u8, len: usize);
        pub fn emit(kind: i32, ptr: *const u8, len: usize);
        pub fn log(level: i32, ptr: *const u8, len: usize);
        pub fn op(name: *const u8, name_len: usize, req: *const u8, req_len: usize) -> u64;
        pub fn op_read(ptr: *mut u8, cap: usize) -> usize;
    }
}

/// What a tool answers: `Ok` with one of these, or `Err` with an Error in JSON, see `fail`.
pub enum Answer {
    /// One JSON value, the structured result.
    Json(String),
    /// Plain text.
    Text(String),
}

/// Calls a tool and hands its answer to the host: the body of `gantry_call` and `gantry_describe`.
pub fn answer(result: Result<Answer, String>) -> i32 {
    let (kind, text) = match result {
        Ok(Answer::Json(text)) => (0, text),
        Err(text) => (1, text),
        Ok(Answer::Text(text)) => (2, text),
    };
    // SAFETY: the host copies the bytes of a live string before it returns.
    unsafe { host::output(text.as_ptr(), text.len()) };
    kind
}

/// An Error in JSON. The code is of package abi, or one's own in capital letters, digits and _.
pub fn fail(code: &str, message: &str) -> String {
    format!("{{\"code\":{},\"message\":{}}}", json::quote(code), json::quote(message))
}

/// The call's whole input: the arguments in JSON, already checked against the tool's schema.
pub fn input() -> String {
    // SAFETY: the host writes at most the capacity that it is told.
    text_of(unsafe { host::input(std::ptr::null_mut(), 0) }, |ptr, cap| unsafe { host::input(ptr, cap) })
}

/// Does one operation of package abi; request and response are JSON, `Err` an Error in JSON.
pub fn op(name: &str, request: &str) -> Result<String, String> {
    // SAFETY: both strings live until the host has returned.
    let word = unsafe { host::op(name.as_ptr(), name.len(), request.as_ptr(), request.len()) };
    // SAFETY: the host writes at most the capacity that it is told.
    let text = text_of(word as u32 as usize, |ptr, cap| unsafe { host::op_read(ptr, cap) });
    if word >> 32 == 0 { Ok(text) } else { Err(text) }
}

fn text_of(size: usize, read: impl Fn(*mut u8, usize) -> usize) -> String {
    let mut bytes = vec![0; size];
    read(bytes.as_mut_ptr(), size);
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Sends a piece of the answer's text while the call runs.
pub fn partial(text: &str) {
    // SAFETY: the host copies the bytes of a live string before it returns.
    unsafe { host::emit(0, text.as_ptr(), text.len()) }
}

/// Writes a line to the plugin's log: -4 debug, 0 info, 4 warn, 8 error.
pub fn log(level: i32, line: &str) {
    // SAFETY: as in partial.
    unsafe { host::log(level, line.as_ptr(), line.len()) }
}

/// Reads and writes JSON that the host has checked. Values are pieces of the text, decoded when they
/// are asked for; of what is not JSON the functions return something, and never panic.
pub mod json {
    /// The values of an array, or the names and values of an object in turn.
    pub struct Values<'a>(&'a str);

    pub fn values(value: &str) -> Values<'_> {
        Values(value.get(1..value.len().max(2) - 1).unwrap_or(""))
    }

    impl<'a> Iterator for Values<'a> {
        type Item = &'a str;

        fn next(&mut self) -> Option<&'a str> {
            let between = |c: char| matches!(c, ' ' | '\n' | '\r' | '\t' | ',' | ':');
            let text = self.0.trim_start_matches(between);
            let (mut depth, mut quoted, mut escaped) = (0, false, false);
            let mut end = text.len();
            for (i, c) in text.char_indices() {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = quoted,
                    '"' => quoted = !quoted,
                    _ if quoted => continue,
                    '{' | '[' => depth += 1,
                    '}' | ']' => depth -= 1,
                    _ if depth == 0 && between(c) => {
                        end = i;
                        break;
                    }
                    _ => continue,
                }
                if depth == 0 && !quoted {
                    end = i + c.len_utf8();
                    break;
                }
            }
            let (value, rest) = text.split_at(end);
            self.0 = rest;
            (!value.is_empty()).then_some(value)
        }
    }

    /// The value of an object's member. No name is there twice: the host refuses such arguments.
    pub fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
        let mut all = values(object);
        while let (Some(key), Some(value)) = (all.next(), all.next()) {
            if string(key) == name {
                return Some(value);
            }
        }
        None
    }

    /// Decodes a JSON string. Half a surrogate pair becomes U+FFFD.
    pub fn string(value: &str) -> String {
        let inside = value.get(1..value.len().max(2) - 1).unwrap_or("");
        let mut out = String::with_capacity(inside.len());
        let mut rest = inside.chars();
        while let Some(c) = rest.next() {
            match c {
                '\\' => match rest.next() {
                    Some('b') => out.push('\u{8}'),
                    Some('f') => out.push('\u{c}'),
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some('u') => out.push(escape(&mut rest)),
                    other => out.extend(other),
                },
                _ => out.push(c),
            }
        }
        out
    }

    fn escape(rest: &mut std::str::Chars) -> char {
        let unit = |text: &str| u32::from_str_radix(text.get(..4)?, 16).ok();
        let high = unit(rest.as_str()).unwrap_or(0xfffd);
        *rest = rest.as_str().get(4..).unwrap_or("").chars();
        let low = rest.as_str().strip_prefix("\\u").and_then(unit);
        match (high, low) {
            (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                *rest = rest.as_str()[6..].chars();
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
            }
            _ => char::from_u32(high),
        }
        .unwrap_or('\u{fffd}')
    }

    /// Writes a text as a JSON string with its quotes.
    pub fn quote(text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", c as u32)),
                _ => out.push(c),
            }
        }
        out.push('"');
        out
    }
}
