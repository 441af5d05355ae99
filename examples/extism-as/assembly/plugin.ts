// Copyright 2026 The Gantry Authors.

// A plugin built with Extism's kit for AssemblyScript. It describes its tools itself, by describe and
// call; shout and fail are plain functions of a text, tools only where the settings file says so.

import { Config, Host, LogLevel, Memory, Var } from "@extism/as-pdk";
import { error_set, http_request, length } from "@extism/as-pdk/lib/env";
// The kit reads and writes no JSON. These functions do not touch the host.
import { member, quote, text } from "../../assemblyscript/assembly/gantry";

// The kit's version 1.0.0 has no function for it.
@external("extism:host/env", "http_status_code")
declare function http_status_code(): i32;

const tools = `{"tools": [
  {
    "name": "extism_as_greet",
    "description": "Greet somebody, in the words of the configuration, and say how often this instance has.",
    "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": false}
  },
  {
    "name": "extism_as_fetch",
    "description": "Fetch a page and answer its status and its text.",
    "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"], "additionalProperties": false},
    "annotations": {"readOnlyHint": true, "openWorldHint": true}
  }
]}`;

export function describe(): i32 {
  return answer(tools);
}

export function call(): i32 {
  const params = member(Host.inputString(), "params");
  const args = member(params, "arguments"), name = text(member(params, "name"));
  if (name == "extism_as_greet") return content(greet(text(member(args, "name"))));
  if (name == "extism_as_fetch") return content(fetch(text(member(args, "url"))));
  return broken("there is no such tool");
}

function greet(name: string): string {
  let greeting = Config.get("greeting");
  if (greeting === null) greeting = "Hello";
  const before = Var.getString("times");
  const times = (before === null ? 0 : I32.parseInt(before)) + 1;
  Var.set("times", Uint8Array.wrap(String.UTF8.encode(times.toString())));
  Host.log(LogLevel.Info, "greeted " + name);
  return greeting + ", " + name + "! (" + times.toString() + ")";
}

function fetch(url: string): string {
  const request = Memory.allocateString('{"method":"GET","url":' + quote(url) + ',"headers":{"Accept":"text/plain"}}');
  const body = http_request(request.offset, 0);
  return http_status_code().toString() + " " + new Memory(body, length(body)).toString();
}

export function shout(): i32 {
  return answer(Host.inputString().toUpperCase());
}

// The ways to go wrong.
export function fail(): i32 {
  const how = Host.inputString();
  if (how == "panic") throw new Error("as it was told");
  if (how == "loop") {
    for (let i: u64 = 1; i != 0; i += 2);
  }
  if (how == "memory") {
    const hoard: Uint8Array[] = [];
    while (true) hoard.push(new Uint8Array(1 << 20));
  }
  return broken("it was told: " + how);
}

function content(said: string): i32 {
  return answer('{"content":[{"type":"text","text":' + quote(said) + "}]}");
}

// Host.outputString of the kit's version 1.0.0 takes a text's characters for its bytes.
function answer(said: string): i32 {
  Host.output(Uint8Array.wrap(String.UTF8.encode(said)));
  return 0;
}

function broken(why: string): i32 {
  error_set(Memory.allocateString(why).offset);
  return 1;
}

// Takes the place of AssemblyScript's abort, which the host does not offer.
export function crash(message: string | null, file: string | null, line: u32, column: u32): void {
  broken(message === null ? "abort" : message);
  unreachable();
}
