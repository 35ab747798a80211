"""The commands that say what is in images, and whether it will do.

Heavy imports wait until needed.
"""

from __future__ import annotations

from winpe_certs.cli import options as o
from winpe_certs.cli.choices import stores_named
from winpe_certs.cli.output import show, show_markdown, talk
from winpe_certs.cli.progress import ProgressBar


def verify(
    images: o.Images,
    cert: o.Certificates = None,
    *,
    thumbprint: o.Thumbprints = None,
    index: o.Indexes = None,
    store: o.StoreNames = None,
    strict_blob: o.StrictBlob = False,
    full_check: o.FullCheck = False,
    evidence: o.HeldEvidence = None,
    codec: o.CodecName = "auto",
    report_format: o.PageReportFormat = o.PageFormat.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Say whether certificates are in images, intact.

    Exit code 0 means yes, 1 no. A root counts in AuthRoot and in ROOT; with --store only in these stores.
    All images of a file are looked at unless --index names some. A media folder stands for its
    sources/boot.wim. With --evidence instead of certificates: whether the image still is what that change
    made it.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows import inputs
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.selection import parse_choice
    from winpe_certs.workflows.verify import verify as run

    talk(verbose=verbose)
    use(codec)
    if evidence is not None:
        _refuse_beside_evidence(cert, thumbprint, index, store, strict_blob, full_check)
        from winpe_certs.workflows.attest import verify_evidence

        with ProgressBar(enabled=not quiet) as progress:
            report = verify_evidence(expand(images), evidence, progress=progress)
        if report_format is o.PageFormat.MARKDOWN:
            return show_markdown(report, quiet=quiet, verbose=verbose)
        return show(report, as_json=report_format is o.PageFormat.JSON, quiet=quiet, verbose=verbose)
    if report_format is o.PageFormat.MARKDOWN:
        from winpe_certs.errors import UsageError

        raise UsageError(
            "--format markdown: there is no page of this",
            resolution="It goes with --evidence. Choose text or json, or leave --format out.",
        )
    if strict_blob and thumbprint:
        from winpe_certs.errors import UsageError

        raise UsageError(
            "--strict-blob: a thumbprint says nothing of the other properties that are compared",
            resolution="Give the certificate itself with --cert, or leave --strict-blob out.",
        )
    with ProgressBar(enabled=not quiet) as progress:
        report = run(
            paths := expand(images),
            inputs.gather(cert or (), thumbprint or (), targets=paths),
            index=parse_choice(index or ()),
            stores=stores_named(store),
            strict_blob=strict_blob,
            full_check=full_check,
            moment=Moment.now(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.PageFormat.JSON, quiet=quiet, verbose=verbose)


def list_(
    images: o.Images,
    *,
    index: o.Indexes = None,
    store: o.StoreNames = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Show the certificates in the stores of images.

    With dates and findings. With --store only these stores. A media folder stands for its sources/boot.wim.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.listing import list_certificates
    from winpe_certs.workflows.selection import parse_choice

    talk(verbose=verbose)
    use(codec)
    with ProgressBar(enabled=not quiet) as progress:
        report = list_certificates(
            expand(images),
            index=parse_choice(index or ()),
            stores=stores_named(store),
            moment=Moment.now(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def check_server(
    images: o.Images,
    *,
    chain: o.ChainFile = None,
    hostname: o.HostNames = None,
    server: o.ServerFiles = None,
    connect: o.Connect = None,
    connect_timeout: o.ConnectTimeout = 10,
    at: o.At = None,
    index: o.Indexes = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Say whether an image would trust a server.

    Exit code 0 means yes for all of them, 1 no. Judges the chain as Windows PE would from that image, by the
    stores in it: roots, intermediates, names, dates, uses, revocation reach.
    The answer is trusted, not trusted, or undocumented: a public root that full Windows would fetch.
    Only --connect uses the network. All images of a file are looked at unless --index names some.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows.check_server import check_server as run
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.selection import parse_choice
    from winpe_certs.workflows.servers import Asked, gather_servers

    talk(verbose=verbose)
    use(codec)
    asked = Asked(
        chain,
        tuple(hostname or ()),
        tuple(server or ()),
        tuple(connect or ()),
        connect_timeout,
    )
    moment = Moment.now() if at is None else Moment.parse(at)
    with ProgressBar(enabled=not quiet) as progress:
        report = run(
            expand(images),
            gather_servers(asked),
            index=parse_choice(index or ()),
            moment=moment,
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def _refuse_beside_evidence(*options: object) -> None:
    """What is looked at is what the evidence names; anything asked for besides would be passed over."""
    from winpe_certs.errors import UsageError

    if any(options):
        raise UsageError(
            "--evidence says itself what to look for",
            resolution="Leave --cert, --thumbprint, --index, --store, --strict-blob and --full-check out, or "
            "verify these in a call of its own.",
        )
