"""Keep a store's versions and slots as a bucket has them, in a process that `wareloom serve` begins.

    python -m wareloom.serving.versions.mirror

Four times a second each slot is asked for on the condition that it changed; slots that are new are looked for every
five seconds, as lists cost more than that. A new version is fetched beside, held to its digests, and only then named in
the slot, which the processes that answer look at before each answer. A bucket that is gone changes nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path, PurePosixPath

from wareloom.core import logging
from wareloom.errors import SourceError, WareloomError
from wareloom.serving.config import Settings, taken_up
from wareloom.serving.logs import listen
from wareloom.serving.versions.bucket import Bucket
from wareloom.serving.versions.store import Store, changes_in, check_slot
from wareloom.serving.versions.version import MANIFEST, check_version

EVERY, LISTED = 0.25, 20
"""Seconds between looks; looks of which the first also asks which slots there are"""
log = logging.get(__name__)


class Mirror:
    """A store that follows a bucket."""

    def __init__(self, bucket: Bucket, store: Store) -> None:
        self.bucket, self.store = bucket, store
        self._tags: dict[str, str] = {}
        self.said = ""

    def look(self) -> list[str]:
        """Take over what changed; the slots that did. Raises `ServiceError` and `SourceError`."""
        changed = []
        for name, tag in self.bucket.tags().items():
            if self._tags.get(name) != tag and self._take(check_slot(name)):
                changed.append(name)
            self._tags[name] = tag
        return changed

    def glance(self) -> list[str]:
        """Take over what changed in the slots that are known; the slots that did. Raises as `look` does."""
        changed = []
        for name, tag in self._tags.items():
            if (found := self.bucket.slot_unless(name, tag)) is None:
                continue
            if self._take_lines(name, found[1]):
                changed.append(name)
            self._tags[name] = found[0]
        return changed

    def follow(self, parent: int) -> None:
        """Look again and again until the process that began this one is gone."""
        looks = 0
        while os.getppid() == parent:
            try:
                if looks % LISTED == 0:
                    self.look()
                else:
                    self.glance()
                self.said, looks = "", looks + 1
            except WareloomError as error:
                if str(error) != self.said:
                    log.error("What is live stays live: %s", error)
                self.said = str(error)
            time.sleep(EVERY)

    def _take(self, name: str) -> bool:
        content = self.bucket.slot(name)
        return content is not None and self._take_lines(name, content)

    def _take_lines(self, name: str, content: bytes) -> bool:
        path = self.store.slots / f"{name}.jsonl"
        if path.is_file() and path.read_bytes() == content:
            return False
        change = changes_in(content, f"{self.bucket.address}/slots/{name}.jsonl")[-1]
        for version in {change.live, change.shadow, *(change.arms or {})} - {None}:
            self._fetch(str(version))
        partial = path.with_name(f".{name}.partial")
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        return True

    def _fetch(self, version: str) -> None:
        """Fetch a version unless it is there; raises `SourceError` where it is not what it says."""
        place = self.store.versions / version
        if place.is_dir():
            return
        told = self.bucket.manifest(version)
        if told["id"] != version:
            raise SourceError(f"{self.bucket.address} has {told['id']} under the name {version}.")
        fresh = self.store.versions / f".fetched-{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            for file in (MANIFEST, *told["files"]):
                parts = PurePosixPath(file).parts
                if not parts or ".." in parts or file.startswith("/"):
                    raise SourceError(
                        f"{version} names the file {file!r}, which is none of its own."
                    )
                to = fresh.joinpath(*parts)
                to.parent.mkdir(parents=True, exist_ok=True)
                self.bucket.get_file(version, file, to)
            check_version(fresh, whole=True)
            fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def mirrored(settings: Settings) -> Store:
    """The store that serves what a bucket has, made where there is none, as the bucket says now.

    A bucket that is gone is no error where the store has versions already; raises `ServiceError` where it has none.
    """
    bucket = Bucket(settings.versions)
    fresh = not (settings.store / "store.json").is_file()
    if fresh:
        secret = bucket.secret
    store = Store.made(settings.store)
    if fresh:
        _write_secret(store.state / "secret", secret)
    try:
        Mirror(bucket, store).look()
    except WareloomError as error:
        if not store.names():
            raise
        log.error("What was live before stays live: %s", error)
    return store


def _write_secret(path: Path, secret: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(file, secret)
    finally:
        os.close(file)


def main() -> None:
    """Follow the bucket of the settings that this process was begun with."""
    listen()
    settings = taken_up()
    Mirror(Bucket(settings.versions), Store.open(settings.store)).follow(os.getppid())


if __name__ == "__main__":
    main()
