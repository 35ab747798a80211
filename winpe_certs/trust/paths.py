"""The one door to pyhanko-certvalidator, which builds certification paths and validates them.

It follows RFC 5280 section 6. What is Windows' own stays outside: dates, key sizes, hashes, extended uses,
names and name constraints are judged by `winpe_certs.trust.rules`. The library judges signatures, the right
to issue, path lengths, certificate policies and critical extensions. Why this library: docs/decisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from asn1crypto import x509
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import (
    Authority,
    AuthorityWithCert,
    CertTrustAnchor,
    TrustAnchor,
    TrustQualifiers,
)
from pyhanko_certvalidator.errors import PathBuildingError, ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import AcceptAllAlgorithms
from pyhanko_certvalidator.registry import CertificateRegistry, PathBuilder, TrustManager
from pyhanko_certvalidator.validate import SUPPORTED_EXTENSIONS, validate_path

from winpe_certs.certs.certificate import Certificate
from winpe_certs.errors import CertificateError

# More than honest PKIs need; a hostile file must not keep the search busy.
_MOST_PATHS: Final = 64
_MOST_SEARCHES: Final = 4_000

# Dates are judged elsewhere: at this moment, with this tolerance, the library minds none of them.
_ANY_TIME: Final = datetime(5000, 1, 1, tzinfo=UTC)
_EVERY_DATE: Final = timedelta(days=365 * 4990)

_CACHED: Final = 4096

logging.getLogger("pyhanko_certvalidator").addHandler(logging.NullHandler())
logging.getLogger("pyhanko_certvalidator").propagate = False


@dataclass(frozen=True, slots=True)
class CertificationPath:
    """A chain: the server's certificate first, the trust anchor last.

    If it is not complete, it ends where no issuer was found, or at a root that is no anchor.
    """

    certificates: tuple[Certificate, ...]
    is_complete: bool = True

    @property
    def leaf(self) -> Certificate:
        """The server's certificate."""
        return self.certificates[0]

    @property
    def anchor(self) -> Certificate:
        """The last certificate; the server's own if that is the root."""
        return self.certificates[-1]


def build_paths(
    leaf: Certificate, intermediates: Sequence[Certificate], anchors: Sequence[Certificate]
) -> tuple[CertificationPath, ...]:
    """Every way from a certificate up to an anchor; none is an empty answer.

    Raises `CertificateError` when there are too many ways to try.
    """
    if leaf.is_self_signed:
        # It issued itself: above it there is only its namesake.
        return (CertificationPath((leaf,)),) if leaf in anchors else ()
    between = [each for each in intermediates if not each.is_self_signed]
    known = {each.der: each for each in (leaf, *between, *anchors)}
    start = _load(leaf.der)
    if start is None:
        raise CertificateError(
            f"{leaf.subject}: the server's certificate breaks the rules of X.509",
            details="The library pyhanko-certvalidator cannot read it.",
            resolution="Ask the PKI team to issue it again.",
        )
    manager = _Anchors([loaded for each in anchors if (loaded := _load(each.der)) is not None])
    registry = _Registry()
    registry.register_multiple(loaded for each in between if (loaded := _load(each.der)) is not None)
    found = asyncio.run(_collect(PathBuilder(manager, registry), start))
    return tuple(CertificationPath(tuple(known[der] for der in _bytes_of(path))) for path in found)


def fault_of(path: CertificationPath) -> str | None:
    """What the library has against a chain, in its words; None when it stands."""
    loaded = [_load(each.der) for each in path.certificates]
    if any(each is None for each in loaded):
        return "one of its certificates breaks the rules of X.509"
    # The library looks at the certificates below an anchor. OpenSSL looks at the anchor's too; what Windows
    # does with an unknown critical extension there is not documented, so the stricter reading is taken.
    unknown = loaded[-1].critical_extensions - SUPPORTED_EXTENSIONS
    if unknown:
        return f"a critical extension at its top is not understood: {', '.join(sorted(unknown))}"
    anchor = _anchor(loaded[-1])
    below = list(reversed(loaded[:-1]))
    chain = ValidationPath(anchor, below[:-1], below[-1] if below else None)
    manager = _Anchors([loaded[-1]])
    context = ValidationContext(
        trust_manager=manager,
        certificate_registry=_Registry(),
        moment=_ANY_TIME,
        time_tolerance=_EVERY_DATE,
        algorithm_usage_policy=AcceptAllAlgorithms(),
    )
    try:
        validate_path(context, chain)
    except ValidationError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - it raises whatever damaged extensions make it run into
        return f"it could not be judged ({type(error).__name__}: {error})"
    return None


