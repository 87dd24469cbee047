"""Spans: runs of words cut out of titles; what any other synthesizer of queries has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.language.tokenise import tokenise_all
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps
from wareloom.synthesis.queries._forms import joined
from wareloom.synthesis.queries.base import QuerySynthesizer


@dataclass(kw_only=True, eq=False)
class Spans(QuerySynthesizer):
    """Cut 1 to `longest` neighbouring words out of a title, any number and any place as likely as another.

    The inverse cloze task on titles (Lee, Chang and Toutanova 2019): a control, as `independent` is for behaviour.
    """

    keeps: ClassVar[Keeps] = "counts"

    longest: Size = 5
    """Words of a query at most."""

    def _learn(self, shop: Shop, run: Run) -> None:
        self.words_ = pl.DataFrame(
            {"words": tokenise_all(self.catalogue_["title"].fill_null("").to_list())}
        )

    def _write(self, items: np.ndarray, run: Run) -> Sequence[str]:
        rng, words = run.rng("spans"), self.words_["words"]
        count = words.list.len().to_numpy().astype(np.int64)[items]
        length = np.minimum(1 + rng.integers(self.longest, size=len(items)), count)
        start = (rng.random(len(items)) * (count - length + 1)).astype(np.int64)
        cut = pl.DataFrame({"words": words.gather(items), "start": start, "length": length})
        return [
            joined(each)
            for each in cut.select(pl.col("words").list.slice("start", "length"))
            .to_series()
            .to_list()
        ]
