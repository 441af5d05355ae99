// Copyright 2026 The Gantry Authors.

// Gantry's native contract, version 1, for AssemblyScript: what a plugin may ask of its host, and as
// much JSON as a small tool needs. The names, the numbers and their meaning are those of package abi.
//
// Build with --use abort=assembly/gantry/crash: the compiler's own way to end imports a function
// that this host does not offer. An instance may serve another call afterwards, or not: keep nothing
// in globals that the next call should see, or should not.

@external("gantry", "input") declare function hostInput(ptr: usize, cap: u32): u32;
@external("gantry", "output") declare function hostOutput(ptr: usize, len: u32): void;
@external("gantry", "emit") declare function hostEmit(kind: i32, ptr: usize, len: u32): void;
@external("gantry", "log") declare function hostLog(level: i32, ptr: usize, len: u32): void;
@external("gantry", "op") declare function hostOp(name: usize, nameLen: u32, req: usize, reqLen: u32): u64;
@external("gantry", "op_read") declare function hostOpRead(ptr: usize, cap: u32): u32;

// What an export returns: how the host reads the output.
export const STRUCTURED: i32 = 0;
export const ERROR: i32 = 1;
export const TEXT: i32 = 2;

function encode(s: string): ArrayBuffer {
  return String.UTF8.encode(s, false, String.UTF8.ErrorMode.REPLACE);
}

// Sets the answer and returns its kind: end an export with return answer(...).
export function answer(kind: i32, s: string): i32 {
  const bytes = encode(s);
  hostOutput(changetype<usize>(bytes), bytes.byteLength);
  return kind;
}

// Answers an Error. The code is of package abi, or one's own in capital letters, digits and _.
export function fail(code: string, message: string): i32 {
  return answer(ERROR, '{"code":' + quote(code) + ',"message":' + quote(message) + "}");
}

// The call's whole input: the arguments in JSON, already checked against the tool's schema.
export function input(): string {
  const bytes = new ArrayBuffer(hostInput(0, 0));
  hostInput(changetype<usize>(bytes), bytes.byteLength);
  return String.UTF8.decode(bytes);
}

export class Response {
  constructor(public failed: bool, public text: string) {}
}

// Does one operation of package abi. The text is its response in JSON or, where it failed, an Error
// in JSON, which may be returned to the caller as it is: answer(ERROR, response.text).
export function op(name: string, request: string): Response {
  const n = encode(name), r = encode(request);
  const word = hostOp(changetype<usize>(n), n.byteLength, changetype<usize>(r), r.byteLength);
  const bytes = new ArrayBuffer(<i32>word);
  hostOpRead(changetype<usize>(bytes), bytes.byteLength);
  return new Response(word >> 32 != 0, String.UTF8.decode(bytes));
}

// Sends a piece of the answer's text while the call runs.
export function partial(text: string): void {
  const bytes = encode(text);
  hostEmit(0, changetype<usize>(bytes), bytes.byteLength);
}

// Writes a line to the plugin's log: -4 debug, 0 info, 4 warn, 8 error.
export function log(level: i32, line: string): void {
  const bytes = encode(line);
  hostLog(level, changetype<usize>(bytes), bytes.byteLength);
}

// What AssemblyScript calls when it gives up: the reason goes to the log, and the call ends.
export function crash(message: string | null, file: string | null, line: u32, column: u32): void {
  log(8, (message || "abort") + " at " + (file || "?") + ":" + line.toString() + ":" + column.toString());
  unreachable();
}

// JSON that the host has checked. Values are pieces of the text, decoded when they are asked for; of
// what is not JSON the functions return something, and never read outside of it.

function between(c: i32): bool {
  return c == 0x20 || c == 0x0a || c == 0x0d || c == 0x09 || c == 0x2c || c == 0x3a;
}

// The end of the value that begins at from.
function endOf(s: string, from: i32): i32 {
  let depth = 0, quoted = false;
  for (let i = from; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (quoted) {
      if (c == 0x5c) { i++; continue; }
      if (c != 0x22) continue;
      quoted = false;
    } else if (c == 0x22) {
      quoted = true;
    } else if (c == 0x7b || c == 0x5b) {
      depth++;
    } else if (c == 0x7d || c == 0x5d) {
      depth--;
    } else if (depth == 0 && between(c)) {
      return i;
    } else {
      continue;
    }
    if (depth <= 0 && !quoted) return i + 1;
  }
  return s.length;
}

// The values of an array, or the names and values of an object in turn.
export function values(value: string): string[] {
  const out: string[] = [], end = value.length - 1;
  for (let i = 1; i < end;) {
    if (between(value.charCodeAt(i))) { i++; continue; }
    const next = min(endOf(value, i), end);
    out.push(value.substring(i, next));
    i = next;
  }
  return out;
}

// The value of an object's member, "" where there is none. No name is there twice: the host refuses
// such arguments.
export function member(object: string, name: string): string {
  const all = values(object);
  for (let i = 0; i + 1 < all.length; i += 2) {
    if (text(all[i]) == name) return all[i + 1];
  }
  return "";
}

// Decodes a JSON string. What is written as a pair of \u escapes becomes one character by itself,
// because strings are UTF-16; half a pair becomes U+FFFD when it is answered.
export function text(value: string): string {
  const end = value.length - 1, parts: string[] = [];
  let from = 1;
  for (let i = 1; i < end; i++) {
    if (value.charCodeAt(i) != 0x5c) continue;
    parts.push(value.substring(from, i));
    const c = value.charAt(++i);
    if (c == "u") {
      parts.push(String.fromCharCode(<i32>parseInt(value.substring(i + 1, i + 5), 16)));
      i += 4;
    } else {
      const known = "bfnrt".indexOf(c);
      parts.push(known < 0 ? c : "\b\f\n\r\t".charAt(known));
    }
    from = i + 1;
  }
  if (from < end) parts.push(value.substring(from, end));
  return parts.join("");
}

// Writes a text as a JSON string with its quotes.
export function quote(s: string): string {
  const parts: string[] = ['"'];
  let from = 0;
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    parts.push(s.substring(from, i));
    parts.push("\\u00" + (c < 0x10 ? "0" : "") + c.toString(16));
    from = i + 1;
  }
  parts.push(s.substring(from));
  parts.push('"');
  return parts.join("");
}

// Reads a whole number. Ask isInt first whether it is one that fits.
export function int(value: string): i64 {
  return I64.parseInt(value);
}

// Tells whether a value is a whole number in 64 bits, without fraction or exponent.
export function isInt(value: string): bool {
  return value == "-0" || (value.length > 0 && I64.parseInt(value).toString() == value);
}
