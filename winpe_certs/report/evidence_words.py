"""What an evidence file says, in sentences for a reader who looks at nothing else.

No sentence says more than the document shows: that nothing else changed is said only where the manifests and
the differences of the hives leave nothing over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from winpe_certs.evidence.document import (
    Difference,
    EntryChange,
    Evidence,
    ImageEvidence,
    ImagesOf,
    TargetEvidence,
)

_VERBS: Final = {
    "added": "put {what} into {where}",
    "replaced": "put {what} into {where}, over what was stored there under the same thumbprint",
    "removed": "took {what} out of {where}",
    "unchanged": "left {what} as found in {where}",
    "absent": "found {what} not to be in {where}",
}
_SHOWN: Final = 3


def summary(evidence: Evidence) -> Iterator[str]:
    """The sentences: what was done, what else changed, overrides, who confirmed the result."""
    run = evidence.run
    yield f"On {run.started:%Y-%m-%d} at {run.started:%H:%M} UTC {run.command} {_done(evidence)}."
    if run.error is not None:
        yield "It was ended by an error; what is listed here was done before."
    if evidence.targets:
        yield _rest(evidence)
    yield _overrides(evidence)
    if evidence.targets:
        yield _confirmed(evidence)


def images_in_words(images: Iterable[ImagesOf]) -> str:
    """Images by their files: ``boot.wim, images 1-3; SOFTWARE``."""
    return "; ".join(
        each.file
        if not each.indexes
        else f"{each.file}, image{'' if len(each.indexes) == 1 else 's'} {numbers(each.indexes)}"
        for each in images
    )


def numbers(found: Iterable[int]) -> str:
    """Numbers, those in a row as from and to: ``1-3, 7``."""
    rows: list[list[int]] = []
    for number in sorted(set(found)):
        if rows and number == rows[-1][1] + 1:
            rows[-1][1] = number
        else:
            rows.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in rows)


def _done(evidence: Evidence) -> str:
    if not evidence.targets:
        return "changed no file"
    done = {target.file for target in evidence.targets}
    clauses = []
    for status in dict.fromkeys(each.status for group in evidence.certificates for each in group.results):
        groups = [
            group for group in evidence.certificates if any(each.status == status for each in group.results)
        ]
        places = {
            (each.file, index)
            for group in groups
            for each in group.images
            if each.file in done
            for index in each.indexes or (None,)
        }
        names = {
            each.sha1: each.subject or each.sha1
            for group in groups
            for each in group.results
            if each.status == status
        }
        if places:
            files = {file for file, _ in places}
            where = f"{_count(len(places), 'image')} of {_files(sorted(files))}"
            verb = _VERBS.get(status, "recorded as " + status + ": {what} in {where}")
            clauses.append(verb.format(what=_named(list(names.values())), where=where))
    return "; ".join(clauses) or "changed no certificate"


def _named(names: list[str]) -> str:
    count = _count(len(names), "certificate")
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{count} ({'; '.join(names[:_SHOWN])}{more})"


def _files(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} files"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _rest(evidence: Evidence) -> str:
    """What changed beside the certificates, as far as the document shows it."""
    if all(target.before == target.after for target in evidence.targets):
        return "No byte of these files changed."
    others = [name for target in evidence.targets for name in _other_changes(target)]
    if others:
        shown = ", ".join(others[:_SHOWN])
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        return f"Beside the hive there changed: {shown}{more}."
    if not all(_is_shown(target) for target in evidence.targets):
        return "Whether anything else changed is not shown by this evidence."
    if not all(_is_about(evidence, each) for each in evidence.differences):
        return "In the hive there changed more than these certificates; it is listed below."
    if any(target.kind == "folder" for target in evidence.targets):
        return "In the hive nothing else changed; other files of a folder were not compared."
    if any(target.kind == "hive" for target in evidence.targets):
        return "Nothing else in the hive changed: all of its keys and values were compared before and after."
    return "Nothing else in these images changed: their manifests and hives were compared before and after."


def _other_changes(target: TargetEvidence) -> Iterator[str]:
    for image in target.images:
        hive = _entry_of_hive(image)
        for entry in image.changed_entries:
            if image.hive is None or not _is_hive(entry, hive):
                yield entry.path if image.index is None else f"{entry.path} (image {image.index})"


def _entry_of_hive(image: ImageEvidence) -> EntryChange | None:
    path = None if image.hive is None else f"\\{image.hive.path}".upper()
    return next((entry for entry in image.changed_entries if entry.path.upper() == path), None)


def _is_hive(entry: EntryChange, hive: EntryChange | None) -> bool:
    """Whether an entry is the hive, or another name of that very file."""
    if hive is None or hive.before is None or hive.after is None:
        return False
    if entry is hive:
        return True
    return all(
        line is not None and own is not None and _link(line) == _link(own) != ""
        for line, own in ((entry.before, hive.before), (entry.after, hive.after))
    )


def _link(line: str) -> str:
    """What ties the names of a file to each other in a manifest: the link group and the contents."""
    fields = line.split("\t")
    link = next((field for field in fields if field.startswith("link=")), "")
    return link and link + next((field for field in fields if field.startswith("sha1=")), "")


def _is_shown(target: TargetEvidence) -> bool:
    """Whether the document shows all of what changed in the images of a target."""
    if target.kind != "wim":
        return all(image.hive is not None for image in target.images)
    for image in target.images:
        before, after = image.manifest_before, image.manifest_after
        if before is None or after is None:
            return False
        # Digests that differ and no line that does: something is not told.
        if (before != after) != bool(image.changed_entries):
            return False
    return bool(target.images)


def _is_about(evidence: Evidence, difference: Difference) -> bool:
    """Whether all that differs in the hives lies in keys of the certificates, or on the way to them."""
    thumbprints = {each.sha1.upper() for group in evidence.certificates for each in group.results}
    paths = [
        *difference.keys_added,
        *difference.keys_removed,
        *(each.key for each in difference.values),
    ]
    own = [path.upper() for path in paths if thumbprints & set(path.upper().split("\\"))]
    ways = {path.rsplit("\\", count)[0] for path in own for count in range(path.count("\\") + 1)}
    # A value on the way is more than a way.
    return all(path.upper() in ways for path in paths) and all(
        thumbprints & set(each.key.upper().split("\\")) for each in difference.values
    )


def _overrides(evidence: Evidence) -> str:
    if evidence.version == 1:
        return "Which refusals were overridden is not recorded in evidence of version 1."
    if not evidence.run.overrides:
        return "No refusal was overridden."
    given = ", ".join(f"{each.name} {each.value or ''}".rstrip() for each in evidence.run.overrides)
    let_in = {
        each.sha1
        for group in evidence.certificates
        for each in group.results
        if any(finding.allowed for finding in each.findings)
    }
    more = f"; {_count(len(let_in), 'certificate')} had findings that were allowed" if let_in else ""
    return f"Given to override refusals: {given}{more}."


def _confirmed(evidence: Evidence) -> str:
    if evidence.version == 1:
        return "Who confirmed the result is not recorded in evidence of version 1."
    found = [target.confirmed for target in evidence.targets]
    missing = [
        target.file for target in evidence.targets if not target.confirmed or not target.confirmed.readers
    ]
    if missing:
        return f"The result was not confirmed in {_files(missing)}."
    readers = dict.fromkeys(reader for each in found if each for reader in each.readers)
    last = max(each.at for each in found if each)
    return f"The result was confirmed by {' and '.join(readers)}, at {last:%H:%M:%S} UTC on {last:%Y-%m-%d}."
