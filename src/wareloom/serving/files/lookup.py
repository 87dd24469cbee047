"""Texts by code and codes by text, in arrays that processes share: what a vocabulary is where nothing is copied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from wareloom.serving.files.arrays import Arrays


def hash_of(text: str) -> int:
    """The first 64 bits of BLAKE2b over a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class Lookup:
    """A fixed list of distinct texts: hashes in rising order with their codes, and the texts one after the other."""

    def __init__(
        self, hashes: np.ndarray, order: np.ndarray, bounds: np.ndarray, texts: np.ndarray
    ) -> None:
        self.hashes, self.order, self.bounds = hashes, order, bounds
        self._texts = memoryview(texts.data)

    def __len__(self) -> int:
        return len(self.order)

    def text(self, code: int) -> str:
        """The text of a code."""
        return bytes(self._texts[self.bounds[code] : self.bounds[code + 1]]).decode()

    def code(self, text: str) -> int:
        """The code of a text, -1 for an unknown one."""
        given = hash_of(text)
        place = int(self.hashes.searchsorted(np.uint64(given)))
        while place < len(self.hashes) and int(self.hashes[place]) == given:
            code = int(self.order[place])
            if self.text(code) == text:
                return code
            place += 1
        return -1

    def codes(self, texts: Sequence[str]) -> np.ndarray:
        """The code of each text, int32, -1 for unknown ones."""
        return np.fromiter(map(self.code, texts), dtype=np.int32, count=len(texts))

    def of_hashes(self, hashes: np.ndarray) -> np.ndarray:
        """The code of each hash (uint64), -1 for unknown ones: int32."""
        if not len(self.hashes):
            return np.full(len(hashes), -1, dtype=np.int32)
        place = np.minimum(self.hashes.searchsorted(hashes), len(self.hashes) - 1)
        codes: np.ndarray = np.where(self.hashes[place] == hashes, self.order[place], np.int32(-1))
        return codes.astype(np.int32)

    @staticmethod
    def write(arrays: Arrays, name: str, texts: Iterable[str]) -> None:
        """Lay texts out below `name`."""
        coded = [text.encode() for text in texts]
        digests = b"".join(hashlib.blake2b(one, digest_size=8).digest() for one in coded)
        hashes = np.frombuffer(digests, dtype="<u8")
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        arrays.put(f"{name}.hashes", hashes[order])
        arrays.put(f"{name}.order", order)
        write_texts(arrays, name, coded)

    @classmethod
    def read(cls, arrays: Arrays, name: str) -> Lookup:
        """Map what `write` laid out."""
        return cls(
            *(arrays.get(f"{name}.{part}") for part in ("hashes", "order", "bounds", "texts"))
        )


class Texts:
    """Texts by code, mapped, as `write_texts` laid them out."""

    def __init__(self, arrays: Arrays, name: str) -> None:
        self._texts, self._bounds = arrays.get(f"{name}.texts"), arrays.get(f"{name}.bounds")

    def __getitem__(self, code: int) -> str:
        return bytes(self._texts[self._bounds[code] : self._bounds[code + 1]]).decode()


def write_texts(arrays: Arrays, name: str, coded: Sequence[bytes]) -> None:
    """Lay byte strings out one after the other, with their bounds."""
    lengths = np.fromiter(map(len, coded), dtype=np.int64, count=len(coded))
    arrays.put(f"{name}.bounds", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    arrays.put(f"{name}.texts", np.frombuffer(b"".join(coded) or b"\0", dtype=np.uint8))
