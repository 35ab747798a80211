"""The options of all commands, each declared once so that it means the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from winpe_certs.cli.values import one_of, seconds


class Format(StrEnum):
    """Report formats."""

    TEXT = "text"
    JSON = "json"


class PageFormat(StrEnum):
    """Formats of what can also be a page."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


class Form(StrEnum):
    """What `export` writes."""

    REG = "reg"
    DER = "der"
    PEM = "pem"
    P7B = "p7b"


Images: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE",
        help="A .wim, a folder that an image is mounted in or was applied to, or a SOFTWARE hive.",
        show_default=False,
    ),
]
WimFiles: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE", help="A .wim, or a media folder with one.", show_default=False),
]
WimFile: TypeAlias = Annotated[Path, typer.Argument(metavar="IMAGE", help="A .wim.", show_default=False)]
FirstImage: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="A", help="A .wim, a folder, a SOFTWARE hive or a media folder.", show_default=False
    ),
]
SecondImage: TypeAlias = Annotated[
    Path, typer.Argument(metavar="B", help="The same, to hold against it.", show_default=False)
]
SecondIndexes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--index-b", metavar="N|NAME|all", help="Image in B, when it is another.", show_default=False
    ),
]
BothIndexes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        "-i",
        metavar="N|NAME|all",
        help="Image in both files. Repeatable, or 1,3.",
        show_default=False,
    ),
]
ExportedFrom: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE",
        help="Certificates: DER, PEM, PKCS#7, serialized stores or .reg exports. Or, with --thumbprint, an "
        "image that has them.",
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
        help="Thumbprint as MMC shows it, or a SHA-256; blanks, colons and case do not matter. Repeatable.",
        show_default=False,
    ),
]
Indexes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        "-i",
        metavar="N|NAME|all",
        help="Image in the file, by number or by its name. Repeatable, or 1,3. Needed for changes when the "
        "file has several.",
        show_default=False,
    ),
]
StoreNames: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--store",
        "-s",
        metavar="NAME",
        help="AuthRoot, ROOT, CA, Disallowed ...; without it by the kind of certificate. Repeatable.",
        show_default=False,
    ),
]
Allow: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="CODE",
        help="Allow this finding (explain lists the codes). Repeatable.",
        show_default=False,
    ),
]
Skip: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="CODE",
        help="Leave out certificates with this finding, and put the others in. Repeatable.",
        show_default=False,
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
ChainFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--chain",
        metavar="FILE",
        help="The server's certificate and its intermediates: PEM, DER or PKCS#7.",
        show_default=False,
    ),
]
ExpectedChain: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--expect-chain",
        metavar="FILE",
        help="Commit only if the image then trusts this server (with --hostname).",
        show_default=False,
    ),
]
Replaced: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--replace",
        metavar="SHA1",
        help="Thumbprint of an old certificate that goes out in the same change; of several images one "
        "that fails does not stop the others. Repeatable.",
        show_default=False,
    ),
]
HostNames: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--hostname",
        metavar="NAME",
        help="Name under which clients reach the server of the chain (or of a single --connect, whose own "
        "name it replaces). Repeatable.",
        show_default=False,
    ),
]
ExpectedNames: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--hostname",
        metavar="NAME",
        help="Name under which clients reach the server of --expect-chain. Repeatable.",
        show_default=False,
    ),
]
ChainNames: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--hostname",
        metavar="NAME",
        help="Name under which clients reach the server of --chain. Repeatable.",
        show_default=False,
    ),
]
ServerFiles: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--server",
        metavar="NAME=FILE",
        help="Another server: its name and its chain. Repeatable.",
        show_default=False,
    ),
]
Connect: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--connect",
        metavar="HOST[:PORT]",
        help="Take the chain from the live server. Repeatable.",
        show_default=False,
    ),
]
ConnectTimeout: TypeAlias = Annotated[
    float,
    typer.Option(
        "--connect-timeout",
        metavar="SECONDS",
        help="Time limit of all servers, 0.1 to 600.",
        parser=seconds("--connect-timeout", 0.1, 600),
    ),
]
At: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="DATE",
        help="Judge as of this date (2027-01-31, or with a time; UTC) instead of now.",
        show_default=False,
    ),
]
MediaFile: TypeAlias = Annotated[
    Path, typer.Argument(metavar="MEDIA.pfx", help="The PKCS#12 file.", show_default=False)
]
PasswordFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Read the password from the first line of this file.",
        show_default=False,
    ),
]
PasswordVariable: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--password-env",
        metavar="NAME",
        help="Read the password from this environment variable.",
        show_default=False,
    ),
]
ExportedThumbprints: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--thumbprint",
        "-t",
        metavar="SHA1",
        help="The certificate to take out of the image; on Windows without one, out of the machine's own "
        "stores. Repeatable.",
        show_default=False,
    ),
]
Apply: TypeAlias = Annotated[bool, typer.Option("--apply", help="Free what is listed.")]
Everything: TypeAlias = Annotated[
    bool, typer.Option("--all", help="With --apply: also what winpe-certs has not mounted itself.")
]
ExportOutput: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", help="Write all certificates here.", show_default=False),
]
ExportForm: TypeAlias = Annotated[
    Form,
    typer.Option(
        "--as",
        metavar="reg|der|pem|p7b",
        help="What to write: a .reg file, or the certificate in DER, PEM or PKCS#7.",
        parser=one_of("--as", Form),
    ),
]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Do and verify everything in memory, write nothing.")
]
FullCheck: TypeAlias = Annotated[
    bool, typer.Option("--full-check", help="Also walk the whole hive and refuse any broken invariant.")
]
Recover: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--recover", help="Replay the log files of a hive that was not closed cleanly, as Windows would."
    ),
]
ForceManagedCopy: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--force-managed-copy",
        help="Change a copy that Configuration Manager manages, or a file with several hard links.",
    ),
]
EvidenceOutput: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--evidence",
        metavar="FILE",
        help="Record the change as JSON, for audit and for `undo`.",
        show_default=False,
    ),
]
ChangeId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--change-id", metavar="TEXT", help="Number of the change, for the evidence.", show_default=False
    ),
]
Redact: TypeAlias = Annotated[
    bool, typer.Option("--redact", help="Omit user, host and paths from the evidence.")
]
EvidenceInput: TypeAlias = Annotated[
    Path,
    typer.Option("--evidence", metavar="FILE", help="The evidence of the change.", show_default=False),
]
HeldEvidence: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--evidence",
        metavar="FILE",
        help="Instead of certificates: hold the image against the evidence of a change.",
        show_default=False,
    ),
]
ChangedImage: TypeAlias = Annotated[
    Path, typer.Argument(metavar="IMAGE", help="The .wim that was changed in place.", show_default=False)
]
CodecName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--codec",
        metavar="NAME",
        help="Codec for .wim chunks: auto (libwim where it is installed), python or libwim.",
    ),
]
EngineName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--engine", metavar="NAME", help="auto (DISM on Windows, direct elsewhere), direct or dism."
    ),
]
HiveEditor: TypeAlias = Annotated[
    str,
    typer.Option(
        "--hive-editor", metavar="NAME", help="native, or reg: let reg.exe write the hive of a mounted image."
    ),
]
DismPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--dism", metavar="PATH", help="DISM.exe to use; the ADK's comes first.", show_default=False
    ),
]
RegPath: TypeAlias = Annotated[
    Path | None, typer.Option("--reg", metavar="PATH", help="reg.exe to use.", show_default=False)
]
MountFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option("--mount-dir", metavar="PATH", help="Empty folder to mount in.", show_default=False),
]
ScratchFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--scratch-dir", metavar="PATH", help="Folder for DISM's scratch files.", show_default=False
    ),
]
LogPath: TypeAlias = Annotated[
    Path | None, typer.Option("--log-path", metavar="PATH", help="DISM's log file.", show_default=False)
]
DismTimeout: TypeAlias = Annotated[
    float,
    typer.Option(
        "--dism-timeout",
        metavar="SECONDS",
        help="Time limit of each DISM command, 1 to 604800 (a week).",
        parser=seconds("--dism-timeout", 1, 604_800),
    ),
]
Wait: TypeAlias = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        help="Wait for another program that works on the file, up to 86400 (a day).",
        parser=seconds("--wait", 0, 86_400),
    ),
]
StrictBlob: TypeAlias = Annotated[
    bool, typer.Option("--strict-blob", help="Fail when any stored property differs from the given one.")
]
HiveName: TypeAlias = Annotated[
    str,
    typer.Option("--hive-name", metavar="NAME", help="Name that the offline hive will be loaded under."),
]
ReportFormat: TypeAlias = Annotated[
    Format,
    typer.Option(
        "--format",
        "-f",
        metavar="text|json",
        help="Report format.",
        parser=one_of("--format", Format),
    ),
]
PageReportFormat: TypeAlias = Annotated[
    PageFormat,
    typer.Option(
        "--format",
        "-f",
        metavar="text|markdown|json",
        help="Report format; Markdown only with --evidence.",
        parser=one_of("--format", PageFormat),
    ),
]
Verbose: TypeAlias = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Log each step; twice (-vv): also show tracebacks.",
        show_default=False,
    ),
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing on success.")]
