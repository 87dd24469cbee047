"""Text from outside as plain UTF-8 files: unpacked, re-encoded and checked in chunks, never held whole in memory."""

from __future__ import annotations

import codecs
import fnmatch
import gzip
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wareloom.errors import SettingError, SourceError, near

CHUNK = 1 << 20
LONGEST_LINE = 16 << 20
"""Bytes of the longest line that is read."""
UTF8 = ("utf-8", "utf8", "")


@dataclass(frozen=True)
class Text:
    """One text file: the name it has outside, and where its UTF-8 text lies."""

    name: str
    path: Path


@dataclass(frozen=True)
class Piece:
    """One file of a source, perhaps inside a zip archive."""

    path: Path
    member: str = ""
    """Its name inside the archive, else empty"""

    @property
    def name(self) -> str:
        """Its own name, without .gz."""
        name = Path(self.member or self.path.name).name
        return name[: -len(".gz")] if name.lower().endswith(".gz") else name

    @property
    def where(self) -> str:
        """Its place, for messages."""
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    @property
    def packed(self) -> bool:
        """Whether it has to be unpacked before it can be read."""
        return bool(self.member) or self.path.suffix.lower() == ".gz"


def pieces(source: str | Path) -> list[Piece]:
    """List the files of a source in order of name: of a folder and its folders, of a pattern, of a zip, or the one
    file."""
    path = Path(source)
    if path.is_dir():
        made = {head.parent for head in path.rglob("shop.json")}
        paths = sorted(
            p for p in path.rglob("*") if p.is_file() and not _passed_over(p, path, made)
        )
    elif path.is_file():
        paths = [path]
    else:
        paths = sorted(p for p in path.parent.glob(path.name) if p.is_file()) if path.name else []
    return [piece for p in paths for piece in _inside(p)]


def _passed_over(path: Path, root: Path, made: set[Path]) -> bool:
    """Whether a file below `root` is hidden, or part of one of the shops `made` there."""
    return any(part.startswith(".") for part in path.relative_to(root).parts) or bool(
        made & set(path.parents)
    )


def _inside(path: Path) -> list[Piece]:
    if path.suffix.lower() != ".zip":
        return [Piece(path)]
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(
                n
                for n in archive.namelist()
                if not n.endswith("/") and not n.startswith("__MACOSX")
            )
    except zipfile.BadZipFile as error:
        raise SourceError(
            f"{path} is not a whole zip archive ({error}): was its download cut short? Fetch it again."
        ) from error
    if not names:
        raise SourceError(f"{path} is a zip archive without files.")
    return [Piece(path, name) for name in names]


def pick(found: list[Piece], *patterns: str) -> list[Piece]:
    """Those pieces whose names fit one of the patterns, capitals aside."""
    return [
        piece
        for piece in found
        if any(fnmatch.fnmatch(piece.name.lower(), p.lower()) for p in patterns)
    ]


@contextmanager
def opened(piece: Piece) -> Iterator[IO[bytes]]:
    """Open a piece, unpacked as it is read; a broken archive raises `SourceError`."""
    try:
        if piece.member:
            with zipfile.ZipFile(piece.path) as archive, archive.open(piece.member) as file:
                yield gzip.GzipFile(fileobj=file) if piece.member.lower().endswith(".gz") else file  # type: ignore[misc]
        elif piece.packed:
            with gzip.open(piece.path, "rb") as file:
                yield file  # type: ignore[misc]
        else:
            with piece.path.open("rb") as file:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{piece.where} is truncated or damaged ({error}): fetch or write it again."
        ) from error
    except (PermissionError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"{piece.where} cannot be opened: {error}.") from error


def head(piece: Piece, size: int = 8192) -> bytes:
    """The first bytes of a piece, unpacked; empty where it cannot be read."""
    try:
        with opened(piece) as file:
            return file.read(size)
    except (SourceError, OSError):
        return b""


def known(source: str) -> list[Piece]:
    """The pieces of a source, for `detect`: none where it is not there or damaged."""
    try:
        return pieces(source) if "://" not in source else []
    except (SourceError, OSError):
        return []


def first_line(piece: Piece) -> str:
    """The first line of a text, for `detect`."""
    return head(piece).partition(b"\n")[0].decode("utf-8", errors="replace").strip("\ufeff\r")


