"""Writes include/hft/tokenizers/unicode_runs.hpp: how the tokenizers library groups characters, asked of the library.

Grapheme clusters show in the Precompiled normalizer: it replaces a cluster of fewer than 6 bytes as a whole, any other
character by character. With a map that turns every character into Z the number of Z tells what was one cluster. What
makes no difference there (regional indicators, which take 8 bytes a pair) is not asked for. Scripts show in the
UnicodeScripts pre-tokenizer. What Oniguruma knows and Unicode 14 (PCRE2 10.40, this Python) does not is listed apart.

  python tests/oracle/unicode_runs.py include/hft/tokenizers/unicode_runs.hpp
"""
import struct
import sys
import unicodedata

sys.path = [p for p in sys.path if not p.endswith("oracle")]
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]

def everything_to_z():
    """A double array in which every character of UTF-8 is a key: states of a decoder, 256 units apart."""
    units = [0] * (256 * 6)
    LEAF, STATES = 5 * 256, {1: 1, 2: 2, 3: 3}  # state k waits for k continuation bytes
    def edge(state, byte, target):
        position = state * 256 ^ byte
        offset = position ^ target * 256
        units[position] = byte | (offset << 10 if offset < 1 << 21 else 1 << 9 | offset >> 8 << 10) | (target == 4) << 8
    units[0] = 0  # the root is its own block; unit 0 is no child, for no key has a zero byte
    for byte in range(1, 0xF5):
        if byte < 0x80: edge(0, byte, 4)
        elif byte >= 0xC2: edge(0, byte, 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3)
    for byte in range(0x80, 0xC0):
        edge(1, byte, 4)
        edge(2, byte, 1)
        edge(3, byte, 2)
    units[4 * 256] = 1 << 31  # the value of every key: the text at 0
    return struct.pack("<I", len(units) * 4) + struct.pack(f"<{len(units)}I", *units) + b"Z\0"

to_z = normalizers.Precompiled(everything_to_z())
def zs(*parts):
    return len(to_z.normalize_str("".join(p if isinstance(p, str) else chr(p) for p in parts)))
assert zs("ab") == 2 and zs("a\u0301") == 1 and zs("क") == 1 and zs("😀") == 1

E, ZWJ, PICTURE, KA, VIRAMA = "\u0301", "\u200d", "\u00a9", "\u0915", "\u094d"
L, V, T = "\u1100", "\u1161", "\u11a8"
BITS = ["extend", "spacing", "prepend", "control", "picture", "hangul_l", "hangul_v", "hangul_t", "consonant", "linker", "conjunct_extend"]

def grapheme_class(c):
    joins = zs("a", c) == 1  # with what comes before
    if zs(c, E, E) == 2: return {"control"}
    out = set()
    if joins:
        out.add("extend" if zs(PICTURE, c, ZWJ, PICTURE, E) == 5 else "spacing")
        if zs(KA, c, KA, E) == 4: out.add("linker")
        elif zs(KA, VIRAMA, c, KA, E) == 5: out.add("conjunct_extend")
        return out
    if zs(c, "a") == 1: out.add("prepend")
    if zs(PICTURE, ZWJ, c, E, E) == 5: out.add("picture")
    if zs(c, VIRAMA, KA, E) == 4: out.add("consonant")
    if 0xAC00 <= c <= 0xD7A3: return out  # syllables are told apart by their number
    if "prepend" in out: return out
    if zs(c, L, E) == 3: out.add("hangul_l")
    elif zs(c, V, E) == 3: out.add("hangul_v")
    elif zs(c, T, E) == 3: out.add("hangul_t")
    return out

graphemes = {c: sum(1 << BITS.index(b) for b in grapheme_class(c)) for c in CODE_POINTS}
for c in range(0xAC00, 0xD7A4):
    lv = (c - 0xAC00) % 28 == 0
    assert (zs(c, V, E) == 3) == lv and zs(c, T, E) == 3 and zs(L, c, E) == 3 and zs(V, c, E) == 2, hex(c)

