"""Text from outside as plain UTF-8 files: unpacked, re-encoded and checked in chunks, never held whole in memory."""

from __future__ import annotations

import codecs
import fnmatch
import gzip
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wareloom.errors import SettingError, SourceError, near
from wareloom.readers._encodings import remedy

CHUNK = 1 << 20
LONGEST_LINE = 16 << 20
"""Bytes of the longest line that is read."""
UTF8 = ("utf-8", "utf8", "")
LOOK = 1 << 16
"""Bytes of a file's start that tell its encoding and its line ends."""
BACKSLASHED = re.compile(rb'\\"(?!["\r\n,;|\t]|$)')
"""A quote sign after a backslash that ends no field: the backslash says that the sign is text."""
NOTE = re.compile(
    r"^(readme|read_me|notes?|licen[cs]e|provenance|copying|changelog|authors|citation)([-_ ].*)?(\.(txt|md|rst))?$",
    re.IGNORECASE,
)
"""Names of texts that tell of the files beside them"""
ESCAPED = re.compile(rb'\\([\\"])')


@dataclass(frozen=True)
class Text:
    """One text file: the name it has outside, and where its UTF-8 text lies."""

    name: str
    path: Path
    told: tuple[str, ...] = ()
    """What was decided while it was read, in sentences"""


@dataclass(frozen=True)
class Piece:
    """One file of a source, perhaps inside a zip archive."""

    path: Path
    member: str = ""
    """Its name inside the archive, else empty"""
    place: int = -1
    """Its place among the archive's members: two of them may have one name"""

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
                (n, place)
                for place, n in enumerate(archive.namelist())
                if not n.endswith("/") and not n.startswith("__MACOSX")
            )
    except zipfile.BadZipFile as error:
        raise SourceError(
            f"{path} is not a whole zip archive ({error}): was its download cut short? Fetch it again."
        ) from error
    if not names:
        raise SourceError(f"{path} is a zip archive without files.")
    return [Piece(path, name, place) for name, place in names]


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
            with (
                zipfile.ZipFile(piece.path) as archive,
                archive.open(_member(archive, piece)) as file,
            ):
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


def _member(archive: zipfile.ZipFile, piece: Piece) -> str | zipfile.ZipInfo:
    """The member that is meant, by its place where two have one name."""
    members = archive.infolist()
    there = 0 <= piece.place < len(members) and members[piece.place].filename == piece.member
    return members[piece.place] if there else piece.member


def head(piece: Piece, size: int = 8192) -> bytes:
    """The first bytes of a piece, unpacked; empty where it cannot be read."""
    try:
        with opened(piece) as file:
            return file.read(size)
    except (SourceError, OSError):
        return b""


def without_notes(found: list[Piece]) -> list[Piece]:
    """The pieces but for texts that tell of the others (README, NOTES.txt); all where there is nothing else."""
    return [p for p in found if not NOTE.match(p.name)] or found


def known(source: str) -> list[Piece]:
    """The pieces of a source but for notes, for `detect`: none where it is not there or damaged."""
    try:
        return without_notes(pieces(source)) if "://" not in source else []
    except (SourceError, OSError):
        return []


def first_line(piece: Piece) -> str:
    """The first line of a text, for `detect`."""
    return start_of(piece).partition("\n")[0]


def start_of(piece: Piece, encoding: str = "utf-8") -> str:
    """The first characters of a text, its line ends as "\\n"; what cannot be decoded is replaced."""
    data = head(piece)
    try:
        text = data.decode(_resolved(data, encoding), errors="replace")
    except LookupError:
        text = data.decode("utf-8", errors="replace")
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


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
    longest: int = LONGEST_LINE,
    advance: Callable[[int], None] = lambda size: None,
) -> Text:
    """Return a piece as UTF-8 text whose lines end with "\\n".

    `advance` hears of the bytes that were looked at. Packed or re-encoded text, and text in which `replace` is done, is
    written to `folder`; other text is only checked.
    Raises `SourceError` for an empty file, a damaged archive, a wrong encoding or a line of more than `longest` bytes.
    """
    try:
        _text_encoding(encoding or "utf-8")
    except LookupError:
        usual = ("utf-8", "utf-16", "latin-1", "cp1252", "gb18030", "big5", "shift_jis")
        raise SettingError(
            f"encoding={encoding!r} is not known.{near(encoding, usual)} For example: {', '.join(usual)}."
        ) from None
    with opened(piece) as file:
        start = head(piece, LOOK)
        codec = _resolved(start, encoding)
        told = []
        if codec not in (encoding, "utf-8-sig", "utf-16", "utf-32"):
            told.append(
                f"{piece.name} has no byte order mark and is read as {codec}; say --set encoding= where that is wrong."
            )
        mac = _ends_with_returns(piece, start) if codec == "utf-8-sig" else False
        if mac:
            told.append(f"{piece.name} ends its lines with a lone carriage return; it is read so.")
        marked = not piece.packed and (codec != "utf-8-sig" or start.startswith(codecs.BOM_UTF8))
        pour = _Pour(piece.where, encoding, codec, replace, mac, longest, advance)
        if piece.packed or marked or replace or mac or encoding.lower() not in UTF8:
            target = folder / f"{len(list(folder.iterdir())):04d}-{piece.name}"
            with target.open("wb") as out:
                size = pour.run(file, out)
        else:
            target, size = piece.path, pour.run(file, None)
    if size == 0:
        raise SourceError(
            f"{piece.where} is empty (0 bytes): was its writing cut short? Write it again, or leave it out."
        )
    return Text(piece.name, target, tuple(told))