def is_readable(certificate: Certificate) -> bool:
    """Whether the library can work with a certificate."""
    return _load(certificate.der) is not None


class Issuers:
    """Certificates, to be found by what they may have issued."""

    def __init__(self, certificates: Sequence[Certificate]) -> None:
        self._by_name: dict[str, list[Certificate]] = {}
        for each in certificates:
            loaded = _load(each.der)
            if loaded is not None:
                self._by_name.setdefault(loaded.subject.hashable, []).append(each)

    def of(self, child: Certificate) -> list[Certificate]:
        """Those that carry the issuer's name and fit by their identifiers."""
        loaded = _load(child.der)
        if loaded is None:
            return []
        return [each for each in self._by_name.get(loaded.issuer.hashable, ()) if is_issuer(each, child)]


def is_issuer(candidate: Certificate, child: Certificate) -> bool:
    """Whether a certificate can have issued another, by its name and the identifiers of its key."""
    above, below = _load(candidate.der), _load(child.der)
    return above is not None and below is not None and AuthorityWithCert(above).is_potential_issuer_of(below)


def has_issuer_name(candidate: Certificate, child: Certificate) -> bool:
    """Whether a certificate carries the name that another names as its issuer."""
    above, below = _load(candidate.der), _load(child.der)
    return above is not None and below is not None and bool(below.issuer == above.subject)


class _Certificate(x509.Certificate):  # type: ignore[misc] # asn1crypto is untyped
    """A certificate without its name constraints, which `winpe_certs.trust.constraints` judges.

    The library lacks IP networks and the leading dot of DNS names.
    """

    @property
    def name_constraints_value(self) -> None:
        return None


@lru_cache(_CACHED)
def _load(der: bytes) -> Any:
    """The library's view of a certificate; None if it breaks rules that path building relies on.

    asn1crypto reads on demand, so everything that is asked for later is asked for here.
    """
    with contextlib.suppress(Exception):
        loaded = _Certificate.load(der, strict=True)
        for name in (
            "subject",
            "issuer",
            "key_identifier",
            "authority_key_identifier",
            "authority_issuer_serial",
            "critical_extensions",
            "ca",
            "max_path_length",
            "key_usage_value",
            "self_issued",
            "certificate_policies_value",
        ):
            getattr(loaded, name)
        _ = (loaded.subject.hashable, loaded.issuer.hashable, loaded.issuer_serial, loaded.public_key.sha1)
        return loaded
    return None


def _anchor(loaded: Any) -> CertTrustAnchor:
    """An anchor that limits the length of paths as its certificate says, as Windows and OpenSSL have it."""
    length = loaded.max_path_length
    return CertTrustAnchor(loaded, TrustQualifiers(max_path_length=length, max_aa_path_length=length))


def _bytes_of(path: ValidationPath) -> Iterator[bytes]:
    return (each.dump() for each in reversed(list(path.iter_certs(include_root=True))))


async def _collect(builder: PathBuilder, start: Any) -> list[ValidationPath]:
    found: list[ValidationPath] = []
    paths = builder.async_build_paths_lazy(start)
    try:
        async for path in paths:
            found.append(path)
            if len(found) == _MOST_PATHS:
                break
    except PathBuildingError:
        return []
    finally:
        await paths.cancel()  # type: ignore[no-untyped-call]
    return found


class _Anchors(TrustManager):
    """The anchors, told apart by their bytes: a renewed root with the same name and key is another one."""

    def __init__(self, certificates: Sequence[Any]) -> None:
        self._anchors = {each.dump(): _anchor(each) for each in certificates}

    def as_trust_anchor(self, authority: Authority) -> TrustAnchor | None:
        if not isinstance(authority, AuthorityWithCert):
            return None
        return self._anchors.get(authority.certificate.dump())

    def find_potential_issuers(self, cert: x509.Certificate) -> Iterator[TrustAnchor]:
        return (anchor for anchor in self._anchors.values() if anchor.authority.is_potential_issuer_of(cert))


class _Registry(CertificateRegistry):
    """The intermediates; it ends a search that a hostile set of certificates makes endless."""

    def __init__(self) -> None:
        super().__init__()
        self._searches = 0

    def find_potential_issuers(
        self, cert: x509.Certificate, trust_manager: TrustManager
    ) -> Iterator[TrustAnchor | x509.Certificate]:
        self._searches += 1
        if self._searches > _MOST_SEARCHES:
            raise CertificateError(
                "the certificates make too many chains to try them all",
                details=f"The search ended after {_MOST_SEARCHES} steps.",
                resolution="Give the chain that the server really sends, without further certificates.",
            )
        return super().find_potential_issuers(cert, trust_manager)
