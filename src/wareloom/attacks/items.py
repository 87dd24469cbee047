"""Has the synthetic shop more of somebody's rare items than other people would choose?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from wareloom.attacks import Attack, Case
from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.shop.item_sets import distinct


@dataclass(kw_only=True, eq=False)
class Items(Attack):
    """Tells members by their own rare items, which SYNTH has more often than other people would choose them.

    Popularity without noise is enough for that: an item that one member alone chose is in SYNTH, or is not. The counts
    of other people say how often an item should be chosen, and how sure that is: a Poisson rate with a gamma prior. The
    score is the likelihood of SYNTH's count where the target's own choices are among those it was drawn from, over that
    where they are not.
    """

    prior: Positive = 0.5
    """Events that each item is thought to have had besides."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Two scores: the likelihood ratio, and how much more frequent in SYNTH than among others the items are."""
        log, items = case.targets.log, len(case.items)
        whole = log.user.astype(np.int64) * items + log.item
        own = distinct(whole)
        user, item = own // items, own % items
        times = np.diff(np.append(np.searchsorted(np.sort(whole), own), len(whole)))
        seen, known = case.synth.log.counts(), case.others.log.counts()
        scale = len(case.synth.log) / (len(case.others.log) + self.prior * items)
        expected = (known + self.prior) * scale
        # Twice drawn: what members chose, and what SYNTH chose of it.
        spread = expected * (2 + scale)
        gain = _surprise(seen[item], expected[item], spread[item])
        gain -= _surprise(seen[item], expected[item] + times, spread[item] + times)
        more = np.log((seen + self.prior) / expected)[item]
        many = len(case.targets)
        return np.column_stack(
            [np.bincount(user, weights=each, minlength=many) for each in (gain, more)]
        )


def _surprise(count: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Less the logarithm of a count's chance by the negative binomial of a mean and a greater variance: float64."""
    share = mean / variance
    found: np.ndarray = -stats.nbinom.logpmf(count, mean * share / (1 - share), share)
    return found
