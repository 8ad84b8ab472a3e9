"""Goldens of structured output: what regular expressions and JSON schemas say of texts.

    python grammar.py OUT_DIR [WRITES]

regex.json: for each pattern texts that match, texts that do not, and beginnings of texts that do and that do not lead to
a match, by the regex package (partial=True), in ASCII, as Python's re has it.
schema.json: for each schema values that are valid and values that are not, by jsonschema with formats.

WRITES is a program that reads a file of JSON lines {"schema"} or {"regex"} and writes {"texts"} or {"error"} for each
(it takes the file and the number of texts); every text must then be valid. It makes no goldens.
"""
import json
import random
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import jsonschema
import regex

PATTERNS = [
    "abc", "a|bc|", "a*b+c?", "(ab|a)*c", "a{2}b{1,3}c{2,}", "[a-c]+[^a-c]", r"\d\D\w\W\s\S", r"[\d_.-]+", r"[-a]+[a-]",
    r"(?:[+-]?\d+)(?:\.\d+)?", r"(?P<year>\d{4})-\d\d", r"\.\*\{\[\\", r"[\]\[^]{2}", "x.y", r"\t\n\x41\u00e9", "é+[à-ü]",
    "a{0}b", "(a?){3}b", "((a{0,2}b){1,2}|c){2}", "{a}", "^ab$", "^a|b$", "(a|b)*?c+?", "[^\\n]{0,3}", "(a{300}|b){2}",
    "(a|ab)(c|bcd)(d*)", "(?:a|b){40,300}c", "a{b}", "[a\\-z]+", "[\\x20-\\x2f]*0",
]


