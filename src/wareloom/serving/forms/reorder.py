"""A bundle's reranker as it is served: it orders the candidates of one request anew, in codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.core.family import RERANKERS
from wareloom.core.run import Run
from wareloom.reranking import Catalogue, Lists, Reranker
from wareloom.serving.files.lookup import Lookup
from wareloom.serving.forms.base import Found
from wareloom.shop import Requests, Shop

ITEMS, RERANKER = "items.parquet", "reranker"


class Reorder:
    """A reranker with the catalogue that it looks at."""

    def __init__(
        self, folder: Path, ids: Lookup, seed: int, allow_code: Sequence[str] = ()
    ) -> None:
        """Read what publishing wrote to `folder`; `ids` are those of the ranker."""
        self.reranker: Reranker = RERANKERS.restore(folder / RERANKER, allow_code=allow_code)
        items = pl.read_parquet(folder / ITEMS, glob=False)
        self.catalogue = Catalogue(Shop.trusted({"items": items.drop("events")}), Run(seed=seed))
        self.catalogue.counts = items["events"].to_numpy()
        names = [ids.text(code) for code in range(len(ids))]
        self._theirs = self.catalogue.items.encode(names)

    def apply(self, found: Found, history: np.ndarray, k: int) -> Found:
        """The k candidates that come first, with the scores that they had."""
        codes, scores = found
        if not len(codes):
            return found
        log = Requests.sessions([[]], self.catalogue.items).histories
        assert log is not None
        if len(history):
            ids = self.catalogue.items.decode(self._theirs[history]).to_list()
            log = Requests.sessions([ids], self.catalogue.items).histories
        lists = Lists(self._theirs[codes][None, :], scores[None, :].astype(np.float64), log)
        places = self.reranker.rerank(lists, self.catalogue, min(k, len(codes)))[0]
        chosen = places[places >= 0]
        return codes[chosen], scores[chosen]
