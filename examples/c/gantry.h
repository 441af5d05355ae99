/* Copyright 2026 The Gantry Authors.
 *
 * Gantry's native contract, version 1, for C: one header, no library, no libc. The names, the
 * numbers and their meaning are those of package abi; docs/plugins-in-other-languages.md shows how
 * to build.
 *
 * Three rules. A pointer and a length always name bytes of the plugin's own memory; one that reaches
 * outside ends the call with PLUGIN_CRASHED. The host copies, in both directions, before a function
 * returns: a buffer may be used again at once. An instance may serve another call afterwards, so what
 * a call allocates is given back by gantry_begin at the start of the next one.
 */
#ifndef GANTRY_H
#define GANTRY_H

#define GANTRY_EXPORT(name) __attribute__((export_name(name), used))
#define GANTRY_IMPORT(name) __attribute__((import_module("gantry"), import_name(name)))

/* GANTRY_JSON turns JSON that is written as it is into a string. */
#define GANTRY_JSON(...) #__VA_ARGS__

/* What an export returns: how the host reads the output. */
enum { GANTRY_STRUCTURED = 0, GANTRY_ERROR = 1, GANTRY_TEXT = 2, GANTRY_RESULT = 3, GANTRY_INPUT_REQUIRED = 4 };
/* The kinds of gantry_emit: a piece of the answer's text, or a Progress in JSON. */
enum { GANTRY_PARTIAL = 0, GANTRY_PROGRESS = 1 };
/* The levels of gantry_log. */
enum { GANTRY_DEBUG = -4, GANTRY_INFO = 0, GANTRY_WARN = 4, GANTRY_FAULT = 8 };

/* The host's six functions. */

/* Copies at most cap bytes of the call's input to ptr; returns the size of the whole input. */
GANTRY_IMPORT("input") unsigned gantry_input_copy(void *ptr, unsigned cap);
/* Sets what the call answers. The last one counts. */
GANTRY_IMPORT("output") void gantry_output(const void *ptr, unsigned len);
/* Sends an event while the call runs. */
GANTRY_IMPORT("emit") void gantry_emit(int kind, const void *ptr, unsigned len);
/* Writes one line of UTF-8 to the plugin's log. */
GANTRY_IMPORT("log") void gantry_log(int level, const void *ptr, unsigned len);
/* Asks for an operation. The low 32 bits are the response's size, bit 32 says that it is an error. */
GANTRY_IMPORT("op") unsigned long long gantry_op_start(const void *name, unsigned name_len, const void *req, unsigned req_len);
/* Copies at most cap bytes of the last operation's response to ptr; returns its whole size. */
GANTRY_IMPORT("op_read") unsigned gantry_op_copy(void *ptr, unsigned cap);

/* Memory: everything above the linker's __heap_base, handed out upwards and given back as a whole.
 * It does not go together with a libc's malloc, which takes the same bytes. */

extern unsigned char __heap_base;
static unsigned gantry_top;

/* Gives back what the call before has allocated. Call it first in every export. */
static inline void gantry_begin(void) { gantry_top = ((unsigned)&__heap_base + 15) & ~15u; }

/* Returns n bytes, aligned to 16, not cleared. Never NULL: with no memory left the call ends, and the
 * host says that the plugin ran out of memory. */
static inline void *gantry_alloc(unsigned n) {
    unsigned at = gantry_top;
    unsigned long long end = ((unsigned long long)at + n + 15) & ~15ull;
    unsigned long long have = (unsigned long long)__builtin_wasm_memory_size(0) << 16;
    if (end > 0xffffffff) __builtin_trap();
    if (end > have && __builtin_wasm_memory_grow(0, (unsigned long)((end - have + 0xffff) >> 16)) == (unsigned long)-1) __builtin_trap();
    gantry_top = (unsigned)end;
    return (void *)at;
}

/* no_builtin keeps the compiler from turning the loop into a call of a memcpy that nobody brings. */
__attribute__((no_builtin, noinline)) static void gantry_copy(char *to, const char *from, unsigned n) {
#ifdef __wasm_bulk_memory__
    __builtin_memcpy(to, from, n);
#else
    while (n--) *to++ = *from++;
#endif
}

/* Bytes and how many; not ended by a zero. at is NULL where there is nothing. */
typedef struct { const char *at; unsigned len; } gantry_str;

