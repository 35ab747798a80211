"""Reference counts of key security cells, and the ring that links the cells.

Follows M. Suhanov, "Windows registry file format specification", section "Key security". The count is the
number of key nodes that use the cell. chntpw's reged adds keys without counting them; a count that is too low
is raised to the truth, because Windows would one day free the descriptor while keys still use it.
"""

from __future__ import annotations

from winpe_certs.errors import HiveError
from winpe_certs.regf import layout
from winpe_certs.regf.cells import CellStore
from winpe_certs.shown import shown_bytes


def _read(store: CellStore, offset: int) -> tuple[int, int, int, int]:
    start, end = store.content(offset, "key security", layout.SECURITY.size)
    signature, _, forward, backward, references, size = layout.SECURITY.unpack_from(store.data, start)
    if signature != layout.SECURITY_SIGNATURE:
        raise store.damaged("key security", offset, f"It starts with {shown_bytes(signature)}, not 'sk'.")
    if start + layout.SECURITY.size + size > end:
        raise store.damaged("key security", offset, f"Its descriptor of {size} bytes leaves its cell.")
    return start, forward, backward, max(references, store.security_uses[offset])


def acquire(store: CellStore, offset: int) -> None:
    """Count one more key that uses a key security cell."""
    start, _, _, references = _read(store, offset)
    if references == layout.NONE:
        raise store.damaged("key security", offset, "Its reference count cannot go higher.")
    store.put_u32(start + layout.SECURITY_REFERENCES, references + 1)
    store.security_uses[offset] += 1


def raise_low_counts(store: CellStore) -> int:
    """Raise every count that is too low to the number of keys that use the cell; give how many were."""
    raised = 0
    for offset, uses in store.security_uses.items():
        if uses <= 0:
            continue
        try:
            start, _, _, _ = _read(store, offset)
        except HiveError:
            continue  # damage that no edit touches is no reason to refuse one
        if store.u32(start + layout.SECURITY_REFERENCES) < uses:
            store.put_u32(start + layout.SECURITY_REFERENCES, uses)
            raised += 1
    return raised


def release(store: CellStore, offset: int) -> None:
    """Count one key less; take a cell that no key uses any more out of the ring and free it."""
    start, forward, backward, references = _read(store, offset)
    store.security_uses[offset] -= 1
    if references > 1:
        store.put_u32(start + layout.SECURITY_REFERENCES, references - 1)
        return
    following, _, following_backward, _ = _read_neighbour(store, forward)
    preceding, preceding_forward, _, _ = _read_neighbour(store, backward)
    if following_backward != offset or preceding_forward != offset:
        raise store.damaged(
            "key security", offset, "Its neighbours in the ring of descriptors do not name it."
        )
    store.put_u32(preceding + layout.SECURITY_FORWARD, forward)
    store.put_u32(following + layout.SECURITY_BACKWARD, backward)
    store.free(offset, "key security")


def _read_neighbour(store: CellStore, offset: int) -> tuple[int, int, int, int]:
    start, _ = store.content(offset, "key security", layout.SECURITY.size)
    signature, _, forward, backward, references, _ = layout.SECURITY.unpack_from(store.data, start)
    if signature != layout.SECURITY_SIGNATURE:
        raise store.damaged("key security", offset, f"It starts with {shown_bytes(signature)}, not 'sk'.")
    return start, forward, backward, references
