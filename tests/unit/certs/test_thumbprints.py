"""Thumbprints as people paste them, and what is said of those that are none."""

from __future__ import annotations

import pytest

from winpe_certs.certs.thumbprints import is_sha256, normalise_thumbprint
from winpe_certs.errors import UsageError

T = "B759697225BF14DA7F67596D9A687058C4EBAC60"
PAIRS = ":".join(T[at : at + 2] for at in range(0, 40, 2))
SHA256 = "0123456789ABCDEF" * 4


@pytest.mark.parametrize(
    "text",
    [
        T,
        T.lower(),
        f"\u200e{T}",
        f"?{T.lower()}",
        f"\ufeff{T}\u200f",
        " ".join(T[i : i + 2] for i in range(0, 40, 2)).lower(),
        ":".join(T[i : i + 2] for i in range(0, 40, 2)),
        "-".join(T[i : i + 8] for i in range(0, 40, 8)),
        f"\u00a0{T}\r\n",
        f"\t{T} ",
    ],
    ids=[
        "plain",
        "lower",
        "mmc",
        "mmc-in-ansi-console",
        "marks",
        "blanks",
        "colons",
        "dashes",
        "no-break-blank",
        "tab",
    ],
)
def test_thumbprints_as_pasted(text: str) -> None:
    assert normalise_thumbprint(text) == T


@pytest.mark.parametrize(
    "text",
    [
        f"sha1 Fingerprint={PAIRS}",
        f"SHA1 Fingerprint={PAIRS}\n",
        f"Thumbprint: {T.lower()}",
        f"Thumbprint                                : {T}",
        f"Cert Hash(sha1): {T.lower()}",
        f"Zertifikathash(sha1): {PAIRS.replace(':', ' ').lower()}",
        f"SHA1: {PAIRS}",
    ],
)
def test_labels_of_other_programs_are_passed_over(text: str) -> None:
    assert normalise_thumbprint(text) == T


@pytest.mark.parametrize(
    "text", [SHA256, f"sha256 Fingerprint={SHA256.lower()}", "-".join([SHA256[:32], SHA256[32:]])]
)
def test_a_sha256_is_taken(text: str) -> None:
    assert normalise_thumbprint(text) == SHA256
    assert is_sha256(SHA256)
    assert not is_sha256(T)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{T[:6]}O{T[7:]}", "character 7 is 'O' (U+004F), not a hexadecimal digit"),
        (f"{T[:-1]}G", "character 40 is 'G' (U+0047)"),
        (f"\u200e{T[:-1]}l", "character 41 is 'l' (U+006C)"),
        (f"{T[:-1]}\uff10", "character 40 is '\uff10' (U+FF10, fullwidth digit zero)"),
        (f"\u0410{T[1:]}", "character 1 is '\u0410' (U+0410, cyrillic capital letter a)"),
        (f"sha1 Fingerprint={PAIRS[:-1]}x", "character 76 is 'x' (U+0078)"),
        (f"{T},{T}", "character 41 is ',' (U+002C)"),
        (f"{T}?", "character 41 is '?'"),
        ("contoso", "character 2 is 'o' (U+006F)"),
        (T[:-2], "it has 38 digits, 2 of 40 missing"),
        (f"{T}0", "it has 41 digits, 1 more than the 40 of a thumbprint"),
        (T + T, "as many as two thumbprints have"),
        (T[:32], "as many as a hash of the kind MD5 has"),
        (SHA256[:-1], "it has 63 digits, 1 of 64 missing"),
        (SHA256 + "00", "2 more than the 64"),
        ("", "is empty"),
        ("?" * 40, "is empty"),
        ("Thumbprint:", "is empty"),
        (f"GA:BB{T}", "character 1 is 'G'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        normalise_thumbprint(text)
    assert words in caught.value.message
    assert caught.value.resolution


def test_a_letter_that_looks_like_a_digit_is_pointed_out() -> None:
    with pytest.raises(UsageError) as caught:
        normalise_thumbprint(f"{T[:6]}O{T[7:]}")
    assert "Perhaps it should be the digit zero." in caught.value.details
