"""The targets by name: what is fed to which parser, and how such files are best changed.

The property is always the same: a file gives a result, or an error of this program's own that refuses the
file (or the words on the command line). Anything else that comes out is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scripts.fuzzing import (
    certificate_targets,
    evidence_targets,
    hive_targets,
    image_targets,
    iso_target,
    logs,
    seals,
)
from winpe_certs.errors import ExitCode, WinpeCertsError


def _as_it_is(data: bytes) -> bytes:
    return data


def _nowhere(_: bytes) -> Sequence[range]:
    return ()


@dataclass(frozen=True, slots=True)
class Target:
    """One parser under test.

    `seal` puts right what would refuse a changed file at the first look, `places` are worth changing most,
    `words` are worth inserting, `is_der` asks for changes of whole elements. `longest` bounds inputs.
    """

    parse: Callable[[bytes], None]
    longest: int = 4096
    words: tuple[bytes, ...] = ()
    seal: Callable[[bytes], bytes] = _as_it_is
    places: Callable[[bytes], Sequence[range]] = _nowhere
    is_der: bool = False

    def accepts(self, data: bytes) -> bool:
        """Feed a file: true when it gave a result, false when it was refused; a finding is raised."""
        try:
            self.parse(data)
        except WinpeCertsError as error:
            if error.exit_code not in (ExitCode.REFUSED, ExitCode.USAGE) or not error.message:
                raise
            return False
        return True


_DER: Final = (
    b"\x30\x80",
    b"\x30\x84\x7f\xff\xff\xff",
    b"\x02\x01\x00",
    b"\x05\x00",
    b"\xa0\x03\x02\x01\x02",
    b"\x06\x03\x55\x1d\x1e",
)
_PEM: Final = (
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN PKCS7-----\n",
    b"-----BEGIN TRUSTED CERTIFICATE-----\n",
    b"-----BEGIN EC PRIVATE KEY-----\n",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"REGEDIT4\n",
)
_BLOB: Final = tuple(
    number.to_bytes(4, "little") + b"\x01\0\0\0" + size.to_bytes(4, "little")
    for number in (0x00, 0x02, 0x03, 0x09, 0x13, 0x20, 0x54, 0x68, 0x69, 0x7A, 0x7E, 0x7F)
    for size in (0, 8)
)
_BUNDLES: Final = (
    b"\0\0\0\0CERT",
    bytes(12),
    b"\x21\0\0\0\1\0\0\0\2\0\0\0ab",
    b"PReg\1\0\0\0",
    "[;]".encode("utf-16-le"),
    "Blob\0".encode("utf-16-le"),
    "**DelVals.\0".encode("utf-16-le"),
    b"\x30\x80",
    b"\0\0",
)

_REG: Final = (
    b"REGEDIT4\r\n",
    b"Windows Registry Editor Version 5.00\r\n",
    b"[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SystemCertificates\\ROOT\\Certificates\\",
    b"[-HKEY_LOCAL_MACHINE\\",
    b"[HKEY_CURRENT_USER\\Software\\",
    b"]\r\n",
    b'"Blob"=hex:',
    b"@=hex(2):",
    b"=dword:",
    b'"="',
    b"\\\r\n  ",
    b"\\\\",
    b'\\"',
    b"\\0",
    b";",
    b"\x00\xd8",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
)
_HOST: Final = (
    b"[",
    b"]:",
    b"::1",
    b"%eth0",
    b"xn--",
    b"0x",
    b"\xc3\x9f",
    b"\xe3\x80\x82",
    b"\xd9\xa1",
    b"\xef\xbc\x8e",
    b"\xed\xb2\x80",
    b"*.",
    b"a" * 64,
    b"://",
    b"@",
)
_JSON: Final = (
    b"NaN",
    b"1e999",
    b"9" * 30,
    b"[" * 300,
    b'{"a":',
    b"null",
    b"{},",
    b"\\u0000",
    b"\\ud800",
    b'"way_back": null,',
    b"\xed\xa0\x80",
    b"\r\n",
)
_TAGS: Final = ("<WIM>", "</WIM>", "<IMAGE INDEX='1'>", "</IMAGE>", "<![CDATA[", "]]>", "&#0;", "<!--", "-->")
_XML: Final = tuple(text.encode("utf-16-le") for text in _TAGS)


TARGETS: Final[dict[str, Target]] = {
    "certificate": Target(
        certificate_targets.certificate_file, longest=6000, words=(*_DER, *_PEM, *_BUNDLES), is_der=True
    ),
    "blob": Target(certificate_targets.blob, words=(*_BLOB, *_DER)),
    "trust-list": Target(certificate_targets.trust_list, longest=2000, words=_DER, is_der=True),
    "reg": Target(certificate_targets.reg_file, longest=12_000, words=_REG),
    "pkcs12": Target(certificate_targets.media_store, longest=6000, words=_DER, is_der=True),
    "chain": Target(
        certificate_targets.server_chain, longest=8000, words=_DER, is_der=True, seal=seals.seal_chain
    ),
    "constraints": Target(certificate_targets.name_constraints, longest=2000, words=_DER, is_der=True),
    "evidence": Target(
        evidence_targets.evidence, longest=12_000, words=_JSON, seal=evidence_targets.seal_evidence
    ),
    "host": Target(certificate_targets.host, longest=300, words=_HOST),
    "hive-reader": Target(
        hive_targets.read_hive, longest=1 << 17, seal=seals.seal_hive, places=seals.hive_places
    ),
    "hive-editor": Target(
        hive_targets.edit_hive, longest=1 << 17, seal=seals.seal_hive, places=seals.hive_places
    ),
    "hive-check": Target(
        hive_targets.check_hive, longest=1 << 17, seal=seals.seal_hive, places=seals.hive_places
    ),
    "hive-log": Target(hive_targets.recover_hive, longest=1 << 17, seal=logs.seal, places=logs.places),
    "stored": Target(
        hive_targets.stored_certificates, longest=1 << 17, seal=seals.seal_hive, places=seals.hive_places
    ),
    "wim": Target(image_targets.wim, longest=1 << 16, seal=seals.seal_wim, places=seals.wim_places),
    "wim-patch": Target(
        image_targets.wim_patch, longest=1 << 16, seal=seals.seal_wim, places=seals.wim_places
    ),
    "wim-header": Target(image_targets.wim_header, longest=208),
    "wim-lookup": Target(image_targets.wim_lookup_table),
    "wim-metadata": Target(image_targets.wim_metadata, longest=8192),
    "wim-xml": Target(image_targets.wim_xml, longest=6000, words=_XML),
    "wim-integrity": Target(image_targets.integrity_table, longest=2000),
    "iso": Target(iso_target.iso, longest=1 << 15, places=iso_target.iso_places),
    "lzx": Target(image_targets.lzx, longest=24_000),
    "xpress": Target(image_targets.xpress, longest=24_000),
}