def texts_of(pattern, seed):
    """Texts that are near matches: characters that may follow, and sometimes one that may not."""
    compiled = regex.compile(pattern, regex.ASCII)
    chosen = random.Random(seed)
    letters = sorted(set(c for c in pattern if c.isalnum()) | set("ab0 .-_é\n]") | set(pattern))
    found = {""}
    for _ in range(24):
        text = ""
        for _ in range(chosen.randrange(1, 12) if chosen.random() < 0.8 else 90):
            chosen.shuffle(letters)
            good = [c for c in letters if compiled.fullmatch(text + c, partial=True)]
            if not good and chosen.random() < 0.5:
                break
            text += chosen.choice(good) if good and chosen.random() < 0.9 else letters[0]
        found.add(text)
    whole = [t for t in sorted(found) if compiled.fullmatch(t)]
    begun = [t for t in sorted(found) if compiled.fullmatch(t, partial=True)]
    return {
        "pattern": pattern,
        "accepted": whole[:8],
        "refused": [t for t in sorted(found) if t not in whole][:8],
        "viable": begun[:8],
        "dead": [t for t in sorted(found) if t not in begun][:8],
    }


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
PERSON = {
    "type": "object",
    "properties": {"name": STRING, "age": {"type": "integer", "minimum": 0, "maximum": 150}, "tags": {"type": "array", "items": STRING}},
    "required": ["name"],
}
TREE = {
    "$defs": {"node": {"type": "object", "properties": {"value": INTEGER, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["value"]}},
    "$ref": "#/$defs/node",
}
FORMATS = {
    "date": ["2024-02-28", "2024-12-31", "2024-02-30", "2024-13-01", "24-01-01", "2023-04-31"],
    "time": ["12:00:00Z", "23:59:59.123+01:00", "24:00:00Z", "12:60:00Z", "12:00:00"],
    "date-time": ["2024-02-28T12:00:00Z", "1999-12-31T23:59:59-05:30", "2024-02-28", "2024-02-28T25:00:00Z"],
    "ipv4": ["127.0.0.1", "255.255.255.255", "256.0.0.1", "1.2.3", "01.2.3.4"],
    "ipv6": ["::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1::2::3", "12345::"],
    "email": ["a@b.cd", "first.last@x-y.org", "a", "b.c"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"],
}
SCHEMAS = [
    ({"type": "null"}, [None, 0, ""]),
    ({"type": "boolean"}, [True, False, 0, None]),
    ({"type": ["string", "null"]}, ["", "a\"\\\n\x01é€😀/", None, 1]),
    (INTEGER, [0, -1, 10, 123456789, 1.5, "1"]),
    ({"type": "number"}, [0, -1.5, 1e-7, 2.5e20, "1"]),
    ({"type": "integer", "minimum": -7, "maximum": 123}, [-7, -8, 0, 9, 10, 99, 100, 123, 124, -1, 1000]),
    ({"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 1000}, [9, 10, 99, 500, 999, 1000]),
    ({"type": "integer", "minimum": 2.5}, [2, 3, 19, 20, 12345678, -3]),
    ({"type": "integer", "maximum": -15}, [-15, -14, -16, -99, -100, -20, 0, 15]),
    ({"type": "integer", "minimum": 1980, "maximum": 2035}, [1979, 1980, 1999, 2000, 2035, 2036, 198, 20355]),
    ({"type": "number", "minimum": 0, "maximum": 1}, [0, 1, 0.5, 0.001, 1.5, -0.5, 1.0001, 10]),
    ({"type": "number", "minimum": -1.25, "maximum": 3.75}, [-1.25, -1.26, -1.3, -1.2, -2, -1, 0, 3.75, 3.751, 3.7, 3.8, 2.999, 4, -0.5]),
    ({"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 0.75}, [0.5, 0.51, 0.6, 0.74, 0.75, 0.501, 0.7499, 0.76, 1]),
    ({"type": "number", "exclusiveMinimum": 0}, [0, 0.001, 1, 99.5, -1]),
    ({"type": "number", "exclusiveMaximum": -2.5}, [-2.5, -2.51, -3, -100, -2.4, 0, 3]),
    ({"type": "integer", "multipleOf": 7}, [0, 7, 14, -21, 49, 8, 1, 700, 701]),
    ({"type": "number", "multipleOf": 0.01}, [0, 1, 1.25, 1.5]),
    ({"type": "string", "minLength": 2, "maxLength": 4}, ["", "a", "ab", "é€😀", "abcd", "abcde", "\"\"\"\""]),
    ({"type": "string", "minLength": 3}, ["ab", "abc", "abcdefgh"]),
    ({"type": "string", "pattern": "^[a-z]+\\d*$"}, ["a", "abc12", "12", "A", "a b"]),
    ({"type": "string", "pattern": "b+"}, ["b", "abc", "bb", "ac", ""]),
    ({"type": "string", "pattern": "^\"|\\\\$"}, ["\"", "\"x", "x\\", "x", "\\x"]),
    ({"enum": ["a", "b\"", 1, None, [1, {"x": 2}], True]}, ["a", "b\"", 1, None, [1, {"x": 2}], "c", 2, [1], False]),
    ({"const": {"a": [1, 2]}}, [{"a": [1, 2]}, {"a": [1]}, {}]),
    ({"type": "string", "enum": ["a", 1, "bcd"], "maxLength": 2}, ["a", 1, "bcd"]),
    (PERSON, [{"name": "x"}, {"name": "x", "age": 150}, {"name": "x", "age": 151}, {"age": 1}, {"name": "x", "tags": []}, {"name": "x", "age": 3, "tags": ["a", "b"]}, {"name": 1}, {}]),
    ({"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER}}, [{}, {"a": 1}, {"b": 1}, {"c": 1}, {"a": 1, "c": 2}, {"a": 1, "b": 2, "c": 3}, {"a": "x"}]),
    ({"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER}, "required": ["b"], "additionalProperties": False}, [{"b": 1}, {"a": 1, "b": 2}, {"b": 1, "c": 1}, {"a": 1}, {"b": 1, "d": 1}]),
    ({"type": "object", "properties": {"ab": INTEGER}, "additionalProperties": STRING}, [{}, {"ab": 1}, {"ab": 1, "x": "y"}, {"x": "y"}, {"a": "1", "abc": "2", "": "3"}, {"ab": "1"}, {"x": 1}]),
    ({"type": "object", "required": ["k"], "additionalProperties": INTEGER}, [{"k": 1}, {"k": 1, "l": 2}, {"l": 2}, {"k": "x"}]),
    ({"type": "object"}, [{}, {"a": {"b": [1, "x", None, True, 1.5]}}, [], 1]),
    ({"type": "object", "minProperties": 1, "maxProperties": 2}, [{}, {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}]),
    ({"type": "object", "propertyNames": {"pattern": "^[a-c]$"}, "additionalProperties": INTEGER}, [{}, {"a": 1}, {"d": 1}, {"aa": 1}]),
    ({"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 3}, [[], [1], [1, 2, 3], [1, 2, 3, 4], ["a"]]),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [[], [True], [True, False], [True, False, True, False]]),
    ({"type": "array", "maxItems": 0}, [[], [1]]),
    ({"type": "array", "prefixItems": [INTEGER, STRING], "items": False}, [[], [1], [1, "a"], [1, "a", 2], ["a"]]),
    ({"type": "array", "prefixItems": [INTEGER, STRING], "items": {"type": "null"}, "minItems": 3, "maxItems": 4}, [[1, "a"], [1, "a", None], [1, "a", None, None], [1, "a", None, None, None], [1, "a", 1]]),
    ({}, [1, "a", None, [1], {"a": []}, True]),
    (TREE, [{"value": 1}, {"value": 1, "children": [{"value": 2, "children": []}, {"value": 3}]}, {"value": 1, "children": [{}]}, {"children": []}]),
    ({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"], "additionalProperties": False}, [{"next": None}, {"next": {"next": {"next": None}}}, {"next": 1}, {}]),
    ({"anyOf": [INTEGER, {"type": "string", "maxLength": 2}]}, [1, "ab", "abc", None]),
    ({"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": INTEGER}, "required": ["kind", "x"]}, {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}, [{"kind": "a", "x": 1}, {"kind": "b"}, {"kind": "a"}, {"kind": "c"}]),
    ({"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}, {}]),
    ({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 12}, {"type": "number", "minimum": 1}]}, [2, 3, 12, 13, 4.5]),
    ({"allOf": [{"type": "object", "properties": {"a": INTEGER}, "required": ["a"]}, {"properties": {"b": STRING, "a": {"maximum": 5}}, "required": ["b"]}]}, [{"a": 1, "b": "x"}, {"a": 6, "b": "x"}, {"a": 1}]),
    ({"allOf": [{"$ref": "#/$defs/base"}, {"properties": {"c": INTEGER}}], "$defs": {"base": {"type": "object", "properties": {"b": STRING}, "required": ["b"]}}}, [{"b": "x"}, {"b": "x", "c": 1}, {"c": 1}, {"b": 1}]),
    ({"$ref": "#/definitions/p%25~1q", "minimum": 2, "definitions": {"p%/q": {"type": "integer", "maximum": 5}}}, [1, 2, 5, 6]),
    ({"type": "object", "properties": {"a": False, "b": {"enum": []}, "c": True}}, [{}, {"c": 1}, {"a": 1}, {"b": 1}]),
    ({"properties": {"a\"\\é\n": INTEGER}, "required": ["a\"\\é\n"]}, [{"a\"\\é\n": 1}, {"a": 1}, {}]),
    ({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "string", "enum": ["+", "-"]}]}, ["+", [], ["+", ["-", []]], ["x"], 1]),
] + [({"type": "string", "format": f}, values) for f, values in FORMATS.items()]
# Of those without values every text that is written must be valid.
MORE = [
    {"type": "string", "format": "duration"}, {"type": "string", "format": "hostname"}, {"type": "string", "format": "uri"},
    {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}, "at": {"type": "string", "format": "date-time"}, "n": {"type": "number", "minimum": -10.5, "exclusiveMaximum": 99.25}}, "required": ["id", "at", "n"]},
    {"type": "number", "minimum": 0.1, "maximum": 0.10001}, {"type": "number", "minimum": 99.99, "maximum": 1000.001}, {"type": "integer", "minimum": -1000, "maximum": -99},
    {"type": "number", "minimum": 1e-5, "exclusiveMaximum": 1e10}, {"type": "string", "pattern": "a.c"}, {"type": "string", "pattern": "^[^\"]{2,5}$"},
    {"type": "integer", "multipleOf": 12}, {"type": "object", "properties": {"abc": INTEGER, "abd": INTEGER, "": INTEGER}, "additionalProperties": {"type": "boolean"}},
]


def validator(schema):
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def written(value):
    return json.dumps(value, ensure_ascii=False).replace("\x01", "\\u0001")


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    made_by = {"regex": version("regex"), "jsonschema": version("jsonschema")}
    cases = [texts_of(p, i) for i, p in enumerate(PATTERNS)]
    (out / "regex.json").write_text(json.dumps({"made_by": made_by, "cases": cases}, ensure_ascii=False, indent=0) + "\n")
    schemas = []
    for schema, values in SCHEMAS:
        valid = [validator(schema).is_valid(v) for v in values]
        schemas.append({
            "schema": schema,
            "accepted": [written(v) for v, ok in zip(values, valid) if ok],
            "refused": [written(v) for v, ok in zip(values, valid) if not ok],
        })
    (out / "schema.json").write_text(json.dumps({"made_by": made_by, "cases": schemas}, ensure_ascii=False, indent=0) + "\n")
    if len(sys.argv) > 2:
        check_written(sys.argv[2])


def check_written(program):
    # jsonschema finds remainders of floats, by which 0.58 is no multiple of 0.01.
    schemas = [s for s, _ in SCHEMAS if s.get("multipleOf") != 0.01] + MORE
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as lines:
        for s in schemas:
            lines.write(json.dumps({"schema": s}) + "\n")
        for p in PATTERNS:
            lines.write(json.dumps({"regex": p}) + "\n")
        lines.flush()
        answers = subprocess.run([program, lines.name, "40"], check=True, stdout=subprocess.PIPE, text=True).stdout.rstrip("\n").split("\n")
    wrong = texts = 0
    for what, line in zip(schemas + PATTERNS, answers, strict=True):
        answer = json.loads(line)
        if "error" in answer:
            print(what, answer["error"])
            wrong += 1
            continue
        for text in answer["texts"]:
            texts += 1
            if isinstance(what, str):
                ok = regex.fullmatch(what, text, regex.ASCII)
            else:
                try:
                    ok = validator(what).is_valid(json.loads(text))
                except json.JSONDecodeError:
                    ok = False
            if not ok:
                wrong += 1
                print("not valid:", what, text)
    print(texts, "texts,", wrong, "wrong")


if __name__ == "__main__":
    main()
