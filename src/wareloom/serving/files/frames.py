"""Records in files that only grow: length, CRC-32 and content; a tail that was torn off is seen and left out."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

HEAD = struct.Struct("<II")
MAGIC = b"WLOG1\n"
"""The first bytes of every file"""
LONGEST = 4 << 20
"""Bytes of a record"""
datasync = getattr(os, "fdatasync", os.fsync)
"""What waits until a file's content is on the disk"""


class Read(NamedTuple):
    """What a file holds."""

    records: list[bytes]
    end: int
    """Bytes up to the end of the last whole record"""
    torn: int
    """Bytes behind it"""


def framed(records: Iterable[bytes]) -> bytes:
    """Lay records out one after the other."""
    pack, crc = HEAD.pack, zlib.crc32
    return b"".join([part for one in records for part in (pack(len(one), crc(one)), one)])


def records_in(content: bytes, start: int = 0) -> Read:
    """Read records from `start` on up to the first that is not whole."""
    found: list[bytes] = []
    at = max(start, len(MAGIC))
    if content[: len(MAGIC)] != MAGIC:
        return Read(found, 0, len(content))
    while at + HEAD.size <= len(content):
        size, crc = HEAD.unpack_from(content, at)
        one = content[at + HEAD.size : at + HEAD.size + size]
        if size > LONGEST or len(one) < size or zlib.crc32(one) != crc:
            break
        found.append(one)
        at += HEAD.size + size
    return Read(found, at, len(content) - at)


def read_records(path: Path) -> Read:
    """Read a whole file."""
    return records_in(path.read_bytes())
