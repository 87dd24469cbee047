"""Files of pictures, of a folder or an archive, as the table images: one after the other, each looked at first."""

from __future__ import annotations

import os
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake
from wareloom.shop.pictures import LARGEST_FILE, fault, made_for_training
from wareloom.shop.storage import row_group

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
OTHERS = (".svg", ".heic", ".heif")
"""Endings of pictures that are not read as they are: they are set aside, and their reason says what to do"""
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
AT_ONCE = 16 << 20
"""Bytes of pictures that are held at once"""
SCHEMA = {
    "name": pl.String,
    "image": pl.Binary,
    "source_defect": pl.String,
    "purpose": pl.String,
}


@dataclass(frozen=True)
class Found:
    """One file of a source: its name below it, its bytes, and what is wrong with it."""

    name: str
    data: bytes | None = None
    defect: str | None = None


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is a picture, of a kind that is read or not."""
    return name.lower().endswith((*ENDINGS, *OTHERS))


def pictures(folder: str, intake: Intake) -> pl.LazyFrame:
    """Read the pictures of a folder: `ID.jpg`, or `ID/any name.jpg` where a product has several.

    The ids are as they are written, the order that of the names. A picture that cannot be used is set aside with the
    reason. Raises `SourceError` where there is no picture.
    """
    frame = staged(files_of(Path(folder)), intake)
    if frame is None:
        raise SourceError(
            f"images={folder}: there is no picture ({', '.join(ENDINGS)}); name a folder that has some."
        )
    name = pl.col("name")
    first = name.str.split("/").list.first()
    return frame.select(
        pl.when(name.str.contains("/")).then(first).otherwise(stem(name)).alias("item_id"),
        name.alias("image_id"),
        "image",
        "source_defect",
        *told_purpose(frame, intake),
        pl.int_range(1, pl.len() + 1).alias("source_row"),
        name.alias("source_file"),
    )


def told_purpose(frame: pl.LazyFrame, intake: Intake) -> tuple[str, ...]:
    """The column of what pictures are for, where some say of themselves that they were made; the intake says so."""
    made = frame.select(pl.col("purpose").count()).collect().item()
    if not made:
        return ()
    intake.say(
        f"{made:,} pictures say of themselves that they were made, not taken (IPTC's digital source type): they are "
        "kept for training, and no export takes them for photos of products."
    )
    return ("purpose",)


def stem(name: pl.Expr) -> pl.Expr:
    """A file's name below its source without its ending."""
    return name.str.replace(r"\.[^./]*$", "")


def staged(
    found: Iterable[Found], intake: Intake, keep: Callable[[Found], bool] = lambda one: True
) -> pl.LazyFrame | None:
    """Look at pictures and write them to the intake's folder, so many bytes at once: columns of `SCHEMA`.

    None where there is no picture. `keep`: whether a picture is wanted, told before it is looked at.
    """
    parts: list[Path] = []
    names, data, defects, size, total = list[str](), list[bytes | None](), list[str | None](), 0, 0
    purposes = list[str | None]()

    def written() -> None:
        parts.append(intake.folder / f"pictures-{len(list(intake.folder.iterdir()))}.parquet")
        rows = {"name": names, "image": data, "source_defect": defects, "purpose": purposes}
        pl.DataFrame(rows, schema=SCHEMA).write_parquet(
            parts[-1], row_group_size=row_group("images")
        )

    with intake.run.task("pictures") as advance:
        for one in found:
            if not keep(one):
                continue
            wrong = one.defect or (fault(one.data or b"", one.name) or None)
            names.append(one.name)
            data.append(None if wrong else one.data)
            defects.append(wrong)
            own = not wrong and made_for_training(one.data or b"")
            purposes.append("training" if own else None)
            size += len(one.data or b"")
            total += len(one.data or b"")
            advance(1)
            if size >= AT_ONCE:
                written()
                names, data, defects, purposes, size = [], [], [], [], 0
        if names:
            written()
    intake.files["pictures"] = total
    return pl.scan_parquet(parts, glob=False) if parts else None


def files_of(root: Path, others: Callable[[str, bytes], None] | None = None) -> Iterator[Found]:
    """The pictures of a folder or an archive, in the order of names or of the archive; nothing is unpacked to disk.

    A link out of the folder, a name that leads out of the archive, and a file beyond the limit have a defect. `others`
    is given the small files that are no pictures.
    """
    low = root.name.lower()
    if root.is_dir():
        yield from _of_folder(root, root, others)
    elif low.endswith(".zip"):
        yield from _of_zip(root, others)
    elif low.endswith(ARCHIVES):
        yield from _of_tar(root, others)
    else:
        raise SourceError(
            f"{root} is no folder and no archive ({', '.join(ARCHIVES)}); name one of pictures."
        )


