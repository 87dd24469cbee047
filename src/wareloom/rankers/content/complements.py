"""Complements: what a language model says is bought together, where the log is too thin to say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.core.family import EMBEDDERS, TEXT_MODELS
from wareloom.core.logging import get
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Size
from wareloom.errors import InputError
from wareloom.language.embedders import LEAN
from wareloom.language.models import Sampling, TextModel, estimate
from wareloom.rankers.content._complements import ENOUGH, Pairs, kinds_in, met, prompt_for
from wareloom.rankers.content.base import ContentKNN
from wareloom.rankers.content.nearest import nearest_among
from wareloom.shop import Log, Shop
from wareloom.shop.texts import field_texts, item_texts

log_ = get(__name__)


@dataclass(kw_only=True, eq=False)
class Complements(ContentKNN):
    """Score items by whether a text model named them as what goes with those of the history.

    The model is asked once for each group of items (a leaf of the categories, or each item by its title) which other
    kinds of product shoppers buy with it. A kind means the `alike` items of other groups that read most like it. The
    log screens what was said: a pair that chance would have brought together for five users or more, and that met less
    often than chance times `least`, is dropped. What the log is too thin to deny stays, which is what a log cannot know
    by itself. A request's score of j is the sum over its events of decay^age × weight × likeness; where that is 0,
    items follow by popularity, below all others.

    `said_` holds what was named: group, kind, users that met, users expected, and whether it stayed. Answers are kept
    in the run's cache folder, and a model that costs money is held to its budget. A small model says little that is
    true: prove it on the shop before it is believed. Needs the extra `text`. Raises `InputError` where items have no
    categories to ask about, or where nothing that was named means an item here.
    McAuley, Pandey and Leskovec (2015) on complements and substitutes.
    """

    needs: ClassVar[str] = (
        "asks what goes with what: fit it on a shop whose items have a category (about=title asks by title instead)."
    )
    quick: ClassVar[Mapping[str, Any]] = {
        "model": "wareloom.testing.next_one:NextOne",
        "about": "title",
    }

    model: str = "embedded"
    """The text model that is asked: embedded, huggingface, endpoint, or package.module:Class."""
    model_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    about: Literal["category", "title"] = "category"
    """What a question is about: each leaf of the categories, or each item by its title, which asks far more."""
    kinds: Size = 6
    """Kinds of product that are taken of an answer at most."""
    alike: Size = 20
    """Items that read most like a kind, and so are meant by it."""
    embedder: str = "tfidf"
    """What makes vectors of kinds and items: "tfidf", "minilm" or another embedder."""
    least: NonNegative = 1.0
    """How often a pair must have met, as a share of what chance gives, from five users on; 0 keeps all."""
    max_tokens: Size = 48
    """Tokens of an answer at most."""
    block: tuple[str, ...] = ()
    """Words that no kind may have."""

    def _check(self) -> None:
        TEXT_MODELS.make(self.model, **self.model_settings)

    def _alike(self, shop: Shop, log: Log, run: Run) -> sparse.csr_matrix:
        texts = item_texts(shop)
        names, group = self._groups(shop, texts)
        said = self._asked(names, run)
        pairs, kinds = self._pairs(said, group, texts, run)
        real = log if log.real.all() else log.keep(log.real)
        weighed = real.weight > 0
        had = sparse.csr_matrix(
            (
                np.ones(int(weighed.sum()), dtype=np.float32),
                (real.user[weighed], real.item[weighed]),
            ),
            shape=(len(real.users), len(log.items)),
        )
        both, expected = met(pairs, group, len(names), had)
        kept = (expected < ENOUGH) | (both >= self.least * expected)
        self.said_ = pl.DataFrame(
            {
                "group": [names[code] for code in pairs.group],
                "kind": [kinds[code] for code in pairs.kind],
                "met": both,
                "expected": expected,
                "kept": kept,
            },
            schema_overrides={"group": pl.String, "kind": pl.String},
        )
        if not kept.any():
            raise InputError(
                f"The ranker {self.name!r} asked about {len(names)} groups; nothing that {self.model!r} named means "
                "an item here that the log does not deny: ask another model, or about=title."
            )
        left = pairs.keep(kept)
        return _table(left, group, len(names))

    def _groups(self, shop: Shop, texts: list[str]) -> tuple[list[str], np.ndarray]:
        """What is asked about, and which of it each item belongs to (-1 for none): names, int32 [items]."""
        if self.about == "title":
            named = texts if "title" not in shop.columns("items") else field_texts(shop, "title")
        elif "category" in shop.columns("items"):
            path = pl.col("category").list.drop_nulls().list.join(" > ")
            named = shop.scan("items").select(path.fill_null("")).collect().to_series().to_list()
        else:
            named = []
        names = sorted({name for name in named if name.strip()})
        if not names:
            raise InputError(f"The ranker {self.name!r} {self.needs}")
        code = {name: place for place, name in enumerate(names)}
        return names, np.array([code.get(name, -1) for name in named], dtype=np.int32)

    def _asked(self, names: list[str], run: Run) -> list[list[str]]:
        """The kinds of product that the model names for each group."""
        chinese = 2 * sum(_has_han(name) for name in names) > len(names)
        prompts = [prompt_for(name, chinese) for name in names]
        sampling = Sampling(max_tokens=self.max_tokens, temperature=0.0, stop=("\n",))
        model: TextModel = TEXT_MODELS.make(self.model, **self.model_settings)
        need = estimate(model, prompts, sampling, run)
        log_.info(
            "complements: %d questions, %d tokens at most, cost %.2f at most",
            need.calls,
            need.prompt_tokens + need.tokens,
            need.cost,
        )
        answers = model.generate(prompts, run, settings=sampling)
        return [
            kinds_in(answer.text, name, self.block, self.kinds)
            for answer, name in zip(answers, names, strict=True)
        ]

    def _pairs(
        self, said: list[list[str]], group: np.ndarray, texts: list[str], run: Run
    ) -> tuple[Pairs, list[str]]:
        """Each group with each kind that was named for it, and the items of other groups that are meant."""
        kinds = sorted({kind for row in said for kind in row})
        if not kinds:
            raise InputError(
                f"The ranker {self.name!r}: the text model {self.model!r} named no kind of product for any of "
                f"{len(said)} groups: ask another model."
            )
        embedder = EMBEDDERS.make(self.embedder, **LEAN.get(self.embedder, {})).fit(texts, run)
        # More are found than are kept: those of the group that was asked about are no complements.
        found, value = nearest_among(
            embedder.vectors(kinds, run), embedder.vectors(texts, run), 3 * self.alike
        )
        place = {kind: code for code, kind in enumerate(kinds)}
        of, kind, rows, columns, values = [], [], [], [], []
        for asked, row in enumerate(said):
            for one in row:
                code = place[one]
                other = (group[found[code]] != asked) & (value[code] > 0)
                meant = found[code][other][: self.alike]
                if len(meant):
                    rows.append(np.full(len(meant), len(of), dtype=np.int32))
                    columns.append(meant)
                    values.append(value[code][other][: self.alike])
                    of.append(asked)
                    kind.append(code)
        empty = [np.zeros(0, dtype=np.int32)]
        means = sparse.csr_matrix(
            (
                np.concatenate(values or [np.zeros(0, dtype=np.float32)]),
                (np.concatenate(rows or empty), np.concatenate(columns or empty)),
            ),
            shape=(len(of), len(group)),
        )
        return Pairs(np.array(of, dtype=np.int32), np.array(kind, dtype=np.int32), means), kinds


def _table(pairs: Pairs, group: np.ndarray, groups: int) -> sparse.csr_matrix:
    """How much each item is a complement of each other: float32 CSR [items, items], itself never."""
    ones = np.ones(len(pairs.group), dtype=np.float32)
    named = sparse.csr_matrix(
        (ones, (pairs.group, np.arange(len(ones)))), shape=(groups, len(ones))
    )
    by_group = (named @ pairs.means).tocsr()
    known = np.flatnonzero(group >= 0)
    member = sparse.csr_matrix(
        (np.ones(len(known), dtype=np.float32), (known, group[known])), shape=(len(group), groups)
    )
    table = (member @ by_group).tocoo()
    other = table.row != table.col
    made = sparse.csr_matrix(
        (table.data[other].astype(np.float32), (table.row[other], table.col[other])),
        shape=table.shape,
    )
    made.sort_indices()
    return made


def _has_han(text: str) -> bool:
    return any("\u4e00" <= sign <= "\u9fff" for sign in text)
