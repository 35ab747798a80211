"""The commands about certificates alone.

Heavy imports wait until needed.
"""

from __future__ import annotations

from winpe_certs.cli import options as o
from winpe_certs.cli.choices import stores_to_fill
from winpe_certs.cli.output import show, talk


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
    certs: o.CertificateFiles = None,
    *,
    thumbprint: o.LiveThumbprints = None,
    output: o.RegOutput = None,
    overwrite: o.Overwrite = False,
    hive_name: o.HiveName = "winpe-offline",
    store: o.StoreNames = None,
    dry_run: o.DryRun = False,
    report_format: o.ReportFormat = o.Format.TEXT,
    verbose: o.Verbose = 0,
    quiet: o.Quiet = False,
) -> int:
    r"""Write certificates as a .reg file.

    As regedit would have exported it: its keys stand under HKEY_LOCAL_MACHINE\winpe-offline, ready for the
    hive of a mounted image. Without -o each certificate goes to <thumbprint>.reg in the current folder.
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
        stores=stores_to_fill(store),
        moment=Moment.now(),
    )
    return show(report, as_json=report_format is o.Format.JSON, quiet=quiet, verbose=verbose)
