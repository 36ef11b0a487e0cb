"""Spoil text files: lines of fields, XML, and how any text is written down."""

import copy
import random
from xml.etree import ElementTree

from mutate import BYTES, NUMBERS, TEXTS, spoil_bytes, spoil_tree

BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "boom"}">' for n in range(12))
DOCTYPES = (
    f"<!DOCTYPE x [{BOMB}]>",
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE x SYSTEM "http://localhost:9/x.dtd">',
)
DECLARED = ("utf-16", "latin-1", "utf-7", "idna", "nothing", "cp037", "rot13", "hex")
DEEP = 20_000


def spoil_lines(raw: bytes, rng: random.Random) -> bytes:
    """Spoil the fields of lines, or now and then the bytes, or how the text is written down."""
    if rng.random() < 0.3:
        return spoil_bytes(raw, rng)
    lines = spoil_tree([line.split() for line in raw.decode().splitlines()], rng)
    rows = [line if isinstance(line, list) else [line] for line in lines] if isinstance(lines, list) else []
    text = rng.choice(["\n", "\r\n", "\n\n", "\r", "\u2028"]).join(" ".join(map(str, row)) for row in rows)
    return write_down(text, rng)


def spoil_xml(raw: bytes, rng: random.Random) -> bytes:
    """Spoil elements, texts and attributes, document types, nesting; or now and then the bytes."""
    if rng.random() < 0.3:
        return spoil_bytes(raw, rng)
    root = ElementTree.fromstring(raw)
    for _ in range(rng.choice([1, 1, 2, 4])):
        every = [(parent, child) for parent in root.iter() for child in parent]
        parent, child = rng.choice(every) if every else (root, root)
        kind = rng.randrange(8)
        if kind == 0:
            child.text = _text(rng)
        elif kind == 1 and child.attrib:
            child.attrib[rng.choice(list(child.attrib))] = _text(rng)
        elif kind == 2:
            child.attrib[rng.choice(["name", "label", "points", "rotation", "x", *child.attrib])] = _text(rng)
        elif kind == 3 and every:
            parent.remove(child)
        elif kind == 4 and child is not root:
            parent.extend([child] * rng.choice([1, 2, 50]))
        elif kind == 5:
            child.tag = rng.choice(["x", "annotation", "image", "box", "polygon", "object", "meta", "track"])
        elif kind == 6 and child.attrib:
            del child.attrib[rng.choice(list(child.attrib))]
        elif child is not root and not len(child):
            # a copy: an element must not be inside itself
            child.append(copy.deepcopy(rng.choice(every)[1]))
    text = ElementTree.tostring(root, encoding="unicode")
    if rng.random() < 0.1:
        text = rng.choice(DOCTYPES) + text.replace("</", "&a11;</", 1)
    if rng.random() < 0.05:
        text = text.replace("</", f"{'<x>' * DEEP}{'</x>' * DEEP}</", 1)
    if rng.random() < 0.1:
        text = f'<?xml version="1.0" encoding="{rng.choice(DECLARED)}"?>{text}'
    return write_down(text, rng)


def _text(rng: random.Random) -> str:
    if rng.random() < 0.1:
        return f"{'9' * rng.choice([40, 5000])}{rng.choice(['', '.5', 'e9'])}"
    # XML cannot hold these characters
    text = str(rng.choice([*NUMBERS, *TEXTS, "1,2;3,4", "1,2;3,4;5,6", "0, 3, 9"]))
    return "".join(character for character in text if character >= " ")


def write_down(text: str, rng: random.Random) -> bytes:
    """The text as UTF-8, or now and then with a byte order mark, as UTF-16, or behind other bytes."""
    raw = text.encode("utf-8", "surrogatepass")
    kind = rng.randrange(30)
    if kind == 0:
        return b"\xef\xbb\xbf" + raw
    if kind == 1:
        return text.encode("utf-16", "replace")
    if kind == 2:
        return text.encode("latin-1", "replace")
    if kind == 3:
        return text.replace("\n", "\r\n").encode("utf-8", "surrogatepass")
    return rng.choice(BYTES) + raw if kind == 4 else raw
