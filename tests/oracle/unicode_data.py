"""Writes include/hft/tokenizers/unicode_data.hpp: what the tokenizers library thinks of every code point.

The library mixes Unicode versions (Oniguruma's for \\p{..} and \\s, Rust's for is_numeric and \\w, Unicode 9 for normal
forms, an older crate for punctuation). Equal ids need its view, so each property is asked of the library itself.

  python tests/oracle/unicode_data.py include/hft/tokenizers/unicode_data.hpp
"""
import sys

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, CODE_POINTS))
BLOCK = 128

def matching(pattern):
    return set(map(ord, normalizers.Replace(Regex(f"[^{pattern}]"), "").normalize_str(TEXT)))

def removed_by(normalizer):
    return set(CODE_POINTS) - set(map(ord, normalizer.normalize_str(TEXT)))

def removed_by_split(pre_tokenizer):
    kept = set()
    for piece, _ in pre_tokenizer.pre_tokenize_str(TEXT):
        kept.update(map(ord, piece))
    return set(CODE_POINTS) - kept

def numeric():
    digits = pre_tokenizers.Digits(individual_digits=True)
    text = "".join("a" + chr(c) for c in CODE_POINTS if c != ord("a"))
    return {ord(s) for s, _ in digits.pre_tokenize_str(text) if s != "a" and len(s) == 1}

def word():
    text = "".join("_" + chr(c) + "_ " for c in CODE_POINTS)
    return {ord(s[1]) for s, _ in pre_tokenizers.Whitespace().pre_tokenize_str(text) if len(s) == 3}

def inert():
    """Code points younger than the library's normal forms: it neither decomposes, composes nor reorders them."""
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    young = set()
    assigned = matching(r"\p{L}\p{M}\p{N}")
    for c in CODE_POINTS:
        ch = chr(c)
        if unicodedata.category(ch) == "Cn":  # younger than this Python's Unicode 14, so younger than 9
            if c in assigned:
                young.add(c)
        elif nfkd.normalize_str(ch) == ch and (
            unicodedata.normalize("NFKD", ch) != ch
            or unicodedata.combining(ch) and nfd.normalize_str(ch + "\u0334") == ch + "\u0334"
            and nfd.normalize_str("\u0345" + ch) == "\u0345" + ch
        ):
            young.add(c)
    return young

space = matching(r"\s")
assert space == removed_by_split(pre_tokenizers.WhitespaceSplit())
bert = dict(handle_chinese_chars=False, lowercase=False)
cleaned = removed_by(normalizers.BertNormalizer(clean_text=True, strip_accents=False, **bert))
cleaned = (cleaned - space) | {0x0B, 0x0C, 0x85}
nonspacing = {
    c for c in CODE_POINTS
    if normalizers.BertNormalizer(clean_text=False, strip_accents=True, **bert).normalize_str(chr(c)) == ""
}
PROPERTIES = [
    ("letter", r"\p{L} of Oniguruma", matching(r"\p{L}")),
    ("number", r"\p{N} of Oniguruma", matching(r"\p{N}")),
    ("space", r"\s of Oniguruma and Rust's char::is_whitespace", space),
    ("upper_or_title", r"\p{Lu} and \p{Lt}", matching(r"\p{Lu}\p{Lt}")),
    ("lower", r"\p{Ll}", matching(r"\p{Ll}")),
    ("other_letter", r"\p{Lm} and \p{Lo}", matching(r"\p{Lm}\p{Lo}")),
    ("mark", r"\p{M}", matching(r"\p{M}")),
    ("numeric", "Rust's char::is_numeric", numeric()),
    ("word", r"\w of Rust's regex", word()),
    ("punctuation", "Punctuation and BertPreTokenizer", removed_by_split(pre_tokenizers.Punctuation(behavior="removed"))),
    ("cleaned", "removed by BertNormalizer's clean_text", cleaned),
    ("nonspacing_mark", "removed by BertNormalizer's strip_accents", nonspacing),
    ("combining_mark", "removed by StripAccents", removed_by(normalizers.StripAccents())),
    ("inert", "younger than the library's normal forms (Unicode 9)", inert()),
]

def ranges(items):
    """[(first, last, value)] of consecutive code points with equal value."""
    out = []
    for c, v in sorted(items.items()):
        if out and out[-1][1] == c - 1 and out[-1][2] == v:
            out[-1][1] = c
        else:
            out.append([c, c, v])
    return out

lower = {}
for c in CODE_POINTS:
    s = normalizers.Lowercase().normalize_str(chr(c))
    if s != chr(c) and c != 0x130:  # U+0130 becomes two characters and is spelled out in unicode.hpp
        lower[c] = ord(s) - c

flags = [0] * 0x110000
for bit, (_, _, members) in enumerate(PROPERTIES):
    for c in members:
        flags[c] |= 1 << bit
classes = sorted(set(flags))
index = {f: i for i, f in enumerate(classes)}
blocks, stage1, seen = [], [], {}
for b in range(0, 0x110000, BLOCK):
    block = tuple(index[f] for f in flags[b : b + BLOCK])
    if block not in seen:
        seen[block] = len(blocks)
        blocks.append(block)
    stage1.append(seen[block])
print(len(blocks), len(classes))
assert len(blocks) < 256 and len(classes) < 256

def table(numbers):
    lines, line = [], "   "
    for n in numbers:
        item = f" {n},"
        if len(line) + len(item) > 120:
            lines.append(line)
            line = "   "
        line += item
    return "\n".join(lines + [line])

with open(sys.argv[1], "w") as out:
    p = lambda *a: print(*a, file=out)
    p("// What the tokenizers library thinks of every code point: a two-stage table of property bits, and lowercase letters.")
    p(f"// Generated by tests/oracle/unicode_data.py from tokenizers {tokenizers.__version__}; not edited by hand.")
    p("// clang-format off\n#pragma once\n#include <cstdint>\n\nnamespace hft::detail::unicode {\n")
    p("enum property : std::uint16_t {")
    for bit, (name, comment, _) in enumerate(PROPERTIES):
        p(f"  {name} = 1 << {bit},".ljust(32) + f"// {comment}")
    p("};\n")
    p(f"inline constexpr std::uint16_t property_bits[{len(classes)}] = {{\n{table(classes)}\n}};\n")
    p(f"inline constexpr std::uint8_t block_of[{len(stage1)}] = {{\n{table(stage1)}\n}};\n")
    p(f"inline constexpr std::uint8_t class_of[{len(blocks)}][{BLOCK}] = {{")
    for block in blocks:
        p("   {" + ",".join(map(str, block)) + "},")
    p("};\n")
    p("/// Runs of code points whose lowercase letter is `delta` away; where `step` is 2, every second one.")
    p("struct lowercase_run { std::uint32_t first, last; std::int32_t delta, step; };")
    runs = []
    for c, v in sorted(lower.items()):
        if runs and runs[-1][2] == v and c - runs[-1][1] in (1, 2) and runs[-1][3] in (0, c - runs[-1][1]):
            runs[-1][3] = c - runs[-1][1]
            runs[-1][1] = c
        else:
            runs.append([c, c, v, 0])
    p(f"inline constexpr lowercase_run lowercase_runs[{len(runs)}] = {{")
    p(table(["{" + ",".join(map(str, (r[0], r[1], r[2], max(r[3], 1)))) + "}" for r in runs]))
    p("};\n\n}  // namespace hft::detail::unicode\n// clang-format on")
print(len(blocks), "blocks", len(classes), "classes", len(runs), "lowercase runs")
