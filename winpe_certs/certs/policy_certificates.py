r"""Takes the certificates out of a policy file (Registry.pol).

Group policy keeps them below ``Software\Policies\Microsoft\SystemCertificates``. Settings of other kinds are
passed over, with one warning that counts them. Orders that delete a certificate are refused, as for .reg
exports; the names of orders are those of Microsoft, "Registry Policy File Format".
"""

from __future__ import annotations

from winpe_certs.certs.certificate_keys import (
    POLICY_STORES,
    KeyValue,
    StoreKey,
    is_certificate_key,
    judge_key,
    quoted,
    shown,
)
from winpe_certs.certs.entries import MOST_CERTIFICATES, Contents, DamagedEntry
from winpe_certs.certs.policy_file import EXPORT_POLICY, Instruction, PolicyError, instructions
from winpe_certs.certs.stores import BLOB_VALUE
from winpe_certs.errors import CertificateError, NoCertificateError

_ORDER = "**"
_DELETE_VALUE = "**del."
_DELETE_ALL = ("**delvals", "**delvals.")
_DELETE_LISTED = "**deletevalues"
_DELETE_KEYS = "**deletekeys"


def policy_certificates(data: bytes, origin: str) -> Contents:
    """The certificates of a policy file with their Blobs, and warnings about what else it has.

    Raises `CertificateError` when it deletes a certificate or is no policy file of version 1, and
    `NoCertificateError` when it has none.
    """
    contents = Contents()
    keys: dict[str, StoreKey] = {}
    deletions: list[Instruction] = []
    elsewhere = 0
    damage: PolicyError | None = None
    try:
        for each in instructions(data, origin):
            place = f"{origin}, offset {each.offset}"
            if POLICY_STORES.fullmatch(each.key) is None:
                elsewhere += 1
            elif each.name.startswith(_ORDER):
                if _deletes(each):
                    deletions.append(each)
                else:
                    contents.warnings.append(f"{place}: the order {shown(each.name)} is ignored")
            else:
                key = keys.setdefault(each.key.casefold(), StoreKey(each.key, place))
                # Without a name and without data an instruction only creates its key.
                if each.name or each.data:
                    key.values[each.name.casefold()] = KeyValue(each.name, each.type, each.data, place)
    except PolicyError as error:
        damage = error
    _refuse_deletions(deletions, keys, origin, contents)
    for key in keys.values():
        judged = judge_key(key, POLICY_STORES, EXPORT_POLICY)
        contents.warnings += judged.warnings
        if judged.entry is not None:
            contents.found.append(judged.entry)
    if elsewhere:
        settings = "1 setting that is" if elsewhere == 1 else f"{elsewhere} settings that are"
        contents.warnings.append(f"{origin}: {settings} no certificates: ignored")
    _refuse_odd(contents, damage, origin)
    return contents


def _deletes(order: Instruction) -> bool:
    """Whether an order takes a certificate away, or a key that certificates are below."""
    name = order.name.casefold()
    if name.startswith(_DELETE_KEYS):
        return True
    if not is_certificate_key(order.key, POLICY_STORES):
        return False
    if name.startswith(_DELETE_LISTED):
        listed = order.data.decode("utf-16-le", "replace").rstrip("\0").split(";")
        return any(each.strip().casefold() == BLOB_VALUE.casefold() for each in listed)
    return name in _DELETE_ALL or name == _DELETE_VALUE + BLOB_VALUE.casefold()


def _refuse_deletions(
    deletions: list[Instruction], keys: dict[str, StoreKey], origin: str, contents: Contents
) -> None:
    """Refuse a file that takes a certificate away; one that clears a key before it sets it again does not."""
    for each in deletions:
        place = f"{origin}, offset {each.offset}"
        key = keys.get(each.key.casefold())
        is_set = key is not None and BLOB_VALUE.casefold() in key.values
        if is_set and not each.name.casefold().startswith(_DELETE_KEYS):
            contents.warnings.append(f"{place}: the order {shown(each.name)} is ignored: the key is set anew")
            continue
        raise CertificateError(
            f"{place}: this policy file deletes from {shown(each.key)} ({shown(each.name)})",
            details="A certificate file can only add certificates.",
            resolution="Use winpe-certs remove to take a certificate out of an image.",
        )


def _refuse_odd(contents: Contents, damage: PolicyError | None, origin: str) -> None:
    if len(contents.found) > MOST_CERTIFICATES:
        raise CertificateError(
            f"{origin}: more than {MOST_CERTIFICATES} certificates are too many",
            resolution="Give the certificate files (.cer) of those you want.",
        )
    if damage is not None and not contents.found:
        raise damage
    if damage is not None:
        contents.found.append(DamagedEntry(damage))
    if not contents.found:
        raise NoCertificateError(
            f"{origin}: there is no certificate in this policy file",
            details=quoted(contents.warnings),
            resolution="Give the Registry.pol of the group policy that distributes the root, or the root's"
            " certificate file (.cer).",
        )
