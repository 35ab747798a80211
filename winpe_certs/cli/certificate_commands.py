"""The commands about certificates alone.

Heavy imports wait until needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winpe_certs.cli import options as o
from winpe_certs.cli.choices import stores_named, stores_to_fill
from winpe_certs.cli.output import show, talk
from winpe_certs.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HIVE_NAME: Final = "winpe-offline"


def check_media_certificate(
    media: o.MediaFile,
    *,
    password_file: o.PasswordFile = None,
    password_env: o.PasswordVariable = None,
    at: o.At = None,
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    """Say whether a PKCS#12 file is fit for boot media.

    It is judged as the client certificate of the media. Exit code 0 means yes, 1 no. The password is
    asked for, or read from a file or an environment variable; it is never shown. The private key is not
    used, kept or shown.
    """
    from winpe_certs.cli.passwords import password_source
    from winpe_certs.workflows.clock import Moment
    from winpe_certs.workflows.media import check_media_certificate as run

    talk(verbose=verbose)
    moment = Moment.now() if at is None else Moment.parse(at)
    report = run(media, password_source(password_file, password_env), moment)
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def export(
    given: o.ExportedFrom = None,
    *,
    thumbprint: o.ExportedThumbprints = None,
    index: o.Indexes = None,
    store: o.StoreNames = None,
    output: o.ExportOutput = None,
    form: o.ExportForm = o.Form.REG,
    overwrite: o.Overwrite = False,
    hive_name: o.HiveName = HIVE_NAME,
    dry_run: o.DryRun = False,
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    r"""Write certificates as .reg or other files.

    Certificates come from files, or by --thumbprint out of images (a media folder or an .iso too), their
    properties as they are stored. A .reg is as regedit would have exported it: its keys are under
    HKEY_LOCAL_MACHINE\winpe-offline, ready for the hive of a mounted image; --as der, pem or p7b is for
    other programs. Without -o each certificate goes to a file of its own in the current folder, named by its
    thumbprint. On Windows, --thumbprint without a file takes it out of the machine's own stores.
    """
    from winpe_certs.certs.certificate_files import Form
    from winpe_certs.engines.choose import expand
    from winpe_certs.workflows.clock import Moment

    talk(verbose=verbose)
    paths = expand(given or ())
    images = _images_among(paths, is_meant=bool(thumbprint))
    _refuse_odd_export(
        images, paths, is_reg=form is o.Form.REG, hive_name=hive_name, index=index, store=store
    )
    if images:
        from winpe_certs.workflows.export_images import export_from_images
        from winpe_certs.workflows.selection import parse_choice

        with ProgressBar(enabled=not quiet) as progress:
            report = export_from_images(
                paths,
                thumbprint or (),
                stores=stores_named(store),
                index=parse_choice(index or ()),
                output=output,
                overwrite=overwrite,
                dry_run=dry_run,
                form=Form(form),
                hive_name=hive_name,
                moment=Moment.now(),
                progress=progress,
            )
    else:
        from winpe_certs.workflows import inputs
        from winpe_certs.workflows.export import export as run
        from winpe_certs.workflows.export import from_live_stores

        report = run(
            inputs.gather(paths, live=from_live_stores(thumbprint or ())),
            hive_name=hive_name,
            output=output,
            overwrite=overwrite,
            dry_run=dry_run,
            form=Form(form),
            stores=stores_to_fill(store),
            moment=Moment.now(),
        )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)


def _images_among(paths: Sequence[Path], *, is_meant: bool) -> list[Path]:
    """The images, hives, media folders and .iso files among paths, by their content.

    The others are read as certificate files. Where an image `is_meant`, `TargetError` or `UsageError` says
    what is wrong with a path that is neither.
    """
    from winpe_certs.engines.choose import is_certificate, recognise
    from winpe_certs.errors import TargetError, UsageError

    images = []
    for path in paths:
        try:
            recognise(path, reading=True)
        except (TargetError, UsageError):
            if is_meant and not is_certificate(path):
                raise
        else:
            images.append(path)
    return images


def _refuse_odd_export(
    images: Sequence[Path],
    paths: Sequence[Path],
    *,
    is_reg: bool,
    hive_name: str,
    index: Sequence[str] | None,
    store: Sequence[str] | None,
) -> None:
    """Raise `UsageError` for a mixture, and for options that would do nothing."""
    from winpe_certs.errors import UsageError

    other = next((path for path in paths if path not in images), None)
    if images and other is not None:
        raise UsageError(
            f"{images[0]} is an image, and {other} is not",
            resolution="Export from images and from certificate files in calls of their own.",
        )
    if index and not images:
        raise UsageError(
            "--index: there is no image among the files to choose from", resolution="Leave --index out."
        )
    if not is_reg and hive_name != HIVE_NAME:
        raise UsageError(
            "--hive-name is for the keys of a .reg file", resolution="Leave it out, or leave --as out."
        )
    if not is_reg and store and not images:
        raise UsageError(
            "--store is for the keys of a .reg file", resolution="Leave it out, or leave --as out."
        )
