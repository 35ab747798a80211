"""The files that `export` writes: which certificates go into which, and what may not be replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from winpe_certs.certs.certificate_files import Form, as_pem, as_pkcs7
from winpe_certs.certs.regexport import export_reg
from winpe_certs.errors import UsageError
from winpe_certs.files.new import refuse_existing, write_new
from winpe_certs.files.paths import PathKind, path_kind
from winpe_certs.workflows.guards import refuse_image, same_file
from winpe_certs.workflows.outputs import refuse_missing_folder

# What programs expect in a file with such a name.
_EXPECTED: Final = {
    ".reg": {Form.REG},
    ".der": {Form.DER},
    ".cer": {Form.DER, Form.PEM},
    ".crt": {Form.DER, Form.PEM},
    ".pem": {Form.PEM},
    ".p7b": {Form.P7B},
    ".p7c": {Form.P7B},
}
_WORDS: Final = {
    Form.REG: "a .reg file",
    Form.DER: "a certificate in DER",
    Form.PEM: "PEM",
    Form.P7B: "PKCS#7",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A certificate on its way into a file: the Blob and the store are those of a .reg."""

    thumbprint: str
    store: str
    blob: bytes
    certificate: bytes


def files_for(
    items: Sequence[Exported], form: Form, output: Path | None, hive_name: str
) -> dict[Path, bytes]:
    """What to write, by path: all into `output`, or each certificate into ``<thumbprint>.<form>``."""
    if output is not None:
        return {output: _contents(items, form, hive_name)}
    by_thumbprint: dict[str, list[Exported]] = {}
    for item in items:
        by_thumbprint.setdefault(item.thumbprint, []).append(item)
    return {
        Path(f"{thumbprint}.{form}"): _contents(found, form, hive_name)
        for thumbprint, found in by_thumbprint.items()
    }


def refuse_several_in_one(thumbprints: Iterable[str], form: Form, output: Path | None) -> None:
    """Raise `UsageError` when several certificates would go into one file that holds one."""
    count = len(set(thumbprints))
    if form is Form.DER and output is not None and count > 1:
        raise UsageError(
            f"-o {output}: a DER file holds one certificate, and {count} were given",
            resolution="Leave -o out, so that each gets its own file, or use --as pem or --as p7b.",
        )


def write_files(
    files: Mapping[Path, bytes], given: Iterable[Path], *, overwrite: bool, dry_run: bool
) -> None:
    """Write all files, or nothing on a dry run; `given` are files of the call, which none may replace.

    Raises `UsageError` before the first is written.
    """
    given = tuple(given)
    for path in files:
        if path_kind(path) is PathKind.FOLDER:
            raise UsageError(
                f"{path}: this is a folder, and a file cannot take its place",
                resolution="Name a file in it after -o.",
            )
        refuse_missing_folder("-o", path)
        if any(same_file(path, each) for each in given):
            raise UsageError(
                f"-o {path}: this is a file that the command reads",
                resolution="Give the output another name.",
            )
        refuse_existing(path, overwrite=overwrite)
        refuse_image("-o", path)
    if not dry_run:
        for path, data in files.items():
            write_new(path, [data], overwrite=overwrite)


def misleading_name(form: Form, output: Path | None) -> tuple[str, ...]:
    """A warning for an output whose name says that it is something else."""
    expected = _EXPECTED.get(output.suffix.lower()) if output is not None else None
    if expected is None or form in expected:
        return ()
    others = " or ".join(f"--as {each}" for each in Form if each in expected)
    return (f"-o {output}: this is {_WORDS[form]}, whatever its name says; {others} writes what it says",)


def _contents(items: Sequence[Exported], form: Form, hive_name: str) -> bytes:
    if form is Form.REG:
        return export_reg([(item.blob, item.thumbprint, item.store) for item in items], hive_name)
    certificates = list(dict.fromkeys(item.certificate for item in items))
    if form is Form.P7B:
        return as_pkcs7(certificates)
    return as_pem(certificates) if form is Form.PEM else certificates[0]