#define GANTRY_STR(literal) ((gantry_str){(literal), sizeof(literal) - 1})

/* Returns the call's whole input, the arguments in JSON, already checked against the tool's schema. */
static inline gantry_str gantry_input(void) {
    unsigned n = gantry_input_copy((void *)0, 0);
    char *at = gantry_alloc(n);
    gantry_input_copy(at, n);
    return (gantry_str){at, n};
}

/* Does one operation of package abi. *failed is set to 0 for a response and to 1 for an Error in JSON,
 * which may be returned to the caller as it is: gantry_answer(GANTRY_ERROR, response). */
static inline gantry_str gantry_op(gantry_str name, gantry_str request, int *failed) {
    unsigned long long r = gantry_op_start(name.at, name.len, request.at, request.len);
    char *at = gantry_alloc((unsigned)r);
    gantry_op_copy(at, (unsigned)r);
    *failed = (int)(r >> 32);
    return (gantry_str){at, (unsigned)r};
}

/* Sets the answer and returns its kind: end an export with return gantry_answer(...). */
static inline int gantry_answer(int kind, gantry_str s) { gantry_output(s.at, s.len); return kind; }

/* Writing JSON. A buffer that is all zero is empty and ready. */

typedef struct { char *at; unsigned len, cap; } gantry_buf;

static inline void gantry_put(gantry_buf *b, gantry_str s) {
    if (s.len > b->cap - b->len) {
        unsigned cap = (b->len + s.len) * 2 + 64;
        if (cap < s.len) __builtin_trap();
        char *at = gantry_alloc(cap);
        gantry_copy(at, b->at, b->len);
        b->at = at;
        b->cap = cap;
    }
    gantry_copy(b->at + b->len, s.at, s.len);
    b->len += s.len;
}

/* Appends s as a JSON string with its quotes. */
static inline void gantry_put_string(gantry_buf *b, gantry_str s) {
    unsigned from = 0;
    gantry_put(b, GANTRY_STR("\""));
    for (unsigned i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c >= ' ' && c != '"' && c != '\\') continue;
        char escape[6] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
        gantry_put(b, (gantry_str){s.at + from, i - from});
        gantry_put(b, (gantry_str){escape, 6});
        from = i + 1;
    }
    gantry_put(b, (gantry_str){s.at + from, s.len - from});
    gantry_put(b, GANTRY_STR("\""));
}

static inline void gantry_put_int(gantry_buf *b, long long n) {
    char digits[20];
    unsigned at = sizeof digits;
    unsigned long long left = n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n;
    do digits[--at] = (char)('0' + left % 10); while (left /= 10);
    if (n < 0) digits[--at] = '-';
    gantry_put(b, (gantry_str){digits + at, (unsigned)sizeof digits - at});
}

static inline gantry_str gantry_text(const gantry_buf *b) { return (gantry_str){b->at, b->len}; }

/* Answers an Error. The code is of package abi, or one's own in capital letters, digits and _. */
static inline int gantry_fail(gantry_str code, gantry_str message) {
    gantry_buf b = {0};
    gantry_put(&b, GANTRY_STR("{\"code\":"));
    gantry_put_string(&b, code);
    gantry_put(&b, GANTRY_STR(",\"message\":"));
    gantry_put_string(&b, message);
    gantry_put(&b, GANTRY_STR("}"));
    return gantry_answer(GANTRY_ERROR, gantry_text(&b));
}

/* Reading JSON that the host has checked: of what is not JSON they return something, and never read
 * outside of it. Values are pieces of the text, decoded when they are asked for. */

static inline int gantry_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',' || c == ':'; }

/* Takes the next value off the front of *rest; {0} where there is none. A string keeps its quotes. */
static inline gantry_str gantry_next(gantry_str *rest) {
    const char *p = rest->at, *end = p + rest->len;
    while (p < end && gantry_space(*p)) p++;
    const char *from = p;
    int depth = 0;
    for (; p < end; p++) {
        char c = *p;
        if (c == '"') for (p++; p < end && *p != '"'; p++) p += *p == '\\';
        else if (c == '{' || c == '[') depth++;
        else if (c == '}' || c == ']') depth--;
        else if (depth == 0 && gantry_space(c)) break;
        else continue;
        if (depth < 0) break;
        if (depth == 0) { p++; break; }
    }
    if (p > end) p = end;
    *rest = (gantry_str){p, (unsigned)(end - p)};
    return p == from ? (gantry_str){0} : (gantry_str){from, (unsigned)(p - from)};
}

