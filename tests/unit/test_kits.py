"""The kits of readers, embedders and text models: what keeps the laws passes, what breaks one fails by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from tiny_lm import tiny_lm
from wareloom.core.run import Run
from wareloom.errors import SourceError
from wareloom.language.embedders import Embedder
from wareloom.language.models.huggingface import HuggingFace
from wareloom.language.tokenise import ngrams, tokenise_all
from wareloom.readers import Intake, Reader
from wareloom.testing import check
from wareloom.testing.text_models import FURTHER


@dataclass(kw_only=True, eq=False)
class Tills(Reader):
    """Tills: a customer, a good and a day a line, in files called *.till."""

    example: ClassVar[Mapping[str, str]] = {"monday.till": "u1,a,2020-01-01\nu2,b,2020-01-01\n"}

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether there is such a file."""
        return any(path.suffix == ".till" for path in _below(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the events."""
        found = [path for path in _below(source) if path.suffix == ".till"]
        if not found:
            raise SourceError(f"{source} holds no .till.")
        return {"events": pl.concat([self._day(path) for path in found])}

    def _day(self, path: Path) -> pl.LazyFrame:
        try:
            text = path.read_text(encoding=self.encoding)
        except UnicodeDecodeError as error:
            raise SourceError(f"{path} is not {self.encoding}: {error}.") from error
        rows = [line.split(",") for line in text.splitlines()]
        if not rows or any(len(row) != 3 or not all(row) for row in rows):
            raise SourceError(f"{path} has a line without customer, good and day.")
        frame = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
        return frame.lazy().with_columns(event=pl.lit("purchase"))


def _below(source: str) -> list[Path]:
    try:
        return sorted(Path(source).iterdir()) if Path(source).is_dir() else [Path(source)]
    except OSError:
        return []


class Undocumented(Tills):
    pass


@dataclass(kw_only=True, eq=False)
class Silent(Tills):
    """Has a setting without a word."""

    till: str = ""


class Nosy(Tills):
    """Reads what it is only asked to look at."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether the files can be decoded."""
        return bool(_below(source)[0].read_text(encoding="utf-8"))


class Careless(Tills):
    """Lets whatever goes wrong go up."""

    def _day(self, path: Path) -> pl.LazyFrame:
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        return pl.DataFrame(
            {"user_id": [r[0] for r in rows], "item_id": [r[1] for r in rows], "event": "purchase"}
        ).lazy()


class Littering(Tills):
    """Writes beside its source."""

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the events, and leave an index."""
        tables = super().tables(source, intake)
        (Path(source) / "index").write_text("x")
        return tables


class Fickle(Tills):
    """Reads otherwise each time."""

    calls: ClassVar[list[int]] = []

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the events, with a number that grows."""
        self.calls.append(1)
        value = pl.lit(float(len(self.calls)))
        return {"events": super().tables(source, intake)["events"].with_columns(value=value)}


class Exampleless(Tills):
    """Has nothing to show."""

    example: ClassVar[Mapping[str, str]] = {}


class Vague(Tills):
    """Does not say which source is wrong."""

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the events."""
        try:
            return super().tables(source, intake)
        except SourceError:
            raise SourceError("Something is wrong.") from None


def test_a_reader_of_ones_own_keeps_the_contract() -> None:
    check(Tills)


@pytest.mark.parametrize(
    ("cls", "law", "words"),
    [
        (Undocumented, "every setting is documented", "no sentence"),
        (Silent, "every setting is documented", "nothing is said of the settings .'till'."),
        (Nosy, "detects without raising", "Error"),
        (Careless, "refuses empty files", ""),
        (Littering, "writes nothing but the shop", "its source was changed"),
        (Fickle, "reading twice gives the same", ""),
        (Exampleless, "recognises its own example", "it has no example"),
        (Vague, "refuses empty files", "the message is 'Something is wrong"),
    ],
)
def test_a_reader_that_breaks_a_law_fails_by_its_name(
    cls: type[Reader], law: str, words: str
) -> None:
    with pytest.raises(
        AssertionError, match=f"{cls.__name__} breaks the law '{law}': (?s:.*){words}"
    ):
        check(cls)


@dataclass(kw_only=True, eq=False)
class Hashed(Embedder):
    """Words and pairs of words, each in one of 512 places."""

    learns: ClassVar[bool] = False
    size: int = 512
    """Places."""

    def _embed(self, texts: list[str], run: Run) -> np.ndarray:
        found = np.zeros((len(texts), self.size), dtype=np.float32)
        terms = ngrams(tokenise_all(texts), 2)
        for row, term in zip(terms["row"].to_list(), terms["term"].to_list(), strict=True):
            found[row, sum(term.encode()) * 7919 % self.size] += 1
        return found


class Sharing(Hashed):
    """Gives away what it keeps."""

    def embed(self, texts: Sequence[str | None], run: Run | None = None) -> np.ndarray:
        """Return the same array each time."""
        kept = vars(self).setdefault("_kept", {})
        key = tuple(texts) if not isinstance(texts, str) else ""
        return kept.setdefault(key, super().embed(texts, run))


class Batched(Hashed):
    """Centres each batch."""

    def _embed(self, texts: list[str], run: Run) -> np.ndarray:
        found = super()._embed(texts, run)
        return np.where(found.any(axis=1, keepdims=True), found - found.mean(axis=0), 0)


def test_an_embedder_of_ones_own_keeps_the_contract() -> None:
    check(Hashed)


@pytest.mark.parametrize(
    ("cls", "law"),
    [(Sharing, "what it returns is the callers"), (Batched, "the same text has the same vector")],
)
def test_an_embedder_that_breaks_a_law_fails_by_its_name(cls: type[Embedder], law: str) -> None:
    with pytest.raises(AssertionError, match=f"{cls.__name__} breaks the law '{law}'"):
        check(cls)


class Tiny(HuggingFace):
    """A decoder of few weights that writes and judges."""

    laws: ClassVar[frozenset[str]] = frozenset(FURTHER)


class Loose(Tiny):
    """Forgets its budget."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._budget.tokens = 0


class Boasting(Tiny):
    """Names a law that there is not."""

    laws: ClassVar[frozenset[str]] = frozenset({"writes_well"})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    quick = {"model": tiny_lm()}
    monkeypatch.setattr(Tiny, "quick", quick, raising=False)
    return quick


def test_a_text_model_of_ones_own_keeps_the_contract(small: dict[str, Any]) -> None:
    check(Tiny)


def test_a_text_model_that_breaks_a_law_fails_by_its_name(small: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="Loose breaks the law 'writes within its budget'"):
        check(Loose)
    with pytest.raises(AssertionError, match=r"Boasting.laws names .'writes_well'."):
        check(Boasting)
