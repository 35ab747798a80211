"""The options of all commands, each declared once so that it means the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer


class Format(StrEnum):
    """Report formats."""

    TEXT = "text"
    JSON = "json"


Images: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE",
        help="A .wim, a folder that an image is mounted in or was applied to, or a SOFTWARE hive.",
        show_default=False,
    ),
]
CertificateFiles: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="CERT",
        help="Certificates: DER, PEM, PKCS#7 or .reg exports.",
        show_default=False,
    ),
]
Certificates: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--cert",
        "-c",
        metavar="FILE",
        help="Certificate: DER, PEM, PKCS#7 or a .reg export. Repeatable.",
        show_default=False,
    ),
]
Thumbprints: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--thumbprint",
        "-t",
        metavar="SHA1",
        help="Thumbprint as MMC shows it; blanks, colons and case do not matter. Repeatable.",
        show_default=False,
    ),
]
Index: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--index",
        "-i",
        metavar="N|all",
        help="Image in the file. Needed for changes when the file has several.",
        show_default=False,
    ),
]
StoreName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--store",
        "-s",
        metavar="NAME",
        help="AuthRoot, ROOT, CA, Disallowed ...; auto picks by the kind of certificate.",
    ),
]
Allow: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--allow", metavar="CODE", help="Go on in spite of this finding. Repeatable.", show_default=False
    ),
]
Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Write here instead (a folder for several images); the original is only read.",
        show_default=False,
    ),
]
RegOutput: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE.reg", help="Write all certificates here.", show_default=False
    ),
]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Do and verify everything in memory, write nothing.")
]
FullCheck: TypeAlias = Annotated[
    bool, typer.Option("--full-check", help="Also walk the whole hive and refuse any broken invariant.")
]
ForceManagedCopy: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--force-managed-copy",
        help="Change a copy that Configuration Manager manages, or a file with several hard links.",
    ),
]
StrictBlob: TypeAlias = Annotated[
    bool, typer.Option("--strict-blob", help="Fail when any stored property differs from the given one.")
]
HiveName: TypeAlias = Annotated[
    str,
    typer.Option("--hive-name", metavar="NAME", help="Name that the offline hive will be loaded under."),
]
ReportFormat: TypeAlias = Annotated[Format, typer.Option("--format", "-f", help="Report format.")]
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose", "-v", help="Tell each step, and where an error came from.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing on success.")]
