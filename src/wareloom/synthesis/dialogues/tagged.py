"""Slots of texts that nobody labelled: what taggers of the labelled turns say of them (self-training)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from wareloom.classifiers.turns import OUTSIDE, Turns
from wareloom.core.outside import imported
from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.shop.schema import SLOTS
from wareloom.shop.spans import Slot

FOLDS = 3
"""Parts of the labelled dialogues; each part stops a tagger of the others, and their mean speaks"""
FEWEST = 4
"""Labelled dialogues below which no tagger is taught"""


def tagged(rows: pl.DataFrame, texts: Sequence[str], seen: str, run: Run) -> list[list[Slot]]:
    """Return the slots of `texts`, by taggers that are taught the labelled turns `rows`.

    `rows`: turns of the table dialogues. Each of `FOLDS` taggers learns from the dialogues outside one part and is
    stopped by that part, so that none is stopped by what it learned; the mean of their probabilities decides.
    `seen`: what they see of a token, as `SlotTagger` has it. Where there are too few dialogues nothing is marked.
    """
    ids = rows["dialogue_id"].unique(maintain_order=True)
    if len(ids) < FEWEST or not texts:
        return [[] for _ in texts]
    cls = imported("tagger", "wareloom.classifiers.slots:SlotTagger")
    fold = run.rng("tagged", "folds").permutation(len(ids)) % FOLDS
    vectors: dict[str, np.ndarray] = {}
    turns = Turns.of(_shop(pl.DataFrame({"text": list(texts)}).with_columns(_blank())))
    names = [OUTSIDE, *sorted({s["name"] for own in rows["slots"].to_list() for s in own or ()})]
    total = np.zeros((len(turns.flat), len(names)))
    for number in range(FOLDS):
        out = rows["dialogue_id"].is_in(ids.filter(pl.Series(fold == number)).implode())
        taught, stops = rows.filter(~out), rows.filter(out)
        if not taught["slots"].list.len().fill_null(0).sum():
            continue
        tagger = cls(seen=seen)
        tagger.vectors = vectors
        tagger.fit(_shop(taught), run.with_(seed=run.seed_for("tagged", number)), _shop(stops))
        at = [names.index(name) for name in tagger.classes]
        total[:, at] += _chances(tagger.scores(turns, run))
    return _by_text(texts, turns, [names[code] for code in total.argmax(axis=1)])


def _chances(scores: np.ndarray) -> np.ndarray:
    """Probabilities of scores, row by row."""
    power = np.exp(scores - scores.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def _by_text(texts: Sequence[str], turns: Turns, labels: Sequence[str]) -> list[list[Slot]]:
    """The slots of each text: tokens in a row that have the same label are one slot."""
    found, start = dict[str, list[Slot]](), 0
    for text, spans in zip(turns.texts, turns.spans, strict=True):
        own, last = list[Slot](), OUTSIDE
        for (first, end), label in zip(spans, labels[start : start + len(spans)], strict=True):
            if label != OUTSIDE and label == last:
                first = own.pop()["start"]
            if label != OUTSIDE:
                own.append({"name": label, "value": text[first:end], "start": first, "end": end})
            last = label
        found[text], start = own, start + len(spans)
    return [found.get(text, []) for text in texts]


def _blank() -> list[pl.Expr]:
    return [pl.lit("customer").alias("role"), pl.lit(None, dtype=SLOTS).alias("slots")]


def _shop(rows: pl.DataFrame) -> Shop:
    """Turns as learners take them."""
    return Shop.trusted(
        {"items": pl.DataFrame(schema={"item_id": pl.String}), "dialogues": rows}, {}
    )
