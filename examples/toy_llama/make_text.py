"""Writes the text that the toy Llama was trained on: public-domain books that Debian 12 packages hold.

    apt-get download r-cran-janeaustenr sword-text-web dict-devil
    for p in *.deb; do dpkg-deb -x "$p" packages; done
    python3 make_text.py packages > text.txt

Jane Austen's six novels (1811-1817), the World English Bible, and Ambrose Bierce's Devil's Dictionary (1911).
One paragraph a line; an empty line ends a chapter or an article.
"""

import gzip
import pathlib
import re
import struct
import sys
import zlib


def paragraphs(lines):
    """Joins lines that a blank line does not part; italics' underscores go."""
    out, paragraph = [], []
    for line in [*lines, ""]:
        if line.strip():
            paragraph.append(line.strip())
        elif paragraph:
            out.append(re.sub(r"\s+", " ", " ".join(paragraph)).replace("_", "").replace("--", " - "))
            paragraph = []
    return out


def austen(root):
    """The strings of an R data file: blocks of a big-endian length and a zlib stream, in R's XDR serialisation."""
    data = (root / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
    at = 0
    while at < len(data):
        inflate = zlib.decompressobj()
        block = inflate.decompress(data[at + 4 :])
        at = len(data) - len(inflate.unused_data)
        lines, i = [], block.find(b"\x00\x00\x00\x10")  # a vector of strings
        while (i := block.find(b"\x09", i)) >= 0:  # the last byte of a string's flags
            i += 1
            if block[i - 4 : i - 1] not in (b"\x00\x04\x00", b"\x00\x00\x80", b"\x00\x00\x40"):
                continue
            (size,) = struct.unpack(">i", block[i : i + 4])
            if 0 <= size <= 200 and i + 4 + size <= len(block):
                lines.append(block[i + 4 : i + 4 + size].decode("utf-8", "replace"))
                i += 4 + size
        for p in paragraphs(lines):
            if re.match(r"(CHAPTER|Chapter|VOLUME) ", p):
                print()
            print(p)
        print()


def bible(root):
    """Sword's zText: an index of 12 bytes a block (offset, size, size inflated); OSIS markup."""
    folder = next(root.glob("usr/share/sword/modules/texts/ztext/engWEB*"))
    for part in ("ot", "nt"):
        index, data = (folder / f"{part}.bzs").read_bytes(), (folder / f"{part}.bzz").read_bytes()
        for offset, size, _ in struct.iter_unpack("<III", index):
            text = zlib.decompress(data[offset : offset + size]).decode()
            text = re.sub(r"(?s)<note.*?</note>|<title.*?</title>", "", text)
            text = re.sub(r'<div[^>]*type="(x-p|paragraph)"[^>]*>|<p>|</p>|<lg[^>]*>|<milestone[^>]*type="x-p"[^>]*>', "\n\n", text)
            text = re.sub(r"<[^>]*>", " ", text)
            for p in paragraphs(text.split("\n")):
                p = re.sub(r"([“‘]) ", r"\1", re.sub(r" ([,.;:?!”’])", r"\1", p))
                print(p.translate(str.maketrans("“”‘’—", "\"\"''-")))
            print()


def devil(root):
    text = gzip.decompress((root / "usr/share/dictd/devil.dict.dz").read_bytes()).decode("utf-8", "replace")
    for p in paragraphs(text.split("\n")):
        if re.match(r"[A-Z]+, ", p):
            print()
        print(p)
    print()


if __name__ == "__main__":
    root = pathlib.Path(sys.argv[1])
    austen(root)
    bible(root)
    devil(root)
