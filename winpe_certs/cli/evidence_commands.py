"""The commands that say what is in an image, for the record. Heavy imports wait until needed."""

from __future__ import annotations

from winpe_certs.cli import options as o
from winpe_certs.cli.output import show, talk
from winpe_certs.cli.progress import ProgressBar


def manifest(
    images: o.WimFiles,
    *,
    index: o.Indexes = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Print a line for each file of an image.

    Folders have lines too. For comparing: path, attributes, security descriptor, times, the SHA-1 of each
    stream, link group. Of one image nothing else is printed, so that diff and sha256sum can be put behind.
    All images of a .wim, each after a line with its name and digest, unless --index names some. A media
    folder stands for its sources/boot.wim.
    """
    from winpe_certs.engines.choose import expand
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows.manifest import manifests
    from winpe_certs.workflows.selection import parse_choice

    talk(verbose=verbose)
    use(codec)
    with ProgressBar(enabled=not quiet) as progress:
        report = manifests(expand(images), index=parse_choice(index or ()), progress=progress)
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def undo(
    image: o.ChangedImage,
    *,
    evidence: o.EvidenceInput,
    dry_run: o.DryRun = False,
    force_managed_copy: o.ForceManagedCopy = False,
    wait: o.Wait = 0,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Make an image what it was before a change.

    For a .wim that was patched in place with --evidence: the old header goes back and what was appended is
    cut off. The result is the original bit for bit, proven by its SHA-256. One that is the original already
    is left as it is. An image that is not exactly what the evidence says is refused. There is no way back
    after DISM or with -o: there, the original is.
    """
    from winpe_certs.engines.codecs import use
    from winpe_certs.engines.setup import Machine
    from winpe_certs.workflows.undo import undo as run

    talk(verbose=verbose)
    use(codec)
    with ProgressBar(enabled=not quiet) as progress:
        report = run(
            image,
            evidence,
            machine=Machine(),
            force_managed_copy=force_managed_copy,
            dry_run=dry_run,
            wait=wait,
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)
