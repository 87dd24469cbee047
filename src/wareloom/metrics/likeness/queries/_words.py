"""Counts of the words of queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from wareloom.metrics.likeness.measure import Counts, fixed
from wareloom.metrics.likeness.queries.samples import QuerySample
from wareloom.shop import Vocabulary


def by_word(samples: Sequence[QuerySample]) -> Counts:
    """Count how often the queries of each sample hold each word."""
    words = Vocabulary(pl.concat([sample.flat for sample in samples]).unique().sort())
    cells = [words.encode(sample.flat).astype(np.int64) for sample in samples]
    return fixed(cells, [sample.word_group for sample in samples], samples[0].groups, len(words))


def by_trait(traits: Sequence[np.ndarray], samples: Sequence[QuerySample]) -> Counts:
    """Count the queries of each sample without (cell 0) and with (cell 1) a trait, bool [queries]."""
    return fixed(list(traits), [sample.group for sample in samples], samples[0].groups, 2)
