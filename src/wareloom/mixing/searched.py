"""How much of which synthetic data, at which weight: found on held-back real events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Share, Size
from wareloom.errors import InputError, require
from wareloom.mixing._draw import OWNER, Amount, Pool, UserMixer
from wareloom.mixing._inner import unknowing
from wareloom.rankers import Ranker
from wareloom.rankers.held import FEWEST, Held, hold_back
from wareloom.rankers.history import into
from wareloom.rankers.members import ndcg_of_held
from wareloom.shop import Log, Shop
from wareloom.shop.log import stacked

ALL = "all"
"""The source of all synthetic rows together."""


@dataclass(frozen=True)
class Choice:
    """One mix that is tried."""

    ratio: float
    source: str
    weight: float
    head: float


@dataclass(kw_only=True, eq=False)
class Searched(UserMixer):
    """Find ratio, source, weight and what the head is worth on held-back real events; then mix that, or nothing.

    The last events of some real users are held back, a cheap ranker is fitted on the other real events with each mix,
    and ranks the catalogue for these users. First come all pairs of source (the origins of the synthetic rows, each
    alone and all together) and ratio, then, with the best of these, the weights, then the factors for the head. This is
    judged by one half of the users; by the other half, which chose nothing, the best must then be better than no mix by
    `margin` standard errors of the difference, or nothing is mixed in. Of equal mixes the one with less data is the
    best. `chosen_` says what was taken, and the mean NDCG@k of the second half with and without it; `trials_` has the
    mean of the first half for every mix.

    A generator that was fitted on all real events knows those held back, and its rows would be judged by what they
    copy. So rows of Wareloom's synthesizers, known by their origin, are sampled anew for the trials, from one fitted
    without these events; of other rows, users that know a step which only held-back events take are left out of them.
    """

    at_most: ClassVar[bool] = True
    quick: ClassVar[Mapping[str, Any]] = {"margin": 0.0}
    laws: ClassVar[frozenset[str]] = frozenset(
        {"amounts", "ratio and weight at most", "rows stay", "other columns"}
    )

    ranker: str = "transitions"
    """The ranker that mixes are tried with."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, where they are not the defaults."""
    shares: tuple[Share, ...] = (0.25, 0.5, 1.0)
    """Parts of `ratio` that are tried."""
    weights: tuple[Amount, ...] = (0.3, 1.0)
    """Parts of `weight` that are tried; ratio and source are tried with the last of them."""
    heads: tuple[Amount, ...] = (0.0, 1.0)
    """Parts of `head` that are tried; the others are tried with the last of them."""
    synthesizer_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings, by name, of the synthesizers that the rows come from, where they are not the defaults."""
    independent: bool = False
    """Whether rows of other origins come from a generator that was not fitted on these events; all then take part."""
    margin: Amount = 2.0
    """Standard errors of the difference by which a mix must be better than no mix; at 2 luck does it once in 40."""
    held: Size = 5_000
    """Real users, at most, whose last events are held back."""
    k: Size = 10
    """Length of the list that is judged."""

    def _check(self) -> None:
        for name in ("shares", "weights", "heads"):
            values = getattr(self, name)
            require(self.name, name, values, len(values) > 0, "one number or more")
        RANKERS.make(self.ranker, **self.ranker_settings)

    def _mix(self, pool: Pool, run: Run) -> Shop:
        self._search(pool, run)
        if self.chosen_["ratio"] == 0:
            return pool.real
        names = ("ratio", "source", "weight", "head")
        best = Choice(**{name: self.chosen_[name] for name in names})
        return pool.add(_drawn(pool, best, run), best.weight, best.head)

    def _search(self, pool: Pool, run: Run) -> None:
        """Try the mixes; leaves `chosen_` and `trials_`."""
        found = hold_back(pool.real_log, self.held, run)
        if found is None:
            raise InputError(
                f"searched: fewer than {FEWEST} real users have a last event that can be held back and judged; give "
                "more real users, or use the mixer ratio."
            )
        rest, held = found
        trial = unknowing(pool, rest, self.synthesizer_settings, run, independent=self.independent)
        made = None if trial is None else into(Log.of(trial.synthetic), rest.items)
        tried: dict[Choice, np.ndarray] = {
            Choice(0.0, "none", 0.0, 0.0): self._judged(held, rest, pool, run)
        }
        best = nothing = next(iter(tried))
        chooses = run.rng("searched", "halves").permutation(len(held.answers)) % 2 == 0
        for group in ("ratio", "weight", "head"):
            if trial is None or made is None:
                break
            for choice in self._choices(group, best, trial):
                if choice not in tried and len(drawn := _drawn(trial, choice, run)):
                    log = stacked(rest, self._sample(made, drawn, choice, trial))
                    tried[choice] = self._judged(held, log, pool, run)
            mixes = [choice for choice in tried if choice != nothing]
            if not mixes:
                break
            best = max(
                mixes,
                key=lambda choice: (
                    float(tried[choice][chooses].mean()),
                    -choice.ratio,
                    choice.source != ALL,
                ),
            )
        if best != nothing:
            gain = (tried[best] - tried[nothing])[~chooses]
            if not gain.mean() > self.margin * gain.std(ddof=1) / np.sqrt(len(gain)):
                best = nothing
        rows = [
            {**vars(choice), "mean": float(values[chooses].mean())}
            for choice, values in tried.items()
        ]
        self.trials_ = pl.DataFrame(rows)
        means = {
            "mean": float(tried[best][~chooses].mean()),
            "without": float(tried[nothing][~chooses].mean()),
        }
        self.chosen_: dict[str, Any] = {**vars(best), **means, "judged": len(held.answers)}

    def _choices(self, group: str, best: Choice, pool: Pool) -> list[Choice]:
        """The mixes that differ from the best so far in one group of settings."""
        if group == "ratio":
            origins = pool.users["origin"].unique().sort().to_list()
            sources = [ALL, *(origins if len(origins) > 1 else [])]
            weight, head = self.weight * self.weights[-1], self.head * self.heads[-1]
            return [
                Choice(self.ratio * s, source, weight, head)
                for source in sources
                for s in self.shares
                if s > 0
            ]
        if best.ratio == 0:
            return []
        if group == "weight":
            return [replace(best, weight=self.weight * part) for part in self.weights]
        return [replace(best, head=self.head * part) for part in self.heads]

    def _sample(self, made: Log, drawn: pl.DataFrame, choice: Choice, pool: Pool) -> Log:
        """The log of the drawn users with the weights of the choice."""
        code = made.users.encode(drawn[OWNER])
        log = made.select(code[code >= 0])
        weight = np.full(len(log), choice.weight, dtype=np.float32)
        weight[log.items.ids.is_in(pool.head.implode()).to_numpy()[log.item]] *= choice.head
        return replace(log, weight=weight)

    def _judged(self, held: Held, log: Log, pool: Pool, run: Run) -> np.ndarray:
        """NDCG@k of each held-back event by the ranker fitted on `log`: float64 [held users]."""
        ranker: Ranker = RANKERS.make(self.ranker, **self.ranker_settings)
        ranker.fit(pool.real, run, log=log)
        with run.limits():
            return ndcg_of_held(ranker, held, self.k)


def _drawn(pool: Pool, choice: Choice, run: Run) -> pl.DataFrame:
    """The users of a choice; smaller ratios draw a part of what larger ones do."""
    order = pool.order(run)
    if choice.source != ALL:
        order = order[(pool.users["origin"] == choice.source).to_numpy()[order]]
    wanted = pool.wanted(choice.ratio)
    return pool.users[order].filter(pl.col("len").cum_sum() <= wanted)