def _text_encoding(encoding: str) -> None:
    """Raise `LookupError` where there is no such encoding, or it is one of bytes such as base64 or rot13."""
    try:
        "".encode(encoding)
    except (ValueError, UnicodeError) as error:
        raise LookupError(str(error)) from error


def _ends_with_returns(piece: Piece, start: bytes) -> bool:
    """Whether a text's lines end with carriage returns alone, as old spreadsheets write them."""
    if b"\r" not in start or b"\n" in start:
        return False
    return len(start) < LOOK or b"\n" not in head(piece, CHUNK)


def unescaped(text: Text, folder: Path) -> Text:
    """Text in which a quote sign inside a field is doubled where a backslash stood before it."""
    target = folder / f"{len(list(folder.iterdir())):04d}-{text.name}"
    with text.path.open("rb") as file, target.open("wb") as out:
        held = b""
        while chunk := file.read(CHUNK):
            body = held + chunk
            # A backslash at the very end may belong to what follows.
            cut = len(body.rstrip(b"\\"))
            out.write(_doubled(body[:cut]))
            held = body[cut:]
            if len(held) > CHUNK:
                raise SourceError(f"{text.name} holds a million backslashes in a row.")
            if held:
                more = file.read(1)
                out.write(_doubled(held + more))
                held = b""
        out.write(held)
    return Text(text.name, target, text.told)


def _doubled(body: bytes) -> bytes:
    return ESCAPED.sub(lambda found: b'""' if found[1] == b'"' else found[1], body)


def is_backslashed(path: Path) -> bool:
    """Whether quote signs inside fields stand behind a backslash instead of being doubled."""
    with path.open("rb") as file:
        tail = b""
        while chunk := file.read(CHUNK):
            body = tail + chunk
            if b'\\"' in body and BACKSLASHED.search(body):
                return True
            tail = body[-2:]
    return False


@dataclass(frozen=True)
class _Pour:
    """How a text is checked and, where it has to be, written anew."""

    where: str
    encoding: str
    codec: str
    replace: tuple[bytes, bytes] | None
    returns: bool
    """Whether its lines end with carriage returns alone"""
    longest: int
    advance: Callable[[int], None]

    def run(self, file: IO[bytes], out: IO[bytes] | None) -> int:
        """Check the text of `file` and write it as UTF-8 to `out`; returns its bytes."""
        decoder = codecs.getincrementaldecoder(self.codec)()
        offset, lines, since = 0, 1, 0
        held = b""
        while chunk := file.read(CHUNK):
            try:
                text = decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _encoding_error(self.where, error, offset, lines, self.encoding) from error
            body = text.encode("utf-8") if out else chunk
            if self.returns:
                body = body.replace(b"\r", b"\n")
            count = body.count(b"\n")
            since = since + len(body) if not count else max(len(body) - body.rfind(b"\n") - 1, 0)
            if since > self.longest:
                raise SourceError(
                    f"{self.where}, line {lines + count} is longer than {self.longest >> 20} MiB. Is it text with line "
                    "ends? A JSON array has to be written as one object a line, for example with jq -c '.[]'."
                )
            offset, lines = offset + len(chunk), lines + count
            self.advance(len(chunk))
            if out:
                held = _write(out, held + body, self.replace)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _encoding_error(self.where, error, offset, lines, self.encoding) from error
        if out:
            out.write(held.replace(*self.replace) if self.replace else held)
        return offset


def _write(out: IO[bytes], body: bytes, replace: tuple[bytes, bytes] | None) -> bytes:
    """Write `body`, replaced; the line that is not yet whole is handed back."""
    if replace is None:
        out.write(body)
        return b""
    cut = body.rfind(b"\n") + 1
    out.write(body[:cut].replace(*replace))
    return body[cut:]


def _resolved(start: bytes, encoding: str) -> str:
    """The codec to read with: a byte order mark, or where its zero bytes stand, is believed before the default."""
    if encoding.lower() not in UTF8:
        return encoding
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [start[k::4].count(0) for k in range(4)]
    size = len(start) // 4
    if size < 2 or sum(zeros) < 0.1 * len(start):
        return "utf-8-sig"
    share = [z / size for z in zeros]
    if min(share[2:]) > 0.9 and share[0] < 0.1:
        return "utf-32-le"
    if min(share[:2]) > 0.9 and share[3] < 0.1:
        return "utf-32-be"
    even, odd = share[0] + share[2], share[1] + share[3]
    if odd > 0.2 and even < 0.02:
        return "utf-16-le"
    if even > 0.2 and odd < 0.02:
        return "utf-16-be"
    return "utf-8-sig"


def _encoding_error(
    where: str, error: UnicodeDecodeError, offset: int, lines: int, encoding: str
) -> SourceError:
    byte = error.object[error.start]
    line = lines + error.object[: error.start].count(b"\n")
    place = max(offset + error.start, 0)
    return SourceError(
        f"{where} is not {encoding or 'utf-8'}: byte 0x{byte:02x} near offset {place}, line {line}. "
        + remedy(error.object[:LOOK])
    )
