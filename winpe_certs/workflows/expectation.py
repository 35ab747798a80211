"""What ``inject --expect-chain`` asks of an image before it is committed: that it would trust the server."""

from __future__ import annotations

from collections.abc import Sequence

from winpe_certs.errors import ExpectationError
from winpe_certs.findings import Severity
from winpe_certs.results import ServerResult, Verdict
from winpe_certs.verification.stored import StoredCertificates
from winpe_certs.workflows.check_server import judge_all
from winpe_certs.workflows.clock import Moment
from winpe_certs.workflows.servers import Servers


def expect_trust(
    servers: Servers, found: StoredCertificates, moment: Moment, words: tuple[str, ...]
) -> tuple[ServerResult, ...]:
    """The answers for a hive as it is to be; raises `ExpectationError` unless all servers are trusted."""
    answers = judge_all(servers.chains, found, moment, words)
    refused = [answer for answer in answers if answer.verdict is not Verdict.TRUSTED]
    if refused:
        raise _refusal(refused, words)
    return answers


def _refusal(refused: Sequence[ServerResult], words: tuple[str, ...]) -> ExpectationError:
    lines, commands = [], []
    for answer in refused:
        lines.append(f"{answer.server}: {answer.verdict}")
        for reason in answer.reasons:
            if reason.severity is Severity.ERROR or answer.verdict is Verdict.UNDOCUMENTED:
                name = f" ({reason.winhttp})" if reason.winhttp else ""
                lines.append(f"  {reason.code}{name}: {reason.message}")
                commands += [" ".join(reason.command)] if reason.command else []
    also = f" These may help: {'; '.join(dict.fromkeys(commands))}" if commands else ""
    return ExpectationError(
        f"{words[0]}: not changed, for it would still not trust {refused[0].server}",
        details="\n".join(lines),
        resolution=f"Give the certificates that are missing as well (--cert).{also}",
    )
