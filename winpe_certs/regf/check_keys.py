"""The part of the structure check that walks the keys, their values, subkey lists and security cells.

Follows M. Suhanov, "Windows registry file format specification". The walk keeps its own stack, so no depth of
keys can exhaust Python's, and follows no cell twice, so no cycle can keep it busy.
"""

from __future__ import annotations

import struct
from collections import Counter

from winpe_certs.regf import layout
from winpe_certs.regf.check_cells import Cells
from winpe_certs.regf.names import decode_name, hash_of, hint_of
from winpe_certs.shown import shown_bytes, shown_text
from winpe_certs.uppercase import upper


def walk_keys(cells: Cells) -> None:
    """Walk all keys from the root and report every broken invariant on the way."""
    _Walk(cells).run()


class _Walk:
    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.data = cells.data
        self.report = cells.report
        self.minor: int = layout.U32.unpack_from(cells.data, layout.BASE_MINOR)[0]
        self.root: int = layout.U32.unpack_from(cells.data, layout.BASE_ROOT_CELL)[0]
        self.security_uses: Counter[int] = Counter()

    def run(self) -> None:
        root = self.look_at_key(self.root)
        if root is None or not self.cells.take(self.root, "nk-cell", "key node", 0):
            self.report("root-cell", self.root, "The base block does not name a key node as the root.")
        else:
            levels = [(self.root, root, 1)]
            while levels:
                offset, position, level = levels.pop()
                if level > layout.MAXIMUM_LEVELS:
                    self.report(
                        "levels", offset, f"The key lies more than {layout.MAXIMUM_LEVELS} levels deep."
                    )
                levels.extend((*child, level + 1) for child in self.key(offset, position))
        self.security()

    def look_at_key(self, offset: int) -> int | None:
        """Give the file position of a key node's content."""
        found = self.cells.look(offset, "nk-cell", "key node", layout.KEY_NAME + 1)
        if found is None:
            return None
        start, end = found
        if self.data[start : start + 2] != layout.KEY_SIGNATURE:
            self.report("nk-sig", offset, "The key node does not start with nk.")
            return None
        length = layout.U16.unpack_from(self.data, start + layout.KEY_NAME_LENGTH)[0]
        if length == 0 or start + layout.KEY_NAME + length > end:
            self.report("nk-name", offset, f"The key's name of {length} bytes is empty or leaves the cell.")
            return None
        return start

    def name_of(self, start: int) -> tuple[str, int]:
        """Give a key's name and its length in UTF-16 bytes."""
        flags = layout.U16.unpack_from(self.data, start + layout.KEY_FLAGS)[0]
        length = layout.U16.unpack_from(self.data, start + layout.KEY_NAME_LENGTH)[0]
        position = start + layout.KEY_NAME
        one_byte = bool(flags & layout.KEY_NAME_IS_ONE_BYTE)
        name = decode_name(self.data[position : position + length], one_byte=one_byte)
        return name, 2 * length if one_byte else length

    def key(self, offset: int, start: int) -> list[tuple[int, int]]:
        """Judge one key; give its children's offsets and positions."""
        (
            _, flags, _, _, _, subkey_count, _, subkey_list, _, value_count, value_list, security,
            class_offset, longest_name, longest_class, longest_value_name, longest_value_data, _,
            name_length, class_length,
        ) = layout.KEY_NODE.unpack_from(self.data, start)  # fmt: skip
        self.key_flags(offset, start, flags, name_length)
        self.security_uses[security] += 1
        if class_length:
            self.cells.take(class_offset, "class-cell", "class name", class_length)
        elif class_offset != layout.NONE:
            self.report("class-cell", offset, "The key has a class name without a length.")
        if not flags & layout.KEY_PREDEFINED_HANDLE:
            if (value_count == 0) != (value_list == layout.NONE):
                self.report("value-count", offset, f"{value_count} values, list at 0x{value_list:X}.")
            elif value_count:
                longest = self.values(offset, value_count, value_list)
                if longest[0] > longest_value_name:
                    self.report(
                        "longest-value-name", offset, f"{longest_value_name}, but {longest[0]} needed."
                    )
                if longest[1] > longest_value_data:
                    self.report(
                        "longest-value-data", offset, f"{longest_value_data}, but {longest[1]} needed."
                    )
        if (subkey_count == 0) != (subkey_list == layout.NONE):
            self.report("subkey-count", offset, f"{subkey_count} subkeys, list at 0x{subkey_list:X}.")
            return []
        if subkey_count == 0:
            return []
        children = self.subkeys(offset, subkey_count, subkey_list)
        needed_name = needed_class = 0
        for _, position in children:
            needed_name = max(needed_name, self.name_of(position)[1])
            needed_class = max(
                needed_class, layout.U16.unpack_from(self.data, position + layout.KEY_CLASS_LENGTH)[0]
            )
        if needed_name > longest_name & layout.LONGEST_NAME_MASK:
            self.report("longest-subkey-name", offset, f"{longest_name & 0xFFFF}, but {needed_name} needed.")
        if needed_class > longest_class:
            self.report("longest-subkey-class", offset, f"{longest_class}, but {needed_class} needed.")
        return children

    def key_flags(self, offset: int, start: int, flags: int, name_length: int) -> None:
        if offset == self.root and not flags & layout.KEY_HIVE_ENTRY:
            self.report("root-flag", offset, "The root does not have the hive entry flag.")
        if offset != self.root and flags & layout.KEY_HIVE_ENTRY:
            self.report("nk-flags", offset, "The key has the flag of a hive's root.")
        if flags & (layout.KEY_VOLATILE | layout.KEY_HIVE_EXIT):
            self.report("nk-flags", offset, "The key has a flag that is never on disk.")
        one_byte = flags & layout.KEY_NAME_IS_ONE_BYTE
        if not one_byte and name_length % 2:
            self.report("nk-name", offset, "The key's two-byte name has an odd length.")
        if name_length > layout.MAXIMUM_KEY_NAME * (1 if one_byte else 2):
            self.report("nk-name", offset, "The key's name has more than 255 characters.")
        if not one_byte:
            name, _ = self.name_of(start)
            if all(ord(character) < 0x100 for character in name):
                self.report("name-encoding", offset, "The name would fit in one byte per character.")

    def leaf(self, offset: int) -> tuple[bytes, list[tuple[int, bytes]]] | None:
        """Give a leaf's kind and its entries: key offset, hash or hint."""
        found = self.cells.look(offset, "sublist-cell", "subkey list", layout.LIST_HEADER.size)
        if found is None:
            return None
        start, end = found
        kind, count = layout.LIST_HEADER.unpack_from(self.data, start)
        if kind == layout.INDEX_ROOT:
            self.report("nested-ri", offset, "An ri list names another ri list.")
        if not self.cells.take(offset, "sublist-cell", "subkey list", 0) or kind == layout.INDEX_ROOT:
            return None
        width = layout.LEAF_ENTRY_SIZES.get(kind)
        if width is None:
            self.report("list-sig", offset, f"The subkey list starts with {shown_bytes(kind)}.")
            return None
        start += layout.LIST_HEADER.size
        if start + count * width > end:
            self.report("list-size", offset, f"The list's {count} entries leave its cell.")
            return kind, []
        if count == 0:
            self.report("empty-leaf", offset, "The leaf has no entries.")
        if kind == layout.HASH_LEAF and self.minor < layout.MINOR_WITH_HASH_LEAF:
            self.report("lh-version", offset, "The version of this hive has no lh lists.")
        data = self.data
        return kind, [
            (layout.U32.unpack_from(data, position)[0], data[position + 4 : position + width])
            for position in range(start, start + count * width, width)
        ]

    def leaves(self, offset: int) -> list[tuple[int, bytes, list[tuple[int, bytes]]]]:
        look = self.cells.look(offset, "sublist-cell", "subkey list", layout.LIST_HEADER.size)
        if look is None:
            return []
        kind, count = layout.LIST_HEADER.unpack_from(self.data, look[0])
        offsets: tuple[int, ...] = (offset,)
        if kind == layout.INDEX_ROOT:
            root = self.cells.take(offset, "sublist-cell", "subkey list", layout.LIST_HEADER.size)
            if root is None:
                return []
            if 4 * count + layout.LIST_HEADER.size > root[1] - root[0]:
                self.report("list-size", offset, f"The list's {count} leaves leave its cell.")
                return []
            offsets = struct.unpack_from(f"<{count}I", self.data, root[0] + layout.LIST_HEADER.size)
        found = ((each, self.leaf(each)) for each in offsets)
        return [(each, *leaf) for each, leaf in found if leaf is not None]

    def subkeys(self, offset: int, count: int, list_offset: int) -> list[tuple[int, int]]:
        children: list[tuple[int, int]] = []
        total = 0
        previous: str | None = None
        for leaf_offset, kind, entries in self.leaves(list_offset):
            total += len(entries)
            for child, tag in entries:
                position = self.look_at_key(child)
                if position is None:
                    continue
                (parent,) = layout.U32.unpack_from(self.data, position + layout.KEY_PARENT)
                if parent != offset:
                    self.report("nk-parent", child, f"The key names 0x{parent:X}, not 0x{offset:X}.")
                name, _ = self.name_of(position)
                uppercased = upper(name)
                if previous is not None and uppercased <= previous:
                    same = uppercased == previous
                    self.report(
                        "dup-subkey" if same else "sort-order",
                        child,
                        f"The key {shown_text(name)} is {'twice' if same else 'out of order'} in its list.",
                    )
                previous = uppercased
                if kind == layout.HASH_LEAF and layout.U32.pack(hash_of(uppercased)) != tag:
                    self.report("lh-hash", leaf_offset, f"The hash of {shown_text(name)} is wrong.")
                elif kind == layout.FAST_LEAF and hint_of(name) != tag:
                    self.report(
                        "lf-hint", leaf_offset, f"The hint of {shown_text(name)} is {shown_bytes(tag)}."
                    )
                if self.cells.take(child, "nk-cell", "key node", 0):
                    children.append((child, position))
        if total != count:
            self.report("subkey-count", offset, f"The key counts {count} subkeys, its list holds {total}.")
        return children

    def values(self, key: int, count: int, list_offset: int) -> tuple[int, int]:
        """Judge a key's values; give the longest name and data."""
        found = self.cells.take(list_offset, "vallist-cell", "value list", 4 * count)
        if found is None:
            return 0, 0
        longest_name = longest_data = 0
        names: set[str] = set()
        for offset in struct.unpack_from(f"<{count}I", self.data, found[0]):
            cell = self.cells.take(offset, "vk-cell", "key value", layout.VALUE_NAME)
            if cell is None:
                continue
            start, end = cell
            signature, name_length, size, data_offset, _, flags, _ = layout.VALUE_NODE.unpack_from(
                self.data, start
            )
            if signature != layout.VALUE_SIGNATURE:
                self.report("vk-sig", offset, "The key value does not start with vk.")
                continue
            start += layout.VALUE_NAME
            if start + name_length > end:
                self.report("vk-name", offset, f"The value's name of {name_length} bytes leaves its cell.")
                continue
            one_byte = bool(flags & layout.VALUE_NAME_IS_ONE_BYTE)
            name = decode_name(self.data[start : start + name_length], one_byte=one_byte)
            if not one_byte and name_length and all(ord(character) < 0x100 for character in name):
                self.report("name-encoding", offset, "The name would fit in one byte per character.")
            uppercased = upper(name)
            if uppercased in names:
                self.report(
                    "dup-value", offset, f"The key at 0x{key:X} has two values named {shown_text(name)}."
                )
            names.add(uppercased)
            longest_name = max(longest_name, 2 * name_length if one_byte else name_length)
            longest_data = max(longest_data, size & ~layout.DATA_IS_INLINE)
            self.value_data(offset, size, data_offset, flags)
        return longest_name, longest_data

    def value_data(self, value: int, size: int, data_offset: int, flags: int) -> None:
        if size & layout.DATA_IS_INLINE:
            if size & ~layout.DATA_IS_INLINE > layout.INLINE_LIMIT:
                self.report("data-size", value, "The value keeps more than four bytes in itself.")
            return
        if size == 0:
            if not flags & layout.VALUE_TOMBSTONE:
                self.report("data-size", value, "An empty value must be marked as kept in itself.")
            return
        if size <= layout.BIG_DATA_SEGMENT or self.minor < layout.MINOR_WITH_BIG_DATA:
            found = self.cells.take(data_offset, "data-cell", "value data", 0)
            if found is not None and found[1] - found[0] < size:
                self.report("data-size", data_offset, f"The value has {size} bytes, its cell has fewer.")
            return
        found = self.cells.take(data_offset, "bigdata", "big data record", layout.BIG_DATA.size)
        if found is None:
            return
        signature, count, list_offset = layout.BIG_DATA.unpack_from(self.data, found[0])
        expected = -(-size // layout.BIG_DATA_SEGMENT)
        if signature != layout.BIG_DATA_SIGNATURE or count != expected:
            self.report(
                "bigdata", data_offset, f"{size} bytes need a big data record of {expected} segments."
            )
            return
        found = self.cells.take(list_offset, "bigdata", "big data segment list", 4 * count)
        if found is None:
            return
        for segment in struct.unpack_from(f"<{count}I", self.data, found[0]):
            needed = min(size, layout.BIG_DATA_SEGMENT)
            self.cells.take(segment, "bigdata", "big data segment", needed)
            size -= needed

    def security(self) -> None:
        """Judge the security cells: those that keys use, and the ring that must link all of them."""
        fields: dict[int, tuple[int, int, int]] = {}
        descriptors: dict[bytes, int] = {}
        pending = list(self.security_uses)[::-1]
        ring: set[int] = set()
        first = pending[-1] if pending else None
        while pending:
            offset = pending.pop()
            if offset in fields:
                continue
            found = self.cells.take(offset, "sk-cell", "key security", layout.SECURITY.size)
            if found is None:
                continue
            start, end = found
            signature, _, forward, backward, references, size = layout.SECURITY.unpack_from(self.data, start)
            if signature != layout.SECURITY_SIGNATURE:
                self.report("sk-sig", offset, "The key security cell does not start with sk.")
                continue
            fields[offset] = forward, backward, references
            start += layout.SECURITY_DESCRIPTOR
            self.descriptor(offset, start, size, end, descriptors)
            if not self.cells.is_owned(forward):
                pending.append(forward)
        at = first
        while at in fields and at not in ring:
            ring.add(at)
            at = fields[at][0]
        for offset, (forward, backward, references) in fields.items():
            if references != self.security_uses[offset]:
                message = f"The count is {references}, but {self.security_uses[offset]} keys use it."
                is_low = references < self.security_uses[offset]
                self.report("sk-refcount-low" if is_low else "sk-refcount", offset, message)
            if forward not in fields or fields[forward][1] != offset:
                self.report("sk-ring", offset, f"The next cell, 0x{forward:X}, does not link back.")
            elif backward not in fields:
                self.report("sk-ring", offset, f"The cell before, 0x{backward:X}, is none.")
            if offset not in ring:
                self.report("sk-unlinked", offset, "The cell is not in the ring of key security cells.")

    def descriptor(self, offset: int, start: int, size: int, end: int, seen: dict[bytes, int]) -> None:
        if size < layout.DESCRIPTOR_MINIMUM or start + size > end:
            self.report("sk-descriptor", offset, f"The descriptor of {size} bytes does not fit its cell.")
            return
        descriptor = self.data[start : start + size]
        control = layout.U16.unpack_from(descriptor, 2)[0]
        if descriptor[0] != layout.DESCRIPTOR_REVISION or not control & layout.DESCRIPTOR_SELF_RELATIVE:
            self.report("sk-descriptor", offset, "The descriptor is not revision 1 and self-relative.")
        if seen.setdefault(descriptor, offset) != offset:
            self.report(
                "sk-duplicate", offset, f"The cell at 0x{seen[descriptor]:X} has this descriptor too."
            )
