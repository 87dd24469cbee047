"""Joint: several generators together, each for the slices of the catalogue where it was seen to help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import Factor, Size
from wareloom.errors import InputError, SettingError, require
from wareloom.privacy.looks import refuse_unpaid
from wareloom.rankers import Ranker
from wareloom.rankers.held import Held, hold_back
from wareloom.rankers.history import into
from wareloom.rankers.members import ndcg_of_held
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.keeps import Keeps, worst
from wareloom.shop.log import stacked, without_last
from wareloom.shop.popularity import slice_names, slices_of
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.behaviour import _gains
from wareloom.synthesis.behaviour._learned_from import active, learnable
from wareloom.synthesis.behaviour._shares import Drawn, apportion, draw, gathered, leaning
from wareloom.synthesis.draws import mark


@dataclass(kw_only=True, eq=False)
class Joint(Synthesizer):
    """Shoppers of several generators, of each in the slices of popularity where it helped a ranker most.

    The last events of some users are held back, every member is fitted on the rest, and a cheap ranker is taught the
    real events alone, and with as many users of one member beside them. In each slice of the held-back items a member
    weighs what it adds to NDCG@k beyond one standard error; `gains_` has all that was measured. The members with weight
    are then fitted anew on all. A synthetic user belongs to the slice that most of its events are in: slices stand as
    among real users, and within one the members stand as their weights. The gains that weights were chosen by are too
    fair to be a proof.

    Time: each member is fitted twice, the ranker once more than there are members.
    """

    keeps: ClassVar[Keeps] = "people"
    knows: ClassVar[frozenset[str]] = frozenset({"behaviour", "text"})
    conditions: ClassVar[frozenset[str]] = frozenset({"histories", "start_items", "length", "like"})
    quick: ClassVar[Mapping[str, Any]] = {"members": ("neighbours", "markov"), "validation": 1.0}

    members: tuple[str, ...] = ("teacher", "neighbours", "markov")
    """The synthesizers that are put together."""
    member_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by member, where they are not the defaults."""
    weights: dict[str, float | dict[str, float]] = field(default_factory=dict)
    """Weights by member, or by member and slice; where none is given they are learned."""
    slices: Size = 3
    """Slices of the catalogue by popularity, of as many events each: head, middle and tail."""
    ranker: str = "transitions"
    """The ranker that members are judged by."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, where they are not the defaults."""
    k: Size = 10
    """Length of the list that is judged."""
    validation: Factor = 0.5
    """Share of the real users whose last events are held back."""
    held: Size = 20_000
    """Users, at most, whose last events are held back."""

    def _check(self) -> None:
        different = len(set(self.members)) == len(self.members) > 0
        among = f"names among {list(self.members)}"
        for name, holds, wanted in (
            ("members", different, "different synthesizers, one or more"),
            ("members", "joint" not in self.members, "synthesizers other than itself"),
            ("member_settings", set(self.member_settings) <= set(self.members), among),
            ("weights", set(self.weights) <= set(self.members), among),
        ):
            require(self.name, name, getattr(self, name), holds, wanted)
        self._check_weights()
        RANKERS.make(self.ranker, **self.ranker_settings)
        for name in self.members:
            self._made(name)

    def _check_weights(self) -> None:
        named = slice_names(self.slices)
        for member, asked in self.weights.items():
            by_slice = asked if isinstance(asked, dict) else dict.fromkeys(named, asked)
            for name, value in by_slice.items():
                if name not in named:
                    raise SettingError(
                        f"joint: weights of {member!r} name the slice {name!r}; the slices are {', '.join(named)}."
                    )
                if not 0 <= value < np.inf:
                    raise SettingError(
                        f"joint: weights of {member!r} in {name} is {value}; give a number that is not negative."
                    )
        for name in named if self.weights else ():
            values = self.weights.values()
            if not any(
                asked.get(name, 0.0) if isinstance(asked, dict) else asked for asked in values
            ):
                raise SettingError(
                    f"joint: weights is {self.weights!r}; give some member a weight above 0 in {name}."
                )

    def _made(self, name: str) -> Synthesizer:
        made: Synthesizer = SYNTHESIZERS.make(name, **self.member_settings.get(name, {}))
        return made

    def draws_on(self) -> frozenset[str]:
        """All that its members draw on, those that get no weight too: their gains were looked at."""
        return frozenset().union(*(self._made(name).draws_on() for name in self.members))

    def holds(self) -> Keeps:
        """What it keeps besides its members: what each was worth."""
        return "counts" if "members_" in vars(self) else self.keeps

    def can_rank(self) -> bool:
        """Whether just one of its members can: several are no one ranker."""
        return sum(self._made(name).can_rank() for name in self.members) == 1

    def as_ranker(self) -> Ranker:
        """Return the ranker of the one member that can rank, fitted on all."""
        self.check_fitted()
        able = [one for one in self.members_.values() if one.can_rank()]
        if len(able) != 1:
            raise InputError(
                f"joint: of its members {', '.join(self.members_)} {len(able)} can rank; it takes one."
            )
        return able[0].as_ranker()

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn what each member is worth where, and fit those that are worth something.

        Raises `InputError` where the shop has no events on known items, or no member can learn from it; `RefusedError`
        where all members are private, before any of them spends: what they are put together by is not paid for.
        """
        run, named = run or Run(), slice_names(self.slices)
        if shop.keeps != "private":
            # Slices and shares are read off the log, too: with given weights it would keep counts all the same.
            alone = worst(*(self._made(name).kept() for name in self.members))
            refuse_unpaid(alone, "weights", f"Every member of {self.name}")
        log = learnable(self.name, shop)
        self.catalogue_ = shop.table("items")
        self.slice_ = slices_of(log.counts(), self.slices)
        there = active(log)
        real = leaning(
            there.user.astype(np.int64), self.slice_[there.item], len(there.users), self.slices
        )
        self.share_ = np.bincount(real, minlength=self.slices) / len(real)
        weights = self._learn(shop, log, run)
        asked = [
            m for m in self.members if self._made(m).can_rank() or any(weights.get(m, {}).values())
        ]
        self.members_ = self._fitted(asked, shop, run)
        self.weights_ = _gains.given({**weights}, list(self.members_), named)
        return self

    def _learn(self, shop: Shop, log: Log, run: Run) -> _gains.Weights:
        """Weights by member and slice; leaves `gains_`, and in `left_out_` why members could not learn."""
        named = slice_names(self.slices)
        self.left_out_: dict[str, str] = {}
        self.gains_: dict[str, Any] = {"slices": {}, "notes": []}
        if self.weights:
            return _gains.given(self.weights, list(self.members), named)
        most = min(self.held, int(np.ceil(self.validation * (log.lengths() >= 2).sum())))
        found = hold_back(log, most, run)
        if found is None or len(found[0]) == 0:
            self.gains_["notes"].append(
                f"{most} users are too few to hold events back of: all members weigh the same"
            )
            return _gains.even(list(self.members), named)
        rest, held = found
        place = slices_of(rest.counts(), self.slices)[held.answers]
        alone, joined = self._judged(without_last(shop, log, rest), rest, held, run)
        gains = _gains.gains(
            alone, joined, {name: place == number for number, name in enumerate(named)}
        )
        weights, notes = _gains.weigh(gains, named)
        self.gains_ = {
            "measure": f"ndcg@{self.k}",
            "ranker": self.ranker,
            "slices": gains,
            "notes": notes,
        }
        return weights

    def _judged(
        self, shop: Shop, rest: Log, held: Held, run: Run
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """NDCG@k of each held-back event, by the ranker taught real events alone, and with each member's users."""

        def judged(log: Log, run: Run) -> tuple[np.ndarray, Ranker]:
            ranker: Ranker = RANKERS.make(self.ranker, **self.ranker_settings)
            ranker.fit(shop, run, log=log)
            with run.limits():
                return ndcg_of_held(ranker, held, self.k), ranker

        users = int((rest.lengths() > 0).sum())
        alone, ranker = judged(rest, run)
        # One that learns by gradient updates takes as many of them with more data, or it would gain by training longer.
        told = run.with_(updates=run.updates if ranker.updates is None else ranker.updates)
        joined = {}
        for name, member in self._fitted(self.members, shop, run).items():
            with run.task(f"joint: judge {name}"):
                made = into(Log.of(member.sample(users, _run_of(run, name, "trial"))), rest.items)
                joined[name] = judged(stacked(rest, made), told)[0]
        return alone, joined

    def _fitted(
        self, names: list[str] | tuple[str, ...], shop: Shop, run: Run
    ) -> dict[str, Synthesizer]:
        """Fit members; those that find nothing to learn from in the shop are left out."""
        fitted = {}
        for name in names:
            try:
                fitted[name] = self._made(name).fit(shop, _run_of(run, name, "fit"))
            except InputError as error:
                if type(error) is not InputError:
                    raise
                self.left_out_[name] = str(error)
        if not fitted:
            raise InputError(
                "None of the members of joint can learn from this shop: "
                + "; ".join(self.left_out_.values())
            )
        return fitted

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw `n` users, called ORIGIN/0-MARK, ORIGIN/1-MARK, …, or continue the first `n` of `given.histories`.

        A member that cannot be conditioned raises its `InputError` where something is given. Where a member does not
        reach a slice, others of its users make up for those that lack.
        """
        self._checked(n, given)
        run, given = run or Run(), given or Given()
        if given.histories is not None:
            return self._continued(n, run, given)
        cells = apportion(
            n, self.share_[:, None] * self._table(), run.rng("joint", "cells").random()
        )
        kept = []
        for name, wanted in zip(self.members_, cells.T, strict=True):
            if wanted.any():
                kept += draw(self._sampler(name, run, given), wanted)
        numbers = run.rng("joint", "order").permutation(n)
        ends = np.cumsum([len(taken) for _, taken in kept])
        parts = [
            drawn.take(taken, own)
            for (drawn, taken), own in zip(kept, np.split(numbers, ends[:-1]), strict=True)
        ]
        made = gathered(
            parts, self.catalogue_, self.origin, mark(self, n, run, given), renamed=True
        )
        return self._stamped(made, given)

    def _table(self) -> np.ndarray:
        """Weights as float64 [slices, members]."""
        named = slice_names(self.slices)
        return np.array(
            [[self.weights_[member][name] for member in self.members_] for name in named]
        )

    def _sampler(self, name: str, run: Run, given: Given) -> Any:
        items = Vocabulary(self.catalogue_["item_id"])

        def sample(n: int, turn: int) -> Drawn:
            made = self.members_[name].sample(n, _run_of(run, name, turn), given)
            return Drawn(made, items, self.slice_, self.slices)

        return sample

    def _continued(self, n: int, run: Run, given: Given) -> Shop:
        """Deal the users of given histories to the members by the slice of what they had."""
        assert given.histories is not None
        log = Log.of(given.histories)
        known = np.flatnonzero(log.lengths() > 0)
        if n > len(known):
            raise InputError(
                f"Asked to continue {n} users, but the given histories hold {len(known)} with events."
            )
        log = log.select(known[:n])
        code = Vocabulary(self.catalogue_["item_id"]).recode(log.items)[log.item]
        there = code >= 0
        slice_ = leaning(log.user[there].astype(np.int64), self.slice_[code[there]], n, self.slices)
        rng, dealt = run.rng("joint", "dealt"), np.zeros(n, dtype=np.int64)
        for place, weights in enumerate(self._table()):
            mine = rng.permutation(np.flatnonzero(slice_ == place))
            dealt[mine] = np.repeat(
                np.arange(len(weights)), apportion(len(mine), weights, rng.random())
            )
        scan = given.histories.scan("events")
        parts = []
        for place, name in enumerate(self.members_):
            chosen = np.flatnonzero(dealt == place)
            if len(chosen) == 0:
                continue
            ids = log.users.ids.gather(chosen)
            histories = given.histories.with_tables(
                events=scan.filter(user_key(scan).is_in(ids.implode()))
            )
            made = self.members_[name].sample(
                len(ids), _run_of(run, name, 0), replace(given, histories=histories)
            )
            drawn = Drawn(made, Vocabulary(self.catalogue_["item_id"]), self.slice_, self.slices)
            code = log.users.encode(drawn.owners.ids)
            parts.append(drawn.take(np.arange(len(code)), code))
        made = gathered(
            parts, self.catalogue_, self.origin, mark(self, n, run, given), renamed=False
        )
        return self._stamped(made, given)


def _run_of(run: Run, member: str, purpose: object) -> Run:
    """The run of one member: members that build on one another would else draw the same users."""
    return run.with_(seed=run.seed_for("joint", member, purpose))