def _of_folder(
    folder: Path, root: Path, others: Callable[[str, bytes], None] | None
) -> Iterator[Found]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}.") from error
    for name in names:
        path = folder / name
        below = plain(path.relative_to(root).as_posix())
        if _passed_over(name):
            continue
        if path.is_symlink():
            yield from _of_link(path, root, below)
        elif path.is_dir():
            yield from _of_folder(path, root, others)
        elif is_picture(name):
            yield _of_file(path, below)
        elif others is not None and path.is_file() and path.stat().st_size <= LARGEST_FILE:
            others(below, path.read_bytes())


def _passed_over(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _of_link(path: Path, root: Path, below: str) -> Iterator[Found]:
    """A link: read where it stays within the folder. One to a folder is passed over: it may lead round in circles."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        yield Found(below, None, f"{below} is a link to nothing: copy the picture there.")
        return
    if not target.is_relative_to(root.resolve()):
        yield Found(
            below,
            None,
            f"{below} is a link out of the folder, to {target}: copy the picture there.",
        )
    elif target.is_file() and is_picture(path.name):
        yield _of_file(target, below)


def _of_file(path: Path, below: str) -> Found:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Found(below, None, f"{below} is no plain file: put a picture there.")
        if (size := path.stat().st_size) > LARGEST_FILE:
            return Found(below, None, _too_long(below, size))
        return Found(below, path.read_bytes())
    except OSError as error:
        return Found(below, None, f"{below} cannot be read ({error.strerror}): mend its rights.")


def _too_long(name: str, size: int) -> str:
    return f"{name} has {size:,} bytes, more than {LARGEST_FILE >> 20} MiB: save it smaller, or as JPEG."


def _of_tar(path: Path, others: Callable[[str, bytes], None] | None) -> Iterator[Found]:
    """The members of a tar archive, streamed; nothing is written by a member's name."""
    try:
        with tarfile.open(path, mode="r|*") as archive:
            for member in archive:
                if member.isdir() or _hidden(member.name):
                    continue
                name, wrong = _safe(member.name)
                if not is_picture(name):
                    if others is not None and member.isfile() and member.size <= LARGEST_FILE:
                        file = archive.extractfile(member)
                        others(name, file.read() if file else b"")
                    continue
                if not wrong and not member.isfile():
                    wrong = f"{name} is a link or a device in the archive: pack the picture itself."
                if not wrong and member.size > LARGEST_FILE:
                    wrong = _too_long(name, member.size)
                if wrong:
                    yield Found(name, None, wrong)
                    continue
                file = archive.extractfile(member)
                yield Found(name, file.read() if file else b"")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
        raise SourceError(
            f"{path} is truncated or damaged ({error}): fetch or write it again."
        ) from error


def _of_zip(path: Path, others: Callable[[str, bytes], None] | None) -> Iterator[Found]:
    """The members of a zip archive; what a member says of its size is held to while it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name, wrong = _safe(member.filename)
                if member.is_dir() or _hidden(member.filename):
                    continue
                if not is_picture(name):
                    if others is not None and member.file_size <= LARGEST_FILE:
                        others(name, _some_of(archive, member))
                    continue
                if not wrong and stat.S_ISLNK(member.external_attr >> 16):
                    wrong = f"{name} is a link in the archive: pack the picture itself."
                if not wrong and member.file_size > LARGEST_FILE:
                    wrong = _too_long(name, member.file_size)
                yield Found(name, None if wrong else _some_of(archive, member), wrong or None)
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        raise SourceError(
            f"{path} is truncated, damaged or locked ({error}): fetch or write it again."
        ) from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error


def _some_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        return file.read(LARGEST_FILE + 1)


def _hidden(name: str) -> bool:
    # A name that leads out of the archive is told of, so "." and ".." hide nothing.
    pieces = PurePosixPath(name).parts
    return any(_passed_over(one) and one not in (".", "..") for one in pieces)


def _safe(name: str) -> tuple[str, str]:
    """A member's name as a path below the archive, and what is wrong with it."""
    said = plain(name.replace("\\", "/"))
    parts = [one for one in said.split("/") if one not in ("", ".")]
    if said.startswith("/") or ".." in parts or (parts and parts[0][1:2] == ":"):
        kept = "/".join(one for one in parts if one != "..")
        return kept, f"{said} leads out of the archive: pack it anew with names below one folder."
    return "/".join(parts), ""


def plain(name: str) -> str:
    """A name as one form of Unicode, whatever system wrote it; bytes that are no text are replaced."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", text)