def unpacked(piece: Piece, folder: Path) -> Path:
    """Where the piece's bytes lie as a file of their own; a packed one is unpacked to `folder`."""
    if not piece.packed:
        return piece.path
    target = folder / f"{len(list(folder.iterdir())):04d}-{piece.name}"
    with opened(piece) as file, target.open("wb") as out:
        shutil.copyfileobj(file, out, CHUNK)
    return target


def read_text(
    piece: Piece,
    folder: Path,
    *,
    encoding: str = "utf-8",
    replace: tuple[bytes, bytes] | None = None,
) -> Text:
    """Return a piece as UTF-8 text.

    Packed or re-encoded text, and text in which `replace` is done, is written to `folder`; other text is only checked.
    Raises `SourceError` for an empty file, a damaged archive, a wrong encoding or a line longer than 16 MiB.
    """
    try:
        _text_encoding(encoding or "utf-8")
    except LookupError:
        usual = ("utf-8", "utf-16", "latin-1", "cp1252", "gb18030", "big5", "shift_jis")
        raise SettingError(
            f"encoding={encoding!r} is not known.{near(encoding, usual)} For example: {', '.join(usual)}."
        ) from None
    with opened(piece) as file:
        marked = not piece.packed and head(piece, 4).startswith(
            (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        )
        if piece.packed or marked or replace or encoding.lower() not in UTF8:
            target = folder / f"{len(list(folder.iterdir())):04d}-{piece.name}"
            with target.open("wb") as out:
                size = _pour(file, out, piece.where, encoding, replace)
        else:
            target, size = piece.path, _pour(file, None, piece.where, encoding, None)
    if size == 0:
        raise SourceError(
            f"{piece.where} is empty (0 bytes): was its writing cut short? Write it again, or leave it out."
        )
    return Text(piece.name, target)


def _text_encoding(encoding: str) -> None:
    """Raise `LookupError` where there is no such encoding, or it is one of bytes such as base64 or rot13."""
    try:
        "".encode(encoding)
    except (ValueError, UnicodeError) as error:
        raise LookupError(str(error)) from error


def _pour(
    file: IO[bytes],
    out: IO[bytes] | None,
    where: str,
    encoding: str,
    replace: tuple[bytes, bytes] | None,
) -> int:
    """Check the text of `file` and write it as UTF-8 to `out`; returns its bytes."""
    decoder: codecs.IncrementalDecoder | None = None
    offset, lines, since = 0, 1, 0
    held = b""
    while chunk := file.read(CHUNK):
        if decoder is None:
            decoder = codecs.getincrementaldecoder(_resolved(chunk, encoding))()
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise _encoding_error(where, error, offset, lines, encoding) from error
        body = text.encode("utf-8") if out else chunk
        count = body.count(b"\n")
        since = since + len(body) if not count else max(len(body) - body.rfind(b"\n") - 1, 0)
        if since > LONGEST_LINE:
            raise SourceError(
                f"{where}, line {lines + count} is longer than {LONGEST_LINE >> 20} MiB. Is it text with line ends? "
                "A JSON array has to be written as one object a line, for example with jq -c '.[]'."
            )
        offset, lines = offset + len(chunk), lines + count
        if out:
            held = _write(out, held + body, replace)
    if decoder is not None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _encoding_error(where, error, offset, lines, encoding) from error
    if out:
        out.write(held.replace(*replace) if replace else held)
    return offset


def _write(out: IO[bytes], body: bytes, replace: tuple[bytes, bytes] | None) -> bytes:
    """Write `body`, replaced; the line that is not yet whole is handed back."""
    if replace is None:
        out.write(body)
        return b""
    cut = body.rfind(b"\n") + 1
    out.write(body[:cut].replace(*replace))
    return body[cut:]


def _resolved(chunk: bytes, encoding: str) -> str:
    """The codec to read with: a byte order mark is believed before the default."""
    if encoding.lower() not in UTF8:
        return encoding
    if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _encoding_error(
    where: str, error: UnicodeDecodeError, offset: int, lines: int, encoding: str
) -> SourceError:
    byte = error.object[error.start]
    line = lines + error.object[: error.start].count(b"\n")
    place = max(offset + error.start, 0)
    return SourceError(
        f"{where} is not {encoding or 'utf-8'}: byte 0x{byte:02x} near offset {place}, line {line}. "
        "Say its encoding, for example --set encoding=latin-1 (or gb18030, cp1252, utf-16)."
    )
