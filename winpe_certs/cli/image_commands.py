"""The commands about image files as they are: without dead space, and held against each other.

Heavy imports wait until needed.
"""

from __future__ import annotations

from winpe_certs.cli import options as o
from winpe_certs.cli.output import show, talk
from winpe_certs.cli.progress import ProgressBar


def compact(
    image: o.WimFile,
    *,
    output: o.Output = None,
    overwrite: o.Overwrite = False,
    dry_run: o.DryRun = False,
    force_managed_copy: o.ForceManagedCopy = False,
    wait: o.Wait = 0,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Free the space that changes left in an image.

    What a change replaced, a removed certificate too, stays in a .wim as dead bytes. Live contents are copied
    as they are stored, compared with the original, and the copy takes the file's place by rename. A file with
    nothing to save is not touched. --dry-run says how much it would save.
    """
    from winpe_certs.engines.codecs import use
    from winpe_certs.engines.setup import Machine
    from winpe_certs.workflows.compact import compact as run

    talk(verbose=verbose)
    use(codec)
    with ProgressBar(enabled=not quiet) as progress:
        report = run(
            image,
            output=output,
            overwrite=overwrite,
            dry_run=dry_run,
            force_managed_copy=force_managed_copy,
            wait=wait,
            machine=Machine(),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def diff(
    first: o.FirstImage,
    second: o.SecondImage,
    *,
    index: o.BothIndexes = None,
    second_index: o.SecondIndexes = None,
    codec: o.CodecName = "auto",
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Show in which certificates two images differ.

    Of a certificate that both have, the properties that differ are shown. Images are compared by index, or
    in the order of --index and --index-b where both name several; a single one is compared with each of the
    other file. Exit code 0 when all stores are the same, 1 when they differ.
    """
    from winpe_certs.engines.codecs import use
    from winpe_certs.workflows.diff import diff as run
    from winpe_certs.workflows.selection import parse_choice

    talk(verbose=verbose)
    use(codec)
    with ProgressBar(enabled=not quiet) as progress:
        report = run(
            first,
            second,
            index=parse_choice(index or ()),
            second_index=parse_choice(second_index or ()),
            progress=progress,
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)