/* Returns what is between the brackets of an object or array, for gantry_next. */
static inline gantry_str gantry_inside(gantry_str value) {
    return value.len < 2 ? (gantry_str){0} : (gantry_str){value.at + 1, value.len - 2};
}

static inline unsigned gantry_hex(const char *p, const char *end) {
    unsigned n = 0;
    for (int i = 0; i < 4; i++, p++) {
        char c = p < end ? (char)(*p | 32) : 0;
        n = n << 4 | (unsigned)(c >= 'a' && c <= 'f' ? c - 'a' + 10 : c & 15);
    }
    return n;
}

static inline char *gantry_utf8(char *to, unsigned c) {
    if (c < 0x80) { *to++ = (char)c; return to; }
    if (c < 0x800) *to++ = (char)(0xc0 | c >> 6);
    else {
        if (c < 0x10000) *to++ = (char)(0xe0 | c >> 12);
        else { *to++ = (char)(0xf0 | c >> 18); *to++ = (char)(0x80 | (c >> 12 & 63)); }
        *to++ = (char)(0x80 | (c >> 6 & 63));
    }
    *to++ = (char)(0x80 | (c & 63));
    return to;
}

/* Decodes a \u escape whose digits begin at *p, or a pair of them; half a pair becomes U+FFFD. */
static inline unsigned gantry_escape(const char **p, const char *end) {
    unsigned c = gantry_hex(*p, end);
    *p += 4;
    if (c < 0xd800 || c > 0xdfff) return c;
    if (c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        unsigned low = gantry_hex(*p + 2, end);
        if (low >= 0xdc00 && low <= 0xdfff) { *p += 6; return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00); }
    }
    return 0xfffd;
}

/* Decodes a JSON string to UTF-8. It may hold zero bytes. */
static inline gantry_str gantry_string(gantry_str value) {
    gantry_str in = gantry_inside(value);
    char *out = gantry_alloc(in.len + 3), *to = out; /* only a broken escape is shorter than what it stands for */
    for (const char *p = in.at, *end = p + in.len; p < end;) {
        const char *from = p;
        while (p < end && *p != '\\') p++;
        gantry_copy(to, from, (unsigned)(p - from));
        to += p - from;
        if (end - p < 2) break;
        char c = p[1];
        p += 2;
        switch (c) {
        case 'b': *to++ = '\b'; break;
        case 'f': *to++ = '\f'; break;
        case 'n': *to++ = '\n'; break;
        case 'r': *to++ = '\r'; break;
        case 't': *to++ = '\t'; break;
        case 'u': to = gantry_utf8(to, gantry_escape(&p, end)); break;
        default: *to++ = c;
        }
    }
    return (gantry_str){out, (unsigned)(to - out)};
}

static inline int gantry_equal(gantry_str a, gantry_str b) {
    if (a.len != b.len) return 0;
    for (unsigned i = 0; i < a.len; i++) if (a.at[i] != b.at[i]) return 0;
    return 1;
}

/* Returns the value of an object's member, {0} where there is none. No name is there twice: the host
 * refuses such arguments. */
static inline gantry_str gantry_member(gantry_str object, gantry_str name) {
    gantry_str rest = gantry_inside(object), key;
    while ((key = gantry_next(&rest)).at) {
        gantry_str value = gantry_next(&rest);
        if (gantry_equal(gantry_string(key), name)) return value;
    }
    return (gantry_str){0};
}

/* Reads a whole number; 0 where the text is none, or writes one with a fraction or an exponent, or
 * it does not fit. */
static inline int gantry_int(gantry_str value, long long *out) {
    unsigned i = value.len > 0 && value.at[0] == '-', sign = i;
    long long n = 0;
    if (i == value.len) return 0;
    for (; i < value.len; i++) {
        int digit = value.at[i] - '0';
        if (digit < 0 || digit > 9 || n < -0x7fffffffffffffff / 10) return 0;
        /* Downwards, because the least number has no positive twin. */
        if (__builtin_sub_overflow(n * 10, digit, &n)) return 0;
    }
    if (!sign && __builtin_sub_overflow(0, n, &n)) return 0;
    *out = n;
    return 1;
}

#endif
