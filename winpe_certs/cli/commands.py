"""The commands: each parses, calls one workflow and hands its report on. Heavy imports wait until needed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from winpe_certs.cli import options as o
from winpe_certs.cli.output import show, talk
from winpe_certs.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from winpe_certs.certs.stores import Store
    from winpe_certs.engines.ahead import HeadStart
    from winpe_certs.workflows.evidence.watching import EvidenceOptions
    from winpe_certs.workflows.servers import Servers


def inject(
    images: o.Images,
    cert: o.Certificates = None,
    *,
    index: o.Index = None,
    store: o.StoreName = "auto",
    allow: o.Allow = None,
    replace: o.Replaced = None,
    expect_chain: o.ExpectedChain = None,
    hostname: o.HostNames = None,
    output: o.Output = None,
    overwrite: o.Overwrite = False,
    dry_run: o.DryRun = False,
    full_check: o.FullCheck = False,
    recover: o.Recover = False,
    force_managed_copy: o.ForceManagedCopy = False,
    evidence: o.EvidenceOutput = None,
    change_id: o.ChangeId = None,
    redact: o.Redact = False,
    engine: o.EngineName = "auto",
    hive_editor: o.HiveEditor = "native",
    dism: o.DismPath = None,
    reg: o.RegPath = None,
    mount_dir: o.MountFolder = None,
    scratch_dir: o.ScratchFolder = None,
    log_path: o.LogPath = None,
    dism_timeout: o.DismTimeout = 3600,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Put certificates into images, verify them there, commit.

    Roots go to AuthRoot as in Microsoft's procedure for CMG boot media, intermediates to CA.
    Doing it twice changes nothing. A certificate that is no CA or has expired is refused unless allowed:
    --allow not-a-ca, --allow expired. With --expect-chain an image that would still not trust that server
    is not changed: exit code 1.
    """
    from winpe_certs.workflows.selection import parse_index

    talk(verbose=verbose)
    chosen = parse_index(index)
    with _head_start(images, chosen, engine, codec) as begun, ProgressBar(enabled=not quiet) as progress:
        from winpe_certs.engines.choose import expand
        from winpe_certs.engines.setup import EngineOptions
        from winpe_certs.workflows import inputs
        from winpe_certs.workflows.allowing import parse_allowed
        from winpe_certs.workflows.clock import Moment
        from winpe_certs.workflows.inject import inject as run
        from winpe_certs.workflows.writing import WriteOptions

        by = EngineOptions(engine, hive_editor, dism, reg, mount_dir, scratch_dir, log_path, dism_timeout)
        report = run(
            expand(images),
            inputs.gather(cert or ()),
            WriteOptions(
                chosen,
                output,
                overwrite,
                dry_run=dry_run,
                full_check=full_check,
                force_managed_copy=force_managed_copy,
                recover=recover,
                keep_going=bool(replace),
                inputs=(*(cert or ()), *(expect_chain or ())),
                evidence=_evidence(evidence, change_id, redacted=redact, overwrite=overwrite),
                head_start=begun,
                engine=by,
            ),
            store=_store(store),
            allowed=parse_allowed(allow or ()),
            replaced=inputs.gather((), replace).wanted if replace else (),
            expected=_expected(_single("--expect-chain", expect_chain), hostname or ()),
            moment=Moment.now(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def remove(
    images: o.Images,
    cert: o.Certificates = None,
    *,
    thumbprint: o.Thumbprints = None,
    index: o.Index = None,
    store: o.StoreName = "auto",
    allow: o.Allow = None,
    output: o.Output = None,
    overwrite: o.Overwrite = False,
    dry_run: o.DryRun = False,
    full_check: o.FullCheck = False,
    recover: o.Recover = False,
    force_managed_copy: o.ForceManagedCopy = False,
    evidence: o.EvidenceOutput = None,
    change_id: o.ChangeId = None,
    redact: o.Redact = False,
    engine: o.EngineName = "auto",
    hive_editor: o.HiveEditor = "native",
    dism: o.DismPath = None,
    reg: o.RegPath = None,
    mount_dir: o.MountFolder = None,
    scratch_dir: o.ScratchFolder = None,
    log_path: o.LogPath = None,
    dism_timeout: o.DismTimeout = 3600,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Take certificates out of images again.

    Without --store they are taken out of AuthRoot, ROOT and CA.
    Roots that Windows itself needs, though expired, are refused: --allow required-root.
    """
    from winpe_certs.workflows.selection import parse_index

    talk(verbose=verbose)
    chosen = parse_index(index)
    with _head_start(images, chosen, engine, codec) as begun, ProgressBar(enabled=not quiet) as progress:
        from winpe_certs.engines.choose import expand
        from winpe_certs.engines.setup import EngineOptions
        from winpe_certs.workflows import inputs
        from winpe_certs.workflows.allowing import parse_allowed
        from winpe_certs.workflows.clock import Moment
        from winpe_certs.workflows.remove import remove as run
        from winpe_certs.workflows.writing import WriteOptions

        by = EngineOptions(engine, hive_editor, dism, reg, mount_dir, scratch_dir, log_path, dism_timeout)
        report = run(
            expand(images),
            inputs.gather(cert or (), thumbprint or ()),
            WriteOptions(
                chosen,
                output,
                overwrite,
                dry_run=dry_run,
                full_check=full_check,
                force_managed_copy=force_managed_copy,
                recover=recover,
                inputs=tuple(cert or ()),
                evidence=_evidence(evidence, change_id, redacted=redact, overwrite=overwrite),
                head_start=begun,
                engine=by,
            ),
            store=_store(store),
            allowed=parse_allowed(allow or ()),
            moment=Moment.now(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def verify(
    images: o.Images,
    cert: o.Certificates = None,
    *,
    thumbprint: o.Thumbprints = None,
    index: o.Index = None,
    store: o.StoreName = "auto",
    strict_blob: o.StrictBlob = False,
    full_check: o.FullCheck = False,
    evidence: o.HeldEvidence = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Say whether certificates are in images, intact.

    Exit code 0 means yes, 1 no. A root counts in AuthRoot and in ROOT; with --store only in that store.
    All images of a file are looked at unless --index names one. A media folder stands for its
    sources/boot.wim. With --evidence instead of certificates: whether the image still is what that change
    made it.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows import inputs
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.selection import parse_index
    from winpe_certs.workflows.verify import verify as run

    talk(verbose=verbose)
    use(codec)
    if evidence is not None:
        _refuse_beside_evidence(cert, thumbprint, index, store != "auto", strict_blob, full_check)
        from winpe_certs.workflows.attest import verify_evidence

        with ProgressBar(enabled=not quiet) as progress:
            report = verify_evidence(expand(images), evidence, progress=progress)
        return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)
    with ProgressBar(enabled=not quiet) as progress:
        report = run(
            expand(images),
            inputs.gather(cert or (), thumbprint or ()),
            index=parse_index(index),
            store=_store(store),
            strict_blob=strict_blob,
            full_check=full_check,
            moment=Moment.now(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def list_(
    images: o.Images,
    *,
    index: o.Index = None,
    store: o.StoreName = "auto",
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Show the certificates in the stores of images.

    With dates and findings. With --store only that store. A media folder stands for its sources/boot.wim.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.listing import list_certificates
    from winpe_certs.workflows.selection import parse_index

    talk(verbose=verbose)
    use(codec)
    with ProgressBar(enabled=not quiet) as progress:
        report = list_certificates(
            expand(images),
            index=parse_index(index),
            store=_store(store),
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
    index: o.Index = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Say whether Windows PE from an image would trust a server.

    Exit code 0 means yes for all of them, 1 no. Judges the chain by the stores in the image: roots,
    intermediates, names, dates, uses, revocation reach.
    The answer is trusted, not trusted, or undocumented: a public root that full Windows would fetch.
    Only --connect uses the network. All images of a file are looked at unless --index names one.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows.check_server import check_server as run
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.selection import parse_index
    from winpe_certs.workflows.servers import Asked, gather_servers

    talk(verbose=verbose)
    use(codec)
    asked = Asked(
        _single("--chain", chain),
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
            index=parse_index(index),
            moment=moment,
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def check_media_certificate(
    media: o.MediaFile,
    *,
    password_file: o.PasswordFile = None,
    password_env: o.PasswordVariable = None,
    at: o.At = None,
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    """Say whether a PKCS#12 file is fit for boot media.

    That is, as the client certificate of the media. Exit code 0 means yes, 1 no. The password is asked
    for, or read from a file or an environment variable; it is never shown.
    The private key is not used, kept or shown.
    """
    from winpe_certs.cli.passwords import password_source
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.media import check_media_certificate as run

    talk(verbose=verbose)
    moment = Moment.now() if at is None else Moment.parse(at)
    report = run(media, password_source(password_file, password_env), moment)
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def export(
    certs: o.CertificateFiles = None,
    *,
    thumbprint: o.LiveThumbprints = None,
    output: o.RegOutput = None,
    overwrite: o.Overwrite = False,
    hive_name: o.HiveName = "winpe-offline",
    store: o.StoreName = "auto",
    dry_run: o.DryRun = False,
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = False,
    quiet: o.Quiet = False,
) -> int:
    r"""Write certificates as the .reg file that regedit would have exported.

    Its keys stand under HKEY_LOCAL_MACHINE\winpe-offline, ready for the hive of a mounted image.
    Without -o each certificate is written to <thumbprint>.reg in the current folder.
    On Windows --thumbprint takes a certificate out of the machine's own stores, its properties as they are.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.workflows import inputs
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.export import export as run
    from winpe_certs.workflows.export import from_live_stores

    talk(verbose=verbose)
    report = run(
        inputs.gather(expand(certs or ()), live=from_live_stores(thumbprint or ())),
        hive_name=hive_name,
        output=output,
        overwrite=overwrite,
        dry_run=dry_run,
        store=_store(store),
        moment=Moment.now(),
    )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def _head_start(
    images: Sequence[str], index: int | str | None, engine: str, codec: str
) -> AbstractContextManager[HeadStart | None]:
    """Choose the codec and begin with the first image; what else is needed is imported meanwhile."""
    from winpe_certs.engines.codecs import use

    use(codec)
    if engine == "dism":
        return contextlib.nullcontext()
    from winpe_certs.engines.ahead import head_start
    from winpe_certs.workflows.selection import SOFTWARE_HIVE

    return head_start(Path(images[0]), index if isinstance(index, int) else None, SOFTWARE_HIVE)


def _single(option: str, files: Sequence[Path] | None) -> Path | None:
    """The file of an option that is meant once; the last of several would silently be the only one."""
    from winpe_certs.errors import UsageError

    if files and len(files) > 1:
        raise UsageError(
            f"{option} is given {len(files)} times",
            resolution="It is for one server; give the others with --server NAME=FILE to check-server.",
        )
    return files[0] if files else None


def _expected(chain: Path | None, hostnames: Sequence[str]) -> Servers | None:
    from winpe_certs.errors import UsageError

    if chain is None:
        if hostnames:
            raise UsageError(
                "--hostname: there is no chain to judge by this name",
                resolution="Add --expect-chain FILE, the chain that the server sends.",
            )
        return None
    from winpe_certs.workflows.servers import Asked, gather_servers

    return gather_servers(Asked(chain, tuple(hostnames)))


def _refuse_beside_evidence(*options: object) -> None:
    """What is looked at is what the evidence names; anything asked for besides would be passed over."""
    from winpe_certs.errors import UsageError

    if any(options):
        raise UsageError(
            "--evidence says itself what to look for",
            resolution="Leave --cert, --thumbprint, --index, --store, --strict-blob and --full-check out, or "
            "verify these in a call of its own.",
        )


def _evidence(
    path: Path | None, change_id: str | None, *, redacted: bool, overwrite: bool
) -> EvidenceOptions | None:
    if path is not None:
        from winpe_certs.workflows.evidence.watching import EvidenceOptions

        return EvidenceOptions(path, change_id, redacted, overwrite)
    if change_id is not None or redacted:
        from winpe_certs.errors import UsageError

        raise UsageError(
            f"{'--redact' if redacted else '--change-id'}: there is no evidence to put it in",
            resolution="Add --evidence FILE.",
        )
    return None


def _store(name: str) -> Store | None:
    from winpe_certs.certs.stores import parse_store_name

    return None if name.lower() == "auto" else parse_store_name(name)
