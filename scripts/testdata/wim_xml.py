"""Writes the XML document of a WIM file: UTF-16LE with a byte order mark, elements as DISM writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from scripts.testdata.clock import CAPTURED, SERVICED


class Counts(NamedTuple):
    """What the XML counts in an image."""

    directories: int
    files: int
    total_bytes: int
    hard_link_bytes: int


class Described(NamedTuple):
    """What the XML says of an image."""

    name: str
    description: str
    flags: str
    windows: bool
    counts: Counts


_WINDOWS = (
    "<WINDOWS><ARCH>9</ARCH><PRODUCTNAME>Microsoft® Windows® Operating System</PRODUCTNAME>"
    "<EDITIONID>WindowsPE</EDITIONID><INSTALLATIONTYPE>WindowsPE</INSTALLATIONTYPE>"
    "<SERVICINGDATA><IMAGESTATE>IMAGE_STATE_UNDEPLOYABLE</IMAGESTATE></SERVICINGDATA>"
    "<PRODUCTTYPE>WinNT</PRODUCTTYPE><PRODUCTSUITE></PRODUCTSUITE>"
    "<LANGUAGES><LANGUAGE>en-US</LANGUAGE><DEFAULT>en-US</DEFAULT></LANGUAGES>"
    "<VERSION><MAJOR>10</MAJOR><MINOR>0</MINOR><BUILD>26100</BUILD><SPBUILD>1</SPBUILD>"
    "<SPLEVEL>0</SPLEVEL><BRANCH>ge_release</BRANCH></VERSION><SYSTEMROOT>WINDOWS</SYSTEMROOT></WINDOWS>"
)


def _time(name: str, moment: int) -> str:
    high, low = moment >> 32, moment & 0xFFFFFFFF
    return f"<{name}><HIGHPART>0x{high:08X}</HIGHPART><LOWPART>0x{low:08X}</LOWPART></{name}>"


def document(images: Sequence[Described], total_bytes: int) -> bytes:
    """Write the document; `total_bytes` is where it will stand in the file."""
    parts = [f"\ufeff<WIM><TOTALBYTES>{total_bytes}</TOTALBYTES>"]
    for index, image in enumerate(images, 1):
        counts = image.counts
        parts.append(
            f'<IMAGE INDEX="{index}"><DIRCOUNT>{counts.directories}</DIRCOUNT>'
            f"<FILECOUNT>{counts.files}</FILECOUNT><TOTALBYTES>{counts.total_bytes}</TOTALBYTES>"
            f"<HARDLINKBYTES>{counts.hard_link_bytes}</HARDLINKBYTES>"
            + _time("CREATIONTIME", CAPTURED)
            + _time("LASTMODIFICATIONTIME", SERVICED + index)
            + "<WIMBOOT>0</WIMBOOT>"
            + (_WINDOWS if image.windows else "")
            + f"<NAME>{escape(image.name)}</NAME><DESCRIPTION>{escape(image.description)}</DESCRIPTION>"
            f"<FLAGS>{escape(image.flags)}</FLAGS></IMAGE>"
        )
    parts.append("</WIM>")
    return "".join(parts).encode("utf-16-le")
