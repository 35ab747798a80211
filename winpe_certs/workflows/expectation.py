"""What ``inject --expect-chain`` asks of an image before it is committed: that it would trust the server."""

from __future__ import annotations

from winpe_certs.results import ServerResult, Verdict
from winpe_certs.verification.stored import StoredCertificates
from winpe_certs.workflows.check_server import judge_all
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.planning import ExpectationError
from winpe_certs.workflows.servers import Servers


def expect_trust(
    servers: Servers, found: StoredCertificates, moment: Moment, words: tuple[str, ...]
) -> tuple[ServerResult, ...]:
    """The answers for a hive as it is to be; raises `ExpectationError` unless all servers are trusted."""
    answers = judge_all(servers.chains, found, moment, words)
    refused = [answer for answer in answers if answer.verdict is not Verdict.TRUSTED]
    if refused:
        image = words[0] if len(words) == 1 else f"{words[0]}, image {words[-1]}"
        raise ExpectationError(
            f"{image}: not changed, for it would still not trust {refused[0].server}",
            answers,
            details="\n".join(f"{answer.server}: {answer.verdict}" for answer in refused),
            resolution="The reasons are above, each with its remedy. Certificates that are missing can go "
            "in by the same command: --cert, repeatable.",
        )
    return answers
