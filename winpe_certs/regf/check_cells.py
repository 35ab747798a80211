"""What the structure check keeps of a hive: its cells, who owns them, the broken invariants so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from winpe_certs.regf import layout

ALLOCATED: Final = 1
FREE: Final = 2
OWNED: Final = 3


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant. `offset` is a hive offset, or a file position for the base block's own."""

    invariant: str
    offset: int
    message: str


MOST_VIOLATIONS: Final = 100_000


@dataclass(slots=True)
class Cells:
    """The cells of a hive under judgement: `marks` has one byte for every eight bytes of the bins."""

    data: bytes
    bins_size: int
    marks: bytearray
    violations: list[Violation] = field(default_factory=list)

    def report(self, invariant: str, offset: int, message: str) -> None:
        """Note one broken invariant, as long as there are not too many to be of use."""
        if len(self.violations) < MOST_VIOLATIONS:
            self.violations.append(Violation(invariant, offset, message))

    def take(self, offset: int, invariant: str, what: str, minimum: int) -> tuple[int, int] | None:
        """Take ownership of a cell; give its content's file positions, or report and give None."""
        found = self.look(offset, invariant, what, minimum)
        if found is None:
            return None
        slot = offset >> 3
        if self.marks[slot] == OWNED:
            self.report("shared-cell", offset, f"The {what} is referred to more than once.")
            return None
        self.marks[slot] = OWNED
        return found

    def is_owned(self, offset: int) -> bool:
        """Tell whether a structure has taken this cell."""
        return offset >> 3 < len(self.marks) and self.marks[offset >> 3] == OWNED

    def look(self, offset: int, invariant: str, what: str, minimum: int) -> tuple[int, int] | None:
        """Give a cell's content's file positions, or report and give None."""
        slot = offset >> 3
        if offset & 7 or slot >= len(self.marks) or self.marks[slot] not in (ALLOCATED, OWNED):
            self.report(invariant, offset, f"The {what} is not an allocated cell.")
            return None
        start = layout.BASE_BLOCK_SIZE + offset
        end = start - int(layout.I32.unpack_from(self.data, start)[0])
        start += layout.CELL_SIZE_FIELD
        if end - start < minimum:
            self.report(invariant, offset, f"The {what} has {end - start} bytes where {minimum} are needed.")
            return None
        return start, end