split = pre_tokenizers.UnicodeScripts()
pieces = lambda text: len(split.pre_tokenize_str(text))
scripts, representatives = {}, []  # script 0 goes with any other
for c in CODE_POINTS:
    ch = chr(c)
    if pieces("a" + ch + "a") == 1 and pieces("α" + ch + "α") == 1:
        scripts[c] = 0
    elif c > 0 and scripts.get(c - 1) and pieces(chr(c - 1) + ch) == 1:
        scripts[c] = scripts[c - 1]
    else:
        known = [i for i, r in enumerate(representatives) if pieces(r + ch) == 1]
        if not known: representatives.append(ch)
        scripts[c] = known[0] + 1 if known else len(representatives)

assert unicodedata.unidata_version == "14.0.0"
text = "".join(map(chr, CODE_POINTS))
def matching(pattern):
    return set(map(ord, normalizers.Replace(Regex(f"[^{pattern}]"), "").normalize_str(text)))
han, younger = matching(r"\p{Han}"), {}
for category in "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cf".split():
    for c in matching(rf"\p{{{category}}}"):
        if unicodedata.category(chr(c)) == "Cn": younger[c] = (category, c in han)
        elif unicodedata.category(chr(c)) != category: print("changed", hex(c), unicodedata.category(chr(c)), category)
ranges = []
for c, v in sorted(younger.items()):
    if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == v: ranges[-1][1] = c
    else: ranges.append([c, c, v])

def runs(values):
    out = []
    for c in range(0x110000):
        v = values.get(c, 0)
        if not out or out[-1][1] != v: out.append((c, v))
    return out

def lines(items):
    out, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            out.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join(out + [line])

def table(items):
    return lines([f"{{{c},{v}}}" for c, v in items])

COMMENTS = {
    "extend": "joins what comes before", "spacing": "so too, but ends an emoji sequence", "prepend": "joins what comes after",
    "control": "stands alone", "picture": "may be joined to another by U+200D", "hangul_l": "leading consonant", "hangul_v": "vowel",
    "hangul_t": "trailing consonant", "consonant": "of an Indic conjunct", "linker": "joins two such consonants",
    "conjunct_extend": "may stand between them",
}
with open(sys.argv[1], "w") as out:
    p = lambda *a: print(*a, file=out)
    p("// How the tokenizers library groups characters: grapheme cluster classes and scripts, as runs of code points.")
    p(f"// Generated by tests/oracle/unicode_runs.py from tokenizers {tokenizers.__version__}; not edited by hand.")
    p("// clang-format off\n#pragma once\n#include <cstdint>\n\nnamespace hft::detail::unicode {\n")
    p("/// What a character does at the borders of grapheme clusters (UAX #29).")
    p("enum grapheme : std::uint16_t {")
    for bit, name in enumerate(BITS): p(f"  {name} = 1 << {bit},".ljust(32) + f"// {COMMENTS[name]}")
    p("};\n\n/// From `first` up to the next run, all code points have this value.")
    p("struct run { std::uint32_t first; std::uint16_t value; };\n")
    p("// Hangul syllables have none: they follow from their numbers.")
    g, s = runs(graphemes), runs(scripts)
    p(f"inline constexpr run grapheme_runs[{len(g)}] = {{\n{table(g)}\n}};\n")
    p(f"// Numbers of scripts; 0 goes with any. Hiragana and Katakana count as Han.\ninline constexpr run script_runs[{len(s)}] = {{\n{table(s)}\n}};\n")
    p("/// Characters that came after Unicode 14, with their general category.")
    p("struct younger_run { std::uint32_t first, last; char category[3]; bool han; };")
    p(f"inline constexpr younger_run younger_runs[{len(ranges)}] = {{")
    p(lines([f"{{{a},{b},\"{k}\",{str(h).lower()}}}" for a, b, (k, h) in ranges]))
    p("};\n")
    p("}  // namespace hft::detail::unicode\n// clang-format on")
print(len(g), "grapheme runs,", len(s), "script runs,", len(representatives), "scripts")
