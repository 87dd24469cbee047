"""Versions and slots in a bucket that speaks S3, for replicas that take them from there.

    publish_to("s3://shop/wareloom", model, "home")
    opened("s3://shop/wareloom").roll_back("home")

A version's objects are put first and its manifest last. What is live is one object a slot, its whole history; it is put
on the condition that nobody put another since it was read, so that of two who change it at once one is told so.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from wareloom.errors import InputError, OutputError, ServiceError, SourceError, needed
from wareloom.serving.versions.store import Change, Store, changes_in
from wareloom.serving.versions.version import MANIFEST, check_told

ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([A-Za-z0-9._/-]*))?")
VERSION = re.compile("[0-9a-f]{16}")
TRIES = 5
"""How often a publication that crosses another's change is told anew"""
CONNECT, READ = 2, 20
"""Seconds that a bucket is waited for"""


class Crossed(OutputError):
    """Somebody else changed a slot at the same moment."""


class Bucket(Store):
    """A store's versions and slots below a prefix of a bucket; credentials are read where the AWS tools read them."""

    def __init__(self, address: str) -> None:
        """Nothing is asked yet; raises `InputError` for what is no such address."""
        found = ADDRESS.fullmatch(address)
        if found is None:
            raise InputError(f"{address!r} is no bucket: give s3://BUCKET/PREFIX.")
        super().__init__(Path(os.devnull))
        self.bucket, prefix = found[1], (found[2] or "").strip("/")
        self.prefix = f"{prefix}/" if prefix else ""
        self.address = f"s3://{self.bucket}/{prefix}".rstrip("/")
        boto3 = needed("boto3", "s3", "A store in a bucket")
        config = needed("botocore.config", "s3", "A store in a bucket").Config(
            retries={"max_attempts": 2, "mode": "standard"},
            connect_timeout=CONNECT,
            read_timeout=READ,
        )
        self._failures = needed("botocore.exceptions", "s3", "A store in a bucket")
        transfer = needed("boto3.s3.transfer", "s3", "A store in a bucket")
        self._one_thread = transfer.TransferConfig(use_threads=False)
        region = boto3.session.Session().region_name or "us-east-1"
        with self._said("opened"):
            self._client = boto3.client("s3", config=config, region_name=region)
        self._read: dict[str, tuple[str, bytes]] = {}
        """Tag and content of the slots that were read"""

    def names(self) -> list[str]:
        """Slots, sorted."""
        return sorted(self.tags())

    def tags(self) -> dict[str, str]:
        """Slots, with a tag each that changes with what they say: one request."""
        found = {}
        for key, entry in self._listed("slots/"):
            if key.endswith(".jsonl"):
                found[key.removesuffix(".jsonl")] = str(entry["ETag"])
        return found

    def history(self, slot: str) -> list[Change]:
        """All changes of a slot, oldest first; raises `UnknownNameError` for one that there is not."""
        from wareloom.errors import absent

        content = self.slot(slot)
        if content is None:
            raise absent("slot", slot, self.names())
        return changes_in(content, f"{self.address}/slots/{slot}.jsonl")

    def slot(self, name: str) -> bytes | None:
        """The lines of a slot as they stand there, None where there is none."""
        with self._said("read"):
            try:
                found = self._client.get_object(**self._at(f"slots/{name}.jsonl"))
            except self._client.exceptions.NoSuchKey:
                self._read.pop(name, None)
                return None
            content = bytes(found["Body"].read())
        self._read[name] = (str(found["ETag"]), content)
        return content

    def slot_unless(self, name: str, tag: str) -> tuple[str, bytes] | None:
        """A slot's tag and lines, None where it still has `tag` or is gone: one small request, and no content."""
        with self._said("read"):
            try:
                found = self._client.get_object(**self._at(f"slots/{name}.jsonl"), IfNoneMatch=tag)
            except self._failures.ClientError as error:
                if _code(error) in ("304", "NotModified", "404", "NoSuchKey"):
                    return None
                raise
            return str(found["ETag"]), bytes(found["Body"].read())

    def every_version(self) -> list[str]:
        """Ids of versions that are there as a whole, sorted."""
        ends = f"/{MANIFEST}"
        names = (
            key.removesuffix(ends) for key, _ in self._listed("versions/") if key.endswith(ends)
        )
        return sorted(name for name in names if VERSION.fullmatch(name))

    def checked(self, version: str) -> str:
        """The id of a version whose manifest and all files are there; digests are compared by who fetches it."""
        name = self.named(version)
        told = self.manifest(name)
        sizes = {key: entry["Size"] for key, entry in self._listed(f"versions/{name}/")}
        for file, note in told["files"].items():
            if sizes.get(file) != note["bytes"]:
                raise SourceError(
                    f"{self.address}/versions/{name}/{file} is not there: publish again."
                )
        return name

    def manifest(self, version: str) -> dict[str, Any]:
        """What a version says of itself; raises `SourceError` where it is damaged or edited."""
        place = f"versions/{version}/{MANIFEST}"
        with self._said("read"):
            content = bytes(self._client.get_object(**self._at(place))["Body"].read())
        try:
            told = msgspec.json.decode(content)
        except msgspec.DecodeError:
            told = None
        return check_told(told, f"{self.address}/{place}")

    def put_version(self, folder: Path) -> None:
        """Put a version's files, and its manifest last."""
        name, files = folder.name, sorted(p for p in folder.rglob("*") if p.is_file())
        files.sort(key=lambda path: path == folder / MANIFEST)
        with self._said("written"):
            for path in files:
                key = self._at(f"versions/{name}/{path.relative_to(folder).as_posix()}")
                self._client.upload_file(
                    str(path), key["Bucket"], key["Key"], Config=self._one_thread
                )

    def get_file(self, version: str, file: str, to: Path) -> None:
        """Fetch one file of a version."""
        key = self._at(f"versions/{version}/{file}")
        with self._said("read"):
            self._client.download_file(key["Bucket"], key["Key"], str(to), Config=self._one_thread)

    @property
    def secret(self) -> bytes:
        """What page tokens of all replicas are signed with; made by whoever asks first."""
        with self._said("read"):
            with contextlib.suppress(self._failures.ClientError):
                mine = secrets.token_bytes(32)
                self._client.put_object(**self._at("secret"), Body=mine, IfNoneMatch="*")
                return mine
            return bytes(self._client.get_object(**self._at("secret"))["Body"].read())

    def _append(self, slot: str, line: bytes) -> None:
        """Put the history with one line more; raises `Crossed` where it is no longer what was read."""
        tag, content = self._read.get(slot, ("", b""))
        asked = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
        with self._said("written"):
            try:
                self._client.put_object(
                    **self._at(f"slots/{slot}.jsonl"), Body=content + line, **asked
                )
            except self._failures.ClientError as error:
                if _code(error) in (
                    "PreconditionFailed",
                    "412",
                    "ConditionalRequestConflict",
                    "409",
                ):
                    raise Crossed(
                        f"The slot {slot!r} was changed by somebody else at the same moment: look at wareloom live "
                        f"{self.address}, and say it again."
                    ) from None
                raise
        self._read.pop(slot, None)

    def _listed(self, below: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Objects below a folder, by their names in it."""
        start = self.prefix + below
        with self._said("listed"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=start):
                for entry in page.get("Contents", ()):
                    yield entry["Key"][len(start) :], entry

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    @contextlib.contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Turn what the client raises into one sentence, without any credential."""
        try:
            yield
        except (self._failures.ClientError, self._failures.BotoCoreError, OSError) as error:
            raise ServiceError(
                f"{self.address} cannot be {what} ({_code(error) or type(error).__name__}): check the bucket's name, "
                "AWS_ENDPOINT_URL and the credentials."
            ) from None


def opened(place: str) -> Store:
    """The store at a folder, or the versions and slots at s3://BUCKET/PREFIX; raises as these do."""
    return Bucket(place) if "://" in place else Store.open(Path(place))


def publish_to(place: str, model: Path, slot: str, **how: Any) -> tuple[str, Change]:
    """Publish to a folder, or to s3://BUCKET/PREFIX; returns and raises as `publish.publish` does."""
    from wareloom.serving.versions.publish import publish

    if "://" not in place:
        return publish(model, Path(place), slot, **how)
    bucket = Bucket(place)
    # Whether it can be asked is known before anything is computed.
    assert bucket.secret
    with tempfile.TemporaryDirectory() as scratch:
        version, _ = publish(model, Path(scratch) / "store", slot, **how)
        bucket.put_version(Path(scratch) / "store" / "versions" / version)
    for left in range(TRIES, 0, -1):
        try:
            # Read anew each time: what somebody else said in between stays.
            return version, bucket.set_live(slot, version, by="publish")
        except Crossed:
            if left == 1:
                raise
    raise AssertionError


def _code(error: Any) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
