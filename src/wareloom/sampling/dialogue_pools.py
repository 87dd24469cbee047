"""Synthetic dialogues as a proof takes them, with what stands against them: the same turns again, and edited ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.shop.schema import CUSTOMER, REAL
from wareloom.synthesis import Synthesizer
from wareloom.synthesis.dialogues.utterances import customers, edited_utterances, turns_of

ROUNDS = 5
"""Draws at most, until there are enough turns"""
EDITED = 0.1
"""Share of a customer's signs that an edit changes, where a dialogue has both sides"""


@dataclass(frozen=True, kw_only=True)
class DialoguePool:
    """Synthetic dialogues of one seed, and the control pools of the same size, drawn when asked for."""

    kept: pl.DataFrame
    """The table dialogues of the sample"""
    real: pl.DataFrame
    """The labelled real turns that all arms are shown"""
    rows: int
    """Turns that arms add at most"""
    whole: bool
    """Whether dialogues are learned from as a whole, with both sides"""
    origin: str
    keeps: str | None
    run: Run

    @cached_property
    def repeated(self) -> pl.DataFrame:
        """The real dialogues again and again."""
        ids = self.real["dialogue_id"].unique(maintain_order=True)
        times = -(-self.rows // max(1, len(self.real))) + 1
        parts = []
        for turn in range(times):
            order = self.run.rng("dialogues", "repeat", turn).permutation(len(ids))
            place = pl.DataFrame({"dialogue_id": ids.gather(order), "_at": np.arange(len(ids))})
            again = self.real.join(place, on="dialogue_id").sort("_at", "turn").drop("_at")
            parts.append(
                again.with_columns(
                    dialogue_id=pl.format("{}~{}", "dialogue_id", pl.lit(turn)),
                    origin=pl.lit("repeated"),
                )
            )
        return pl.concat(parts)

    @cached_property
    def naive(self) -> pl.DataFrame:
        """The real turns again, each edited: by words (Wei and Zou 2019), or sign by sign where replies are learned."""
        rng = self.run.rng("dialogues", "edits")
        if self.whole:
            text = [
                edited_signs(text, rng) if role == CUSTOMER and text else text
                for role, text in self.repeated.select("role", "text").iter_rows()
            ]
            slots = {"slots": pl.lit(None, dtype=self.repeated.schema["slots"])}
            texts = pl.Series("text", text, dtype=pl.String)
            changed = self.repeated.with_columns(texts, origin=pl.lit("naive"))
            return changed.with_columns(**slots) if "slots" in changed.columns else changed
        said = [one for one, _ in customers(self.repeated)]
        edited = edited_utterances(said, 1, rng)
        ids = pl.Series([f"naive/{place}" for place in range(len(edited))], dtype=pl.String)
        return turns_of(edited, ids, "naive")

    def about(self) -> dict[str, Any]:
        """What `proof.json` says of the sample."""
        return {
            "dialogues": self.kept["dialogue_id"].n_unique(),
            "turns": len(self.kept),
            "screens": {},
            "origin": self.origin,
            "keeps": self.keeps,
        }


def edited_signs(text: str, rng: np.random.Generator) -> str:
    """Swap, delete or double signs of a text, one at least."""
    signs = list(text)
    for _ in range(max(1, round(EDITED * len(signs)))):
        if len(signs) < 2:
            break
        place, kind = int(rng.integers(len(signs) - 1)), int(rng.integers(3))
        if kind == 0:
            signs[place], signs[place + 1] = signs[place + 1], signs[place]
        elif kind == 1:
            signs.pop(place)
        else:
            signs.insert(place, signs[place])
    return "".join(signs)


def make_dialogue_pool(
    generator: Generator, train: Shop, real: pl.DataFrame, rows: int, run: Run, *, whole: bool
) -> DialoguePool:
    """Fit the synthesizer on `train` and sample dialogues until there are `rows` turns.

    `real`: the labelled turns of `train`. Raises `InputError` where a sample says that it is real.
    """
    if generator.members:
        raise SettingError(
            "A proof of dialogues takes one synthesizer of dialogues: name one alone."
        )
    generator.refuse_unpaid("size", train)
    made: Synthesizer = SYNTHESIZERS.make(generator.synthesizer, **generator.settings)
    fitted = made.fit(train, run)
    parts, number, asked = list[Shop](), 0, 0
    turns = len(real) / max(1, real["dialogue_id"].n_unique())
    while number < rows and len(parts) < ROUNDS:
        each = number / asked if asked else turns
        size = math.ceil(1.05 * (rows - number) / max(each, 1.0)) if whole else rows - number
        turn = run.with_(seed=run.seed_for("dialogues", len(parts))) if parts else run
        parts.append(fitted.sample(max(1, size), turn))
        number, asked = number + parts[-1].rows("dialogues"), asked + size
    kept = pl.concat([part.table("dialogues") for part in parts], how="diagonal_relaxed")
    if (kept["origin"] == REAL).any():
        raise InputError(f"The synthesizer {fitted.name!r} gives dialogues that say they are real.")
    return DialoguePool(
        kept=kept,
        real=real,
        rows=rows,
        whole=whole,
        origin=fitted.origin,
        keeps=parts[0].keeps,
        run=run,
    )
