"""Changes DER as a tree (ITU-T X.690): elements go, come twice, change tag or content, and lengths still fit.

A byte changed blindly mostly breaks a length near the start, and the parsers never get to see the rest.
Contents of octet and bit strings that look like DER are opened too: extensions and keys are kept in those.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

_DEEPEST: Final = 40
_MOST_COPIED: Final = 20_000
_CONSTRUCTED: Final = 0x20
_BIT_STRING: Final = 0x03
_OCTET_STRING: Final = 0x04
_TAGS: Final = (
    *(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1A, 0x1C, 0x1E),
    *(0x30, 0x31, 0x80, 0x81, 0x82, 0x84, 0x86, 0x87, 0x88, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4),
)
_CONTENTS: Final = (
    b"",
    b"\0",
    b"\x01",
    b"\xff",
    b"\x80",
    b"\0\0",
    b"\x7f" + b"\xff" * 8,
    b"\0" + b"\xff" * 32,
    b"\xff" * 300,
    b"1" * 5_000,
    b"*",
    b".",
    b"a" * 64 + b".b",
    b"*.contoso.example",
    b"http://[::1",
    b"ldap:///CN=a?b",
    b"\xc3\x28",
    b"\xd8\0",
    b"\x1b[31m",
    b"99991231235959Z",
    b"000101000000Z",
    b"500101000000Z",
    b"20500101000000.5Z",
    b"230229000000Z",
    b"200101000000+0100",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a",
    b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05",
    b"\x2b\x65\x70",
    b"\x55\x1d\x1e",
    b"\x55\x1d\x13",
    b"\x55\x1d\x20",
    b"\x55\x1d\x24",
    b"\x55\x1d\x36",
)


@dataclass(slots=True)
class _Node:
    """One element; `prefix` is the byte of unused bits when a bit string was opened."""

    tag: int
    value: bytes = b""
    parts: list[_Node] | None = None
    prefix: bytes = b""
    form: str = "shortest"

    def encoded(self) -> bytes:
        content = self.value
        if self.parts is not None:
            content = self.prefix + b"".join(part.encoded() for part in self.parts)
        if self.form == "open":
            return bytes((self.tag, 0x80)) + content + b"\0\0"
        size = len(content)
        if size < 0x80 and self.form == "shortest":
            return bytes((self.tag, size)) + content
        width = max(1, (size.bit_length() + 7) // 8) + (self.form == "long")
        return bytes((self.tag, 0x80 | width)) + size.to_bytes(width, "big") + content


@dataclass(slots=True)
class _Tree:
    roots: list[_Node]
    rest: bytes

    def all_lists(self) -> list[list[_Node]]:
        """Every list of elements that is not empty: the top, and the parts of each constructed element."""
        found = [self.roots]
        for nodes in found:
            found.extend(node.parts for node in nodes if node.parts)
        return found


def mutate_der(data: bytes, dice: random.Random, longest: int = 1 << 20) -> bytes | None:
    """A copy of `data` with one to three elements changed; None when it does not begin with an element."""
    nodes, end = _read(data, 0, len(data), 0)
    if not nodes:
        return None
    tree = _Tree(nodes, data[end:])
    for _ in range(dice.choice((1, 1, 2, 3))):
        lists = tree.all_lists()
        weights = [len(each) for each in lists]
        if not any(weights):
            break
        _change(dice.choices(lists, weights)[0], lists, dice)
    return (b"".join(node.encoded() for node in tree.roots) + tree.rest)[:longest]


def _read(data: bytes, start: int, end: int, depth: int) -> tuple[list[_Node], int]:
    """The elements from `start` on, as far as they can be read, and where that ends."""
    nodes: list[_Node] = []
    while start + 2 <= end:
        tag, length, content = data[start], data[start + 1], start + 2
        if length > 0x80:
            width = length & 0x7F
            length = int.from_bytes(data[content : content + width], "big")
            content += width
        elif length == 0x80:
            break
        if tag & 0x1F == 0x1F or content + length > end:
            break
        start = content + length
        nodes.append(_node(data, tag, content, start, depth))
    return nodes, start


def _node(data: bytes, tag: int, content: int, end: int, depth: int) -> _Node:
    prefix = 1 if tag == _BIT_STRING and data[content : content + 1] == b"\0" else 0
    is_wrapper = tag in (_BIT_STRING, _OCTET_STRING) and end - content > 2
    if depth < _DEEPEST and (tag & _CONSTRUCTED or is_wrapper):
        parts, read = _read(data, content + prefix, end, depth + 1)
        if read == end and (parts or tag & _CONSTRUCTED):
            return _Node(tag, parts=parts, prefix=data[content : content + prefix])
    return _Node(tag, data[content:end])


def _change(nodes: list[_Node], lists: list[list[_Node]], dice: random.Random) -> None:
    if not nodes:
        return
    at = dice.randrange(len(nodes))
    node = nodes[at]
    donors = dice.choice(lists)
    donor = dice.choice(donors) if donors else node
    match dice.randrange(12):
        case 0:
            del nodes[at]
        case 1:
            times = min(dice.choice((1, 1, 2, 40, 400)), 1 + _MOST_COPIED // (1 + len(node.encoded())))
            nodes[at:at] = [_copy(node) for _ in range(times)]
        case 2:
            nodes[at] = _copy(donor)
        case 3:
            nodes.insert(at, _copy(donor))
        case 4:
            node.tag = dice.choice(_TAGS)
        case 5:
            for _ in range(dice.choice((1, 2, 10, 100))):
                node = _Node(dice.choice((0x30, 0x31, 0xA0, 0xA4, node.tag | _CONSTRUCTED)), parts=[node])
            nodes[at] = node
        case 6:
            node.form = dice.choice(("open", "long"))
        case 7:
            nodes.insert(at, _Node(dice.choice(_TAGS), dice.choice(_CONTENTS)))
        case 8:
            dice.shuffle(nodes)
        case _:
            _change_content(node, dice)


def _change_content(node: _Node, dice: random.Random) -> None:
    if node.parts is not None and dice.random() < 0.7:
        return
    old = bytearray(node.value)
    if not old or dice.random() < 0.4:
        node.value = dice.choice(_CONTENTS)
    elif dice.random() < 0.5:
        old[dice.randrange(len(old))] ^= 1 << dice.randrange(8)
        node.value = bytes(old)
    else:
        at = dice.randrange(len(old))
        old[at : at + dice.randint(0, 4)] = dice.randbytes(dice.randint(0, 4))
        node.value = bytes(old)
    node.parts = None


def _copy(node: _Node) -> _Node:
    parts = None if node.parts is None else [_copy(part) for part in node.parts]
    return _Node(node.tag, node.value, parts, node.prefix, node.form)
