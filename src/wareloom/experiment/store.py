"""Where finished pieces lie: bytes by key, in a folder or a bucket. The first writer of a key wins."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from wareloom.errors import OutputError, ServiceError, SettingError, needed

KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]*))?")
ABANDONED = 3600.0
"""Seconds after which a file that is still being written belongs to a process that was killed"""
CONFLICTS = 5
"""Tries of a conditional write that another one crosses"""


class Store(Protocol):
    """Values by key. Several processes on several machines may read and write at once."""

    address: str
    """What `store_at` takes, so that a worker elsewhere opens the same store"""

    def get(self, key: str) -> bytes | None:
        """Return the whole value, or None where there is none."""

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, all of it or nothing; where the key is taken, what is there stays."""

    def discard(self, key: str) -> None:
        """Remove a value, if it is there."""

    def keys(self) -> Iterator[str]:
        """Yield the keys of all values, in no special order."""


def store_at(address: str | Path) -> Store:
    """Open the store at a folder, or at "s3://bucket/prefix"."""
    text = str(address)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return FolderStore(Path(text))
    if scheme != "s3":
        raise SettingError(
            f"Pieces cannot be kept at {scheme}://…; give a folder or s3://bucket/prefix."
        )
    return BucketStore(text)


class FolderStore:
    """One file a key in a folder, which several machines may share.

    A value is written beside and hard-linked to its name, which fails where the name is taken: no reader sees a half.
    """

    def __init__(self, path: Path) -> None:
        """Keep values in `path`, which is made when the first one comes."""
        self.path = Path(path).expanduser().absolute()
        self.address = str(self.path)
        self._swept = False

    def get(self, key: str) -> bytes | None:
        """Return the file's bytes, or None."""
        try:
            return (self.path / _checked(key)).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(
                f"Finished pieces in {self.path} cannot be read: {error.strerror or error}. Choose another folder for "
                "--cache."
            ) from error

    def put(self, key: str, value: bytes) -> None:
        """Write beside and link; raises `OutputError` where the folder cannot be written."""
        whole = self.path / _checked(key)
        partial = self.path / f".{key}.{uuid.uuid4().hex}.partial"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._sweep()
            if whole.exists():
                return
            try:
                with partial.open("xb") as file:
                    file.write(value)
                    file.flush()
                    os.fsync(file.fileno())
                _named_once(partial, whole)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"Cannot keep a finished piece in {self.path}: {error.strerror or error}. Those that are kept stay: "
                "look at the disk and its permissions, or choose another folder."
            ) from error

    def discard(self, key: str) -> None:
        """Remove the file, if it is there; of a folder that only reads it stays."""
        with contextlib.suppress(PermissionError, NotADirectoryError):
            (self.path / _checked(key)).unlink(missing_ok=True)

    def keys(self) -> Iterator[str]:
        """Yield the files' names; those being written begin with a dot and are none."""
        if self.path.is_dir():
            with os.scandir(self.path) as entries:
                names = [e.name for e in entries if KEY.fullmatch(e.name) and e.is_file()]
            yield from names

    def _sweep(self) -> None:
        """Remove what killed processes left half-written, once."""
        if self._swept:
            return
        self._swept = True
        for partial in self.path.glob(".*.partial"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - partial.stat().st_mtime > ABANDONED:
                    partial.unlink()


class BucketStore:
    """One object a key in a bucket that speaks S3, below a prefix.

    Credentials, the region and the endpoint (AWS_ENDPOINT_URL) are read where the AWS tools read them; no message
    shows them. A value is put on the condition that its key is free: object stores show an object whole or not at all.
    """

    def __init__(self, address: str) -> None:
        """Keep values at "s3://bucket/prefix"; the bucket exists already. Nothing is sent before the first call."""
        found = BUCKET.fullmatch(address)
        if found is None:
            raise SettingError(f"{address!r} is no bucket; give s3://bucket/prefix.")
        self.bucket, prefix = found[1], (found[2] or "").strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self.address = f"s3://{self.bucket}/{prefix}".rstrip("/")
        boto3 = needed("boto3", "s3", "A store in a bucket")
        config = needed("botocore.config", "s3", "A store in a bucket").Config(
            retries={"max_attempts": 5, "mode": "standard"}, connect_timeout=10, read_timeout=60
        )
        self._failures = needed("botocore.exceptions", "s3", "A store in a bucket")
        # A region is asked for even where the endpoint knows none.
        region = boto3.session.Session().region_name or "us-east-1"
        with self._said("opened"):
            self._client = boto3.client("s3", config=config, region_name=region)

    def get(self, key: str) -> bytes | None:
        """Return the object's bytes, or None."""
        with self._said("read"):
            try:
                return bytes(self._client.get_object(**self._at(key))["Body"].read())
            except self._client.exceptions.NoSuchKey:
                return None

    def put(self, key: str, value: bytes) -> None:
        """Put on the condition that the key is free; one that crosses ours is waited for."""
        with self._said("written"):
            for attempt in range(CONFLICTS):
                try:
                    self._client.put_object(**self._at(key), Body=value, IfNoneMatch="*")
                    return
                except self._failures.ClientError as error:
                    if _code(error) in ("PreconditionFailed", "412"):
                        return
                    crossed = _code(error) in ("ConditionalRequestConflict", "409")
                    if not crossed or attempt == CONFLICTS - 1:
                        raise
                time.sleep(0.1 * 2**attempt)

    def discard(self, key: str) -> None:
        """Remove the object, if it is there."""
        with self._said("written"):
            self._client.delete_object(**self._at(key))

    def keys(self) -> Iterator[str]:
        """Yield the keys below the prefix, page by page."""
        with self._said("listed"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._prefix):
                names = (entry["Key"][len(self._prefix) :] for entry in page.get("Contents", ()))
                yield from (name for name in names if KEY.fullmatch(name))

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": self._prefix + _checked(key)}

    @contextlib.contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Turn what the client raises into one sentence, without the address of the endpoint or any credential."""
        try:
            yield
        except (self._failures.ClientError, self._failures.BotoCoreError) as error:
            raise ServiceError(
                f"{self.address} cannot be {what} ({_code(error) or type(error).__name__}): check the bucket's name, "
                "AWS_ENDPOINT_URL and the credentials."
            ) from None


def _code(error: Any) -> str:
    """The code that the server gave, or "" where none answered."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _checked(key: str) -> str:
    """A key that is a plain file name on every system."""
    if not KEY.fullmatch(key):
        raise SettingError(f"{key!r} is no key: give letters, digits, '-', '_' and '.'.")
    return key


def _named_once(partial: Path, whole: Path) -> None:
    """Give a file its name unless it is taken."""
    try:
        os.link(partial, whole)
    except FileExistsError:
        return
    except OSError:
        # Some file systems have no hard links: of two writers at the same moment the later one wins there.
        if not whole.exists():
            partial.replace(whole)
