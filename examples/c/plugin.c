/* Copyright 2026 The Gantry Authors.
 *
 * Three tools in C: they read the arguments and write the answer's JSON by hand.
 */
#include "gantry.h"

static const char manifest[] = GANTRY_JSON({
  "abi": 1, "name": "c", "version": "1.0.0", "summary": "Three tools in C",
  "tools": [
    {
      "name": "c_echo", "description": "Say a text back.",
      "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": false},
      "output_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
      "annotations": {"read_only": true}
    },
    {
      "name": "c_sum", "description": "Add whole numbers.",
      "input_schema": {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}, "required": ["numbers"], "additionalProperties": false},
      "annotations": {"read_only": true}
    },
    {
      "name": "c_ask", "description": "Ask the host for one of its operations, such as context, and answer what it says.",
      "input_schema": {"type": "object", "properties": {"operation": {"type": "string"}}, "required": ["operation"], "additionalProperties": false},
      "annotations": {"read_only": true}
    }
  ]
});

static int echo(gantry_str in) {
    gantry_buf out = {0};
    gantry_put(&out, GANTRY_STR("{\"text\":"));
    gantry_put_string(&out, gantry_string(gantry_member(in, GANTRY_STR("text"))));
    gantry_put(&out, GANTRY_STR("}"));
    return gantry_answer(GANTRY_STRUCTURED, gantry_text(&out));
}

static int sum(gantry_str in) {
    gantry_str rest = gantry_inside(gantry_member(in, GANTRY_STR("numbers"))), value;
    long long total = 0, n;
    while ((value = gantry_next(&rest)).at) {
        if (!gantry_int(value, &n) || __builtin_add_overflow(total, n, &total))
            return gantry_fail(GANTRY_STR("INVALID_ARG"), GANTRY_STR("numbers: write them, and let their sum be, in 64 bits without fraction or exponent"));
    }
    gantry_buf out = {0};
    gantry_put_int(&out, total);
    return gantry_answer(GANTRY_TEXT, gantry_text(&out));
}

static int ask(gantry_str in) {
    int failed;
    gantry_str answer = gantry_op(gantry_string(gantry_member(in, GANTRY_STR("operation"))), GANTRY_STR("{}"), &failed);
    return gantry_answer(failed ? GANTRY_ERROR : GANTRY_STRUCTURED, answer);
}

GANTRY_EXPORT("gantry_describe") int describe(void) {
    return gantry_answer(GANTRY_STRUCTURED, GANTRY_STR(manifest));
}

GANTRY_EXPORT("gantry_call") int call(int tool) {
    gantry_begin();
    switch (tool) { /* the place in the manifest's tools */
    case 0: return echo(gantry_input());
    case 1: return sum(gantry_input());
    default: return ask(gantry_input());
    }
}
