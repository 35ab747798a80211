"""The commands that put certificates into images and take them out.

Heavy imports wait until needed.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from winpe_certs.cli import options as o
from winpe_certs.cli.choices import stores_to_empty, stores_to_fill
from winpe_certs.cli.evidence_options import evidence_options, replaced_names
from winpe_certs.cli.output import show, talk
from winpe_certs.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from winpe_certs.cli.evidence_options import Value
    from winpe_certs.engines.ahead import HeadStart
    from winpe_certs.engines.setup import EngineOptions
    from winpe_certs.workflows.selection import Choice
    from winpe_certs.workflows.servers import Servers


def inject(
    images: o.Images,
    cert: o.Certificates = None,
    *,
    index: o.Indexes = None,
    store: o.StoreNames = None,
    allow: o.Allow = None,
    skip: o.Skip = None,
    replace: o.Replaced = None,
    expect_chain: o.ExpectedChain = None,
    hostname: o.ExpectedNames = None,
    output: o.Output = None,
    overwrite: o.Overwrite = False,
    dry_run: o.DryRun = False,
    full_check: o.FullCheck = False,
    recover: o.Recover = False,
    force_managed_copy: o.ForceManagedCopy = False,
    wait: o.Wait = 0,
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
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Put certificates into images, and verify them.

    They are verified there before the commit. Roots go to AuthRoot as in Microsoft's procedure for CMG boot
    media, intermediates to CA. Doing it twice changes nothing. A certificate that is no CA or has expired is
    refused unless allowed: --allow not-a-ca, --allow expired. With --expect-chain an image that would still
    not trust that server is not changed: exit code 1.
    """
    from winpe_certs.workflows.selection import parse_choice

    talk(verbose=verbose)
    chosen = parse_choice(index or ())
    with _head_start(images, chosen, engine, codec) as begun, ProgressBar(enabled=not quiet) as progress:
        from winpe_certs.engines.choose import expand
        from winpe_certs.engines.setup import EngineOptions
        from winpe_certs.workflows import inputs
        from winpe_certs.workflows.allowing import parse_allowed, parse_skipped
        from winpe_certs.workflows.clock import Moment
        from winpe_certs.workflows.inject import inject as run
        from winpe_certs.workflows.writing import WriteOptions

        by = EngineOptions(
            engine, hive_editor, dism, reg, mount_dir, scratch_dir, log_path, dism_timeout, wait
        )
        old = inputs.gather_replaced(replace) if replace else None
        report = run(
            paths := expand(images),
            given := inputs.gather(cert or (), targets=paths, keep_damaged=True),
            WriteOptions(
                chosen,
                output,
                overwrite,
                dry_run=dry_run,
                full_check=full_check,
                force_managed_copy=force_managed_copy,
                recover=recover,
                keep_going=bool(replace),
                inputs=(
                    *given.files,
                    *(old.files if old else ()),
                    *((expect_chain,) if expect_chain else ()),
                ),
                evidence=evidence_options(
                    evidence,
                    change_id,
                    redacted=redact,
                    overwrite=overwrite,
                    overrides={
                        "--allow": allow,
                        "--skip": skip,
                        "--overwrite": overwrite,
                        "--force-managed-copy": force_managed_copy,
                        "--recover": recover,
                    },
                    given={
                        "--index": index,
                        "--store": store,
                        "--replace": replaced_names(replace, old.files if old else ()),
                        "--expect-chain": expect_chain,
                        "--hostname": hostname,
                        "--full-check": full_check,
                        **_tools(by, codec),
                    },
                    inputs=(given, *((old,) if old else ())),
                ),
                head_start=begun,
                engine=by,
            ),
            stores=stores_to_fill(store),
            allowed=parse_allowed(allow or ()),
            skipped=parse_skipped(skip or ()),
            replaced=old,
            expected=_expected(expect_chain, hostname or ()),
            moment=Moment.now(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def remove(
    images: o.Images,
    cert: o.Certificates = None,
    *,
    thumbprint: o.Thumbprints = None,
    index: o.Indexes = None,
    store: o.StoreNames = None,
    allow: o.Allow = None,
    output: o.Output = None,
    overwrite: o.Overwrite = False,
    dry_run: o.DryRun = False,
    full_check: o.FullCheck = False,
    recover: o.Recover = False,
    force_managed_copy: o.ForceManagedCopy = False,
    wait: o.Wait = 0,
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
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Take certificates out of images again.

    Without --store they are taken out of AuthRoot, ROOT and CA; with --store all out of every store but
    Disallowed, those of group policy and the enterprise too.
    Roots that Windows itself needs, though expired, are refused: --allow required-root.
    """
    from winpe_certs.workflows.selection import parse_choice

    stores, everywhere = stores_to_empty(store)
    talk(verbose=verbose)
    chosen = parse_choice(index or ())
    with _head_start(images, chosen, engine, codec) as begun, ProgressBar(enabled=not quiet) as progress:
        from winpe_certs.engines.choose import expand
        from winpe_certs.engines.setup import EngineOptions
        from winpe_certs.workflows import inputs
        from winpe_certs.workflows.allowing import parse_allowed
        from winpe_certs.workflows.clock import Moment
        from winpe_certs.workflows.remove import remove as run
        from winpe_certs.workflows.writing import WriteOptions

        by = EngineOptions(
            engine, hive_editor, dism, reg, mount_dir, scratch_dir, log_path, dism_timeout, wait
        )
        report = run(
            paths := expand(images),
            given := inputs.gather(cert or (), thumbprint or (), targets=paths),
            WriteOptions(
                chosen,
                output,
                overwrite,
                dry_run=dry_run,
                full_check=full_check,
                force_managed_copy=force_managed_copy,
                recover=recover,
                inputs=(*(cert or ()), *given.files),
                evidence=evidence_options(
                    evidence,
                    change_id,
                    redacted=redact,
                    overwrite=overwrite,
                    overrides={
                        "--allow": allow,
                        "--overwrite": overwrite,
                        "--force-managed-copy": force_managed_copy,
                        "--recover": recover,
                    },
                    given={
                        "--index": index,
                        "--store": store,
                        "--full-check": full_check,
                        **_tools(by, codec),
                    },
                    inputs=(given,),
                ),
                head_start=begun,
                engine=by,
            ),
            stores=stores,
            everywhere=everywhere,
            allowed=parse_allowed(allow or ()),
            moment=Moment.now(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def _tools(by: EngineOptions, codec: str) -> dict[str, Value]:
    """The options that choose what does the work, as far as they are not left as they are."""
    return {
        "--engine": None if by.engine == "auto" else by.engine,
        "--hive-editor": None if by.hive_editor == "native" else by.hive_editor,
        "--dism": by.dism,
        "--reg": by.reg,
        "--codec": None if codec == "auto" else codec,
    }


def _head_start(
    images: Sequence[str], index: Choice | None, engine: str, codec: str
) -> AbstractContextManager[HeadStart | None]:
    """Choose the codec and begin with the first image; what else is needed is imported meanwhile."""
    from winpe_certs.engines.codecs import use

    use(codec)
    if engine == "dism":
        return contextlib.nullcontext()
    from winpe_certs.engines.ahead import head_start
    from winpe_certs.workflows.selection import SOFTWARE_HIVE

    return head_start(Path(images[0]), index.single if index else None, SOFTWARE_HIVE)


def _expected(chain: Path | None, hostnames: Sequence[str]) -> Servers | None:
    from winpe_certs.errors import UsageError

    if chain is None:
        if hostnames:
            raise UsageError(
                "--hostname: there is no chain to judge by this name",
                resolution="Add --expect-chain with the chain that the server sends.",
            )
        return None
    from winpe_certs.workflows.servers import Asked, gather_servers

    return gather_servers(Asked(chain, tuple(hostnames)))
