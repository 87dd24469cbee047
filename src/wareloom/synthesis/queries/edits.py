"""Edits: queries that there are, as other people would have typed them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
import polars as pl
from annotated_types import Ge, Le

from wareloom.core.family import SYNTHESIZERS, TEXT_MODELS
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Size
from wareloom.errors import SettingError, near, require
from wareloom.language.models import Estimate, TextModel, estimate
from wareloom.language.titles import TitleReader
from wareloom.language.tokenise import tokenise_all
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.keeps import Keeps
from wareloom.synthesis.queries._alike import by_place, by_sound
from wareloom.synthesis.queries._edits import KINDS, Known, Typed
from wareloom.synthesis.queries._translate import SAMPLING, prompt, translated
from wareloom.synthesis.queries.base import MEANT, QuerySynthesizer, real_queries

MIX = {
    "typo": 0.3, "homophone": 0.2, "swap": 0.1, "number": 0.15, "units": 0.15, "synonym": 0.05, "drop": 0.05,
    "masked": 0.0, "translated": 0.0,
}  # fmt: skip
GAP = "[MASK]"
FITTING = 5
"""Words of the masked model that are looked at"""


@dataclass(kw_only=True, eq=False)
class Edits(QuerySynthesizer):
    """Edit the shop's real queries or, where it has none with a known product, those of another synthesizer.

    Typos by the keys beside, Chinese words that sound alike (pinyin without tones), word order, plural and singular and
    ways to write a unit keep the label: the product stays as good an answer as it was. Synonyms (words that stand in
    the same places of titles; no dictionary), words left out, words of a masked model and translations by a text model
    (English into Chinese and back; an answer in the same script or with other figures is none) may change what is
    meant: their grade is lowered by `doubt`, and the column source names the edits, so that they can be taken out. A
    query that no kind can change is not returned. Wei and Zou (2019). Needs the extra `text` for Chinese.
    """

    keeps: ClassVar[Keeps] = "people"
    lacks: ClassVar[str] = "no real query is answered by them, or they have no title"

    queries: str = "attributes"
    """The synthesizer whose queries are edited where the shop has none of its own."""
    query_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    mix: dict[str, NonNegative] = field(default_factory=lambda: dict(MIX))
    """How often each kind is tried first: typo, homophone, swap, number, units, synonym, drop, masked,
    translated."""
    edits: Size = 1
    """Edits of a query."""
    doubt: Annotated[float, Ge(0), Le(MEANT)] = 1.0
    """What is taken off the grade for each edit that may change what is meant."""
    masked: str = ""
    """A folder with a masked language model, for the kind masked."""
    translator: str = ""
    """The text model that translates, for the kind translated: endpoint, huggingface, or package.module:Class."""
    translator_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""

    def _check(self) -> None:
        for kind in self.mix:
            if kind not in KINDS:
                raise SettingError(
                    f"edits: there is no kind of edit {kind!r}.{near(kind, KINDS)} Kinds: {', '.join(KINDS)}."
                )
        require(self.name, "mix", self.mix, sum(self.mix.values()) > 0, "one share above 0")
        if self.mix.get("masked", 0.0) > 0 and not self.masked:
            raise SettingError(
                "edits: the kind masked needs a model; give its folder: masked=FOLDER."
            )
        if self.mix.get("translated", 0.0) > 0 and not self.translator:
            raise SettingError(
                "edits: the kind translated needs a text model; name it: translator=endpoint."
            )
        if self.translator:
            self._model: TextModel = TEXT_MODELS.make(self.translator, **self.translator_settings)
        writer = SYNTHESIZERS.load(self.queries)
        if not issubclass(writer, QuerySynthesizer) or issubclass(writer, Edits):
            raise SettingError(
                f"edits: {self.queries!r} writes no queries of its own: take attributes or prompted."
            )

    def _learn(self, shop: Shop, run: Run) -> None:
        self.__dict__.pop("_known", None)
        self.asked_ = self._asked(shop)
        self.writer_: dict[str, QuerySynthesizer] = {}
        if len(self.asked_):
            self.writable_ = self.asked_["item"].unique().sort().to_numpy()
        else:
            self.writer_["queries"] = SYNTHESIZERS.make(self.queries, **self.query_settings).fit(
                shop, run
            )
        titles = self.catalogue_["title"].fill_null("").to_list()
        words = tokenise_all(titles)
        brands = self.catalogue_["brand"].to_list() if "brand" in self.catalogue_.columns else []
        reader = TitleReader.learn(titles, brands)
        makers = frozenset(word for brand in reader.brands for word in brand)
        often = 1.5 * float(np.mean(list(reader.heads.values()) or [0.0]))
        heads = sorted(word for word, share in reader.heads.items() if share > often)
        self.heads_ = pl.DataFrame({"word": heads}, schema={"word": pl.String})
        self.words_ = words.explode(empty_as_null=False).unique().sort().to_frame("word")
        self.sounds_ = by_sound(words if self.mix.get("homophone") else words.head(0))
        self.likes_ = by_place(words if self.mix.get("synonym") else words.head(0), makers)

    def _asked(self, shop: Shop) -> pl.DataFrame:
        """The shop's own queries: item (code into the catalogue), query, grade; item after item."""
        real = real_queries(shop).filter(
            pl.col("item_id").is_not_null() & pl.col("query").str.contains(r"\w")
        )
        code = Vocabulary(self.catalogue_["item_id"]).encode(real["item_id"])
        rows = real.select("query", "grade").with_columns(item=pl.Series(code, dtype=pl.Int64))
        return (
            rows.filter(pl.col("item").is_in(self.writable_))
            .unique(maintain_order=True)
            .sort("item", "query")
        )

    @cached_property
    def _known(self) -> Known:
        return Known(
            _gathered(self.sounds_),
            _gathered(self.likes_),
            frozenset(self.heads_["word"]),
            frozenset(self.words_["word"]),
        )

    def plan(self, n: int, run: Run | None = None) -> Estimate | None:
        """Return what translating the share of `n` queries that falls to it would ask at most; nothing is asked."""
        self._checked(n)
        share = self.mix.get("translated", 0.0) / sum(self.mix.values())
        if not share:
            return None
        run = run or Run()
        items = self.writable_[
            run.rng("edits", "plan").integers(len(self.writable_), size=round(n * share))
        ]
        queries = [query for query in self._before(items, run)[0] if query]
        return estimate(
            self._model, [prompt(query) for query in queries] * self.edits, SAMPLING, run
        )

    def _write(self, items: np.ndarray, run: Run) -> list[str]:
        return self._rows(items, run)["query"].to_list()

    def _rows(self, items: np.ndarray, run: Run) -> pl.DataFrame:
        """Edited queries for each item: query ("" where nothing could be changed), grade, source."""
        before, grades = self._before(items, run)
        rng = run.rng("edits", "edits")
        # Sorted: a restored mix need not have the order in which it was given.
        kinds = sorted(kind for kind, share in self.mix.items() if share > 0)
        shares = np.log([self.mix[kind] for kind in kinds])
        # Gumbel's trick: the order in which kinds are tried, drawn by their shares.
        order = np.argsort(
            -(shares + rng.gumbel(size=(len(items), self.edits, len(kinds)))), axis=2
        )
        queries, done = [Typed.of(text) for text in before], [list[str]() for _ in items]
        for turn in range(self.edits):
            asked: dict[str, list[int]] = {kind: [] for kind in kinds}
            for row, query in enumerate(queries):
                for kind in (kinds[place] for place in order[row, turn]):
                    edit = KINDS[kind].edit
                    if edit is None:
                        asked[kind].append(row)
                        break
                    changed = edit(query, self._known, rng)
                    if changed is not None and str(changed):
                        queries[row] = changed
                        done[row].append(kind)
                        break
            for kind, rows in asked.items():
                make = self._translated if kind == "translated" else self._filled
                for row, changed in make(rows, queries, rng, run):
                    queries[row] = changed
                    done[row].append(kind)
        texts = [str(query) for query in queries]
        lowered = [self.doubt * sum(not KINDS[kind].keeps for kind in each) for each in done]
        return pl.DataFrame(
            {
                "query": [
                    text if text != old else "" for text, old in zip(texts, before, strict=True)
                ],
                "grade": np.maximum(0.0, grades - np.array(lowered)),
                "source": [f"{self.name}: {', '.join(each)}" for each in done],
            },
            schema_overrides={"query": pl.String, "source": pl.String},
        )

    def _before(self, items: np.ndarray, run: Run) -> tuple[list[str], np.ndarray]:
        """A query for each item, white space folded, and its grade: float64 [n]."""
        if "queries" in self.writer_:
            rows = self.writer_["queries"]._rows(items, run)
            texts, grades = rows["query"].to_list(), rows["grade"].to_numpy()
        else:
            own = self.asked_["item"].to_numpy()
            first, last = (np.searchsorted(own, items, side=side) for side in ("left", "right"))
            place = first + (
                run.rng("edits", "queries").random(len(items)) * (last - first)
            ).astype(np.int64)
            rows = self.asked_[place]
            texts, grades = rows["query"].to_list(), rows["grade"].to_numpy()
        return [" ".join(text.split()) for text in texts], grades

    def _filled(
        self, rows: list[int], queries: list[Typed], rng: np.random.Generator, run: Run
    ) -> Iterable[tuple[int, Typed]]:
        """Put words of the masked model in the place of one word of each of some queries."""
        rows = [row for row in rows if queries[row].words]
        if not rows:
            return []
        places = [int(rng.integers(len(queries[row].words))) for row in rows]
        texts = [str(queries[row].put(place, GAP)) for row, place in zip(rows, places, strict=True)]
        found = self._fill(texts, run)
        made = []
        for row, place, words in zip(rows, places, found, strict=True):
            other = next(
                (word for word, _ in words if word.lower() != queries[row].words[place].lower()),
                None,
            )
            if other:
                made.append((row, queries[row].put(place, other)))
        return made

    def _translated(
        self, rows: list[int], queries: list[Typed], rng: np.random.Generator, run: Run
    ) -> Iterable[tuple[int, Typed]]:
        """Some queries in the other language, where the text model said them in it."""
        rows = [row for row in rows if queries[row].words]
        found = translated([str(queries[row]) for row in rows], self._model, run) if rows else []
        return [(row, Typed.of(text)) for row, text in zip(rows, found, strict=True) if text]

    def _fill(self, texts: list[str], run: Run) -> list[list[tuple[str, float]]]:
        """The likeliest words for the gap of each text, best first."""
        found: list[list[tuple[str, float]]] = TEXT_MODELS.make("masked", folder=self.masked).fill(
            texts, FITTING, run
        )
        return found


def _gathered(table: pl.DataFrame) -> dict[str, tuple[tuple[str, float], ...]]:
    """Words with their weights by the first of three columns."""
    found: dict[str, list[tuple[str, float]]] = {}
    for key, word, weight in table.iter_rows():
        found.setdefault(key, []).append((word, weight))
    return {key: tuple(words) for key, words in found.items()}
