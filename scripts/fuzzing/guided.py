"""Coverage-guided fuzzing with atheris: files that reach new lines are kept and changed further.

Runs in a process of its own (``python -m scripts.fuzzing.guided TARGET ...``). The package, and the libraries
that take part of the work, are instrumented as they are imported, so nothing of them may be imported before.
Half of the changes are libFuzzer's, half our own, which know about structure; then checksums are put right.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

SECONDS_EACH: Final = 5
MEMORY_MIB: Final = 1024

INSTRUMENTED: Final = {
    "stored": ["regipy", "Registry"],
    "pkcs12": ["asn1crypto"],
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz a target; libFuzzer ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    options = parser.parse_args(arguments)
    _fuzz(options.target, options.folder, options.seconds)


def _fuzz(name: str, folder: Path, seconds: int) -> None:
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["winpe_certs", *INSTRUMENTED.get(name, [])]):
        campaign = importlib.import_module("scripts.fuzzing.campaign")
        target = campaign.TARGETS[name]
        known = campaign.seeds(name, target.longest)
        for data in known:
            # What is imported late is imported here, while imports are instrumented.
            with contextlib.suppress(Exception):
                target.accepts(data)
    corpus, found = folder / "corpus", folder / "findings"
    for path in (corpus, found):
        path.mkdir(parents=True, exist_ok=True)
    for data in known:
        digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        (corpus / digest).write_bytes(data)
    findings = campaign.Findings(found)

    def feed(data: bytes) -> None:
        # Going on behind a finding finds more than stopping at each.
        try:
            target.accepts(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            findings.add(error, data)

    options = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-timeout={SECONDS_EACH}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={target.longest}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        str(corpus),
    ]
    material = campaign.Material(known, target.words)
    atheris.Setup(options, feed, custom_mutator=_mutator(atheris, campaign, target, material))
    atheris.Fuzz()


def _mutator(atheris: Any, campaign: Any, target: Any, material: Any) -> Callable[[bytes, int, int], bytes]:
    def mutator(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < 0.5:
            changed = bytes(atheris.Mutate(data, most))
            if dice.random() < 0.9:
                changed = target.seal(changed)
        else:
            changed = campaign.changed_file(target, material, dice, data)
        return changed[:most]

    return mutator


if __name__ == "__main__":
    main()
