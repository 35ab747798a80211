"""The commands about the machine itself: whether it is fit, and what runs have left. Heavy imports wait."""

from __future__ import annotations

from winpe_certs.cli import options as o
from winpe_certs.cli.output import show, talk


def doctor(
    *,
    dism: o.DismPath = None,
    reg: o.RegPath = None,
    mount_dir: o.MountFolder = None,
    scratch_dir: o.ScratchFolder = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Check whether this machine is ready.

    Programs, rights, room, mounts that were left. Exit code 1 when something that is needed is missing.
    """
    from winpe_certs.engines.codecs import use
    from winpe_certs.engines.setup import EngineOptions, Machine
    from winpe_certs.workflows.doctor import doctor as run

    talk(verbose=verbose)
    use(codec)
    engine = "auto" if dism is None else "dism"
    options = EngineOptions(engine=engine, dism=dism, reg=reg, mount_dir=mount_dir, scratch_dir=scratch_dir)
    report = run(options, Machine())
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def cleanup(
    *,
    apply: o.Apply = False,
    everything: o.Everything = False,
    dism: o.DismPath = None,
    reg: o.RegPath = None,
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """List and free what interrupted runs have left.

    Mounts, loaded hives and work folders are listed, and freed with --apply. What winpe-certs did not
    mount itself is listed, and only touched with --apply --all.
    """
    from winpe_certs.engines.setup import EngineOptions, Machine
    from winpe_certs.workflows.cleanup import cleanup as run

    talk(verbose=verbose)
    report = run(EngineOptions(dism=dism, reg=reg), Machine(), apply=apply, everything=everything)
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)
