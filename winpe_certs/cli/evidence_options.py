"""What the options of a changing command say of the evidence of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from winpe_certs.workflows.evidence.watching import EvidenceOptions, Given
    from winpe_certs.workflows.inputs import Inputs

Value: TypeAlias = bool | str | Path | Sequence[str | Path] | None
"""What an option was given: whether, once, or several times; None or False for one that was not."""


def evidence_options(
    path: Path | None,
    change_id: str | None,
    *,
    redacted: bool,
    overwrite: bool,
    overrides: Mapping[str, Value],
    given: Mapping[str, Value],
    inputs: Iterable[Inputs],
) -> EvidenceOptions | None:
    """Where evidence goes and what it says of the call; None without ``--evidence``.

    `overrides` let pass what is refused without them, `given` decide otherwise what is done. Raises
    `UsageError` for options that only evidence has.
    """
    if path is not None:
        from winpe_certs.workflows.evidence.watching import EvidenceOptions

        return EvidenceOptions(
            path,
            change_id,
            redacted,
            overwrite,
            tuple(_given(overrides)),
            tuple(_given(given)),
            {thumbprint: source for each in inputs for thumbprint, source in each.sources.items()},
        )
    if change_id is not None or redacted:
        from winpe_certs.errors import UsageError

        raise UsageError(
            f"{'--redact' if redacted else '--change-id'}: there is no evidence to put it in",
            resolution="Add --evidence with the file to write.",
        )
    return None


def replaced_names(texts: Sequence[str] | None, files: Sequence[Path]) -> list[str | Path]:
    """What ``--replace`` was given: thumbprints as texts, and all that may name files as paths."""
    return [text if _is_thumbprint(text, files) else Path(text) for text in texts or ()]


def _is_thumbprint(text: str, files: Sequence[Path]) -> bool:
    from winpe_certs.certs.thumbprints import normalise_thumbprint
    from winpe_certs.errors import UsageError

    if Path(text) in files:
        return False
    try:
        normalise_thumbprint(text)
    except UsageError:
        return False
    return True


def _given(options: Mapping[str, Value]) -> Iterator[Given]:
    from winpe_certs.workflows.evidence.watching import Given

    for name, value in options.items():
        if isinstance(value, bool) or value is None:
            if value:
                yield Given(name)
        elif isinstance(value, str | Path):
            yield Given(name, value)
        else:
            for each in value:
                yield Given(name, each)
