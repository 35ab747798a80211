"""The command about many images at once. Heavy imports wait until needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from winpe_certs.cli import options as o
from winpe_certs.cli.output import show, talk
from winpe_certs.cli.progress import ProgressBar
from winpe_certs.cli.values import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winpe_certs.workflows.servers import Servers

Places: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Folders with boot images, media or .iso files; .wim and .iso files, SOFTWARE hives.",
        show_default=False,
    ),
]
RequiredRoots: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--require",
        "-r",
        metavar="FILE",
        help="Certificates that every image must have: PEM (one or many), DER, PKCS#7 or .reg. Repeatable.",
        show_default=False,
    ),
]
MinimumDays: TypeAlias = Annotated[
    int,
    typer.Option(
        "--min-days",
        metavar="DAYS",
        help="Required certificates must last this long, 0 to 36500.",
        parser=whole_number("--min-days", 0, 36_500),
    ),
]


def audit(
    paths: Places,
    *,
    require: RequiredRoots = None,
    chain: o.ChainFile = None,
    hostname: o.ChainNames = None,
    server: o.ServerFiles = None,
    min_days: MinimumDays = 90,
    at: o.At = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Check images in folders against requirements.

    Every boot image below them is looked at. Exit code 1 when one does not meet what is required: a
    certificate is missing, expired, about to expire, disallowed or limited, a server is not trusted, or the
    image is dirty or cannot be read. All images of a file are looked at; .iso files are read in place. One
    bad image never stops the rest. Without requirements it tells what there is.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import codecs, use
    from winpe_certs.workflows import inputs
    from winpe_certs.workflows.audit import audit as run
    from winpe_certs.workflows.clock import Moment

    talk(verbose=verbose)
    # A codec that is not there is told before anything is looked for.
    use(codec)
    codecs()
    moment = Moment.now() if at is None else Moment.parse(at)
    required = inputs.gather(require) if require else None
    servers = _servers(chain, hostname or (), server or ())
    with ProgressBar(enabled=not quiet) as progress:
        report = run(
            expand(paths),
            required,
            servers,
            days=min_days,
            moment=moment,
            codec=codec,
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def _servers(chain: Path | None, hostnames: Sequence[str], servers: Sequence[str]) -> Servers | None:
    from winpe_certs.errors import UsageError
    from winpe_certs.workflows.servers import Asked, gather_servers

    if hostnames and chain is None:
        raise UsageError(
            "--hostname: there is no chain to judge by this name",
            resolution="Add --chain with the chain that the server sends; with --server no other "
            "name is needed.",
        )
    if chain is None and not servers:
        return None
    return gather_servers(Asked(chain, tuple(hostnames), tuple(servers)))
