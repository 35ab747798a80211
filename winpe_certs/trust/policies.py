"""Certificate policies along a chain (RFC 5280 section 6.1), for a client that asks for none of its own.

Windows' clients take any policy, so a chain can only fail where a CA demands an explicit one
(`requireExplicitPolicy`) and none runs through the whole chain. Of the tree of RFC 5280 only the lowest level
is kept: that is all the answer needs, and it cannot grow without bound (RFC 9618).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from winpe_certs.certs.certificate import Certificate
from winpe_certs.certs.der import (
    INTEGER,
    SEQUENCE,
    DerError,
    Element,
    expect,
    number,
    object_identifier,
    read_whole,
)
from winpe_certs.certs.extensions import (
    INHIBIT_ANY_POLICY,
    NAMES,
    POLICIES,
    POLICY_CONSTRAINTS,
    POLICY_MAPPINGS,
    read_extension,
)

_ANY: Final = "2.5.29.32.0"
_REQUIRE_EXPLICIT: Final = 0x80
_INHIBIT_MAPPING: Final = 0x81


@dataclass(frozen=True, slots=True)
class _Stated:
    """What one certificate says of policies; None where it says nothing."""

    policies: tuple[str, ...] | None
    mappings: tuple[tuple[str, str], ...]
    require_explicit: int | None
    inhibit_mapping: int | None
    inhibit_any: int | None


@dataclass(slots=True)
class _State:
    """The variables of RFC 5280 section 6.1.2; `level` leads from policies to those expected below."""

    level: dict[str, frozenset[str]]
    explicit: int
    mapping: int
    inhibit_any: int


def policies_hold(certificates: Sequence[Certificate]) -> bool:
    """Whether the policies that the CAs of a chain demand run through it, the server's certificate first.

    Raises `DerError` when an extension about policies cannot be read.
    """
    below_anchor = [(each, _stated(each)) for each in reversed(certificates[:-1])]
    count = len(below_anchor)
    state = _State({_ANY: frozenset({_ANY})}, count + 1, count + 1, count + 1)
    for place, (certificate, stated) in enumerate(below_anchor, start=1):
        is_last = place == count
        _enter(state, stated, takes_any=state.inhibit_any > 0 or (not is_last and certificate.is_self_issued))
        if not state.explicit and not state.level:
            return False
        if is_last:
            state.explicit = max(0, state.explicit - 1)
            if stated.require_explicit == 0:
                state.explicit = 0
        elif not _descend(state, stated, is_self_issued=certificate.is_self_issued):
            return False
    return state.explicit > 0 or bool(state.level)


def _enter(state: _State, stated: _Stated, *, takes_any: bool) -> None:
    """Build the level of a certificate's policies (section 6.1.3 d and e)."""
    if stated.policies is None:
        state.level = {}
        return
    above = state.level
    expected = frozenset().union(*above.values()) if above else frozenset()
    level = {
        policy: frozenset({policy})
        for policy in stated.policies
        if policy != _ANY and (policy in expected or _ANY in above)
    }
    if _ANY in stated.policies and takes_any:
        for policy in expected - level.keys():
            level[policy] = frozenset({policy})
    state.level = level


def _descend(state: _State, stated: _Stated, *, is_self_issued: bool) -> bool:
    """Prepare for the next certificate (section 6.1.4 a to j); False for mappings of any policy."""
    if any(_ANY in pair for pair in stated.mappings):
        return False
    targets: dict[str, set[str]] = {}
    for source, target in stated.mappings:
        targets.setdefault(source, set()).add(target)
    for source, mapped in targets.items():
        if not state.mapping:
            state.level.pop(source, None)
        elif source in state.level or _ANY in state.level:
            state.level[source] = frozenset(mapped)
    if not is_self_issued:
        state.explicit = max(0, state.explicit - 1)
        state.mapping = max(0, state.mapping - 1)
        state.inhibit_any = max(0, state.inhibit_any - 1)
    if stated.require_explicit is not None:
        state.explicit = min(state.explicit, stated.require_explicit)
    if stated.inhibit_mapping is not None:
        state.mapping = min(state.mapping, stated.inhibit_mapping)
    if stated.inhibit_any is not None:
        state.inhibit_any = min(state.inhibit_any, stated.inhibit_any)
    return True


def _stated(certificate: Certificate) -> _Stated:
    if NAMES[POLICIES] in certificate.unread_parts:
        raise DerError(0, "certificate policies that cannot be read")
    elements = certificate.structure.extensions if certificate.structure else None
    values = {each.id: each.value for each in map(read_extension, elements or ())}
    constraints = _constraints(values[POLICY_CONSTRAINTS]) if POLICY_CONSTRAINTS in values else {}
    inhibit_any = values.get(INHIBIT_ANY_POLICY)
    return _Stated(
        policies=certificate.extensions.policies,
        mappings=_mappings(values[POLICY_MAPPINGS]) if POLICY_MAPPINGS in values else (),
        require_explicit=constraints.get(_REQUIRE_EXPLICIT),
        inhibit_mapping=constraints.get(_INHIBIT_MAPPING),
        inhibit_any=number(read_whole(inhibit_any, INTEGER)) if inhibit_any is not None else None,
    )


def _constraints(value: bytes) -> dict[int, int]:
    found = {}
    for each in read_whole(value).children():
        # The tags are implicit: the content is that of a number.
        plain = Element(each.source, INTEGER, each.start, each.content, each.end)
        found[each.tag] = max(0, number(plain))
    return found


def _mappings(value: bytes) -> tuple[tuple[str, str], ...]:
    found = []
    for each in read_whole(value).children():
        pair = expect(each, SEQUENCE, "a policy mapping").children()
        if len(pair) != 2:
            raise DerError(each.start, f"a policy mapping has {len(pair)} parts")
        found.append((object_identifier(pair[0]), object_identifier(pair[1])))
    return tuple(found)
