"""The proof of transfer: whether a sample of other shops' shoppers, without their logs, lifts this shop's system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.run import Run
from wareloom.core.sentences import Say
from wareloom.core.settings import Factor, Positive, Size
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.ranking import DEFAULT_METRICS, Evaluation, evaluate, metric
from wareloom.evaluation.tasks import Task, build_task
from wareloom.experiment.plan import (
    CONTROLS,
    MIXED,
    NAIVE,
    PLACEBO,
    REAL,
    REPEATED,
    SYNTHETIC,
    Plan,
)
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study, Words
from wareloom.preparing.splits import Split
from wareloom.proof.arms import repeated, without_real
from wareloom.proof.curves import curves
from wareloom.proof.decide import signed
from wareloom.proof.other_shops import (
    Bridge,
    Matching,
    Other,
    opened,
)
from wareloom.proof.ties import TIES, orders, with_dealt_ties
from wareloom.proof.transfer_pool import Asked, TransferPool, added, drawn, end_of, users_of
from wareloom.rankers import Ranker
from wareloom.rankers.held import Held
from wareloom.rankers.hybrid.stack import Stack
from wareloom.sampling.generator import Generator
from wareloom.shop import Log, Shop
from wareloom.shop.keeps import worst, worst_said
from wareloom.stats.bootstrap import combine, resample

LIMIT = "real + other shops' logs"
"""The arm that nobody has whose logs stay in their buildings: what a sample can come to at most"""
MEMBERS = ("transitions", "item_knn", "session_knn", "text_knn", "attributes")
"""Rankers that `stack` adds up where none are named; what the shop gives nothing to learn from is left out"""
BASELINES = ("popularity", "personal", "transitions", "item_knn")
ENGLISH = Say()
WORDS = {
    REAL: "this shop's own log alone",
    REPEATED: "its own log repeated",
    NAIVE: "a sample of how popular products are in the other shops",
    PLACEBO: "a walk from product to product by their texts",
    MIXED: "its own log with a sample of the other shops' shoppers",
    SYNTHETIC: "the sample alone",
    LIMIT: "its own log with the other shops' logs themselves",
}


@dataclass(frozen=True, kw_only=True)
class TransferProofSettings(ExperimentSettings):
    """What is proved of transfer between shops, and how hard."""

    others: tuple[str, ...] = ()
    """Folders of other shops, on whose logs the generator is fitted, on each by itself."""
    generator: Generator = field(default_factory=lambda: Generator(settings={"structure": "chain"}))
    """How each other shop synthesises. Chains know how often what follows what; outlines of single users, too."""
    own: Factor = 1.0
    """Share of this shop's training users that all arms have, drawn anew with each seed: what if it were younger?"""
    draws: Size = 8
    """Synthetic events for each event of the other shops; together they weigh what `ratios` say. Many say with less
    noise what the generator learned."""
    matching: Matching = "auto"
    """How products of two shops are matched: "ids", "texts", or "auto": by ids, those that differ by texts; refused
    where products of one id do not read alike."""
    embedder: str = "tfidf"
    """What compares texts. Catalogues in two languages need one that knows both."""
    ranker: str = "stack"
    """The system that every arm trains; of `stack` the members are those of `MEMBERS` where none are named."""
    baselines: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in BASELINES}
    )
    """Rankers, with their settings, that stand beside on this shop's own log."""
    ratios: tuple[Positive, ...] = (0.5, 1.0, 2.0)
    """What the sample weighs for each real event of the other shops; the best on the validation part is taken."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that decides."""
    repeats: Literal["auto", "rank", "mask"] = "auto"
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: tuple[TIES, ...] = ("shuffled",)
    """How events of one user and one time are ordered; the first decides."""

    def _check(self) -> None:
        super()._check()
        if not self.ties:
            raise SettingError("A proof needs an order of ties: shuffled or file.")
        if self.ranker == "stack" and "members" not in self.ranker_settings:
            named = {"members": MEMBERS} | self.ranker_settings
            object.__setattr__(self, "ranker_settings", named)

    def check(self) -> None:
        """See `ExperimentSettings.check`; other shops have to be named, and metrics have to judge rankings."""
        if not self.others:
            raise SettingError(
                "A proof of transfer needs other shops: name their folders (--from OTHER, others=[...])."
            )
        if self.generator.mixer != "ratio" or self.generator.mixer_settings:
            raise SettingError(
                f"A proof of transfer adds whole samples, so that the mixer {self.generator.mixer!r} and its settings "
                "say nothing here: leave them out."
            )
        super().check()
        for name in self.metrics:
            metric(name)


class Transfer(Study):
    """Whether this shop's system is better with a sample of other shops' shoppers than without.

    The generator is fitted in each other shop alone, on its own catalogue. What it draws is put on this shop's items.
    The other shops' logs are in one arm only, the limit; else they are looked at to find copies.
    """

    kind: ClassVar[str] = "transfer"
    settings_of: ClassVar[type[ExperimentSettings]] = TransferProofSettings
    settings: TransferProofSettings

    def check(self) -> None:
        """Raise `InputError` where this shop has no events, or another shop cannot teach it."""
        if not self.shop.has("events"):
            raise InputError(
                "A proof of transfer needs the table 'events': without it there is no behaviour to hold out."
            )
        self.others  # noqa: B018

    @cached_property
    def bridge(self) -> Bridge:
        """How other catalogues are put on this one."""
        return Bridge(self.shop, self.settings.matching, self.settings.embedder)

    @cached_property
    def others(self) -> tuple[Other, ...]:
        """The other shops, without this shop's own users."""
        run = self.run.with_(seed=self.run.seed_for("transfer"))
        return tuple(opened(self.settings.others, self.shop, self.bridge, run))

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """The orders of ties that were asked for; one where no user has two events of one time."""
        return orders(self.shop, self.settings.ties)

    @cached_property
    def random(self) -> bool:
        """Whether seeds differ: also where each draws the share of this shop's users anew."""
        return self.settings.own < 1 or self.gradient

    @cached_property
    def gradient(self) -> bool:
        """Whether the system has chance of its own, see `Study.gradient`."""
        return bool(self._made().random)

    @property
    def stamp(self) -> list[str]:
        """What other shops hold."""
        return [one.fingerprint for one in map(Shop.open, self.settings.others)]

    @property
    def words(self) -> Words:
        """How a person is told of it."""
        return Words(purpose=" to learn from other shops", arms=WORDS)

    def stream(self, mode: str) -> str:
        """Each order of ties has random numbers of its own."""
        return f"transfer {mode}"

    def plan(self) -> Plan:
        """The controls with a walk of texts where there are texts, and the limit beside."""
        reads = self.bridge.reads
        return Plan(
            controls=(*CONTROLS, PLACEBO) if reads else CONTROLS,
            references=(LIMIT,),
            left_out={} if reads else {PLACEBO: "the items have no texts to walk by"},
        )

    def prepare(self, mode: str) -> Split:
        """Split this shop, its ties in the order that `mode` names."""
        return super().prepare(mode) if mode == "file" else with_dealt_ties(self)

    def share_of(self, train: Shop, share: float, run: Run) -> Shop:
        """Return the events of a share of the users that all arms have."""
        return super().share_of(train, share * self.settings.own, run)

    def task(self, parts: Split, part: str) -> Task:
        """The requests of the part: of all users, those too that the share leaves out of training."""
        return build_task(parts, part, self.settings.repeats)

    def held(self, parts: Split) -> Held:
        """The validation part, which is in no arm's training."""
        return self.task(parts, "validation").held()

    def held_of(self, held: Held | None, whole: Shop, train: Shop, run: Run) -> Held | None:
        """What this shop's own users did; of users that are in no training part, the same share."""
        if held is None or train is whole:
            return held
        everybody, own = (Log.of(part).users.ids.to_list() for part in (whole, train))
        who = held.histories.users.ids
        mine = who.is_in(own).to_numpy()
        strangers = np.flatnonzero(~who.is_in(everybody).to_numpy())
        dealt = run.rng("share", "held").permutation(strangers)
        mine[dealt[: round(len(strangers) * len(own) / len(everybody))]] = True
        return held.take(np.flatnonzero(mine))

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> TransferPool:
        """What each other shop's generator draws, screened there, then put on this shop's items.

        Raises `LeakError` where another log, or the sample, knows what is held out.
        """
        others = tuple(one.until(end_of(parts)) for one in self.others)
        asked = Asked(self.settings.generator, self.settings.draws, self.bridge)
        return drawn(asked, others, parts, train, run)

    def training(self, cell: Cell, train: Shop, pool: Callable[[], TransferPool], run: Run) -> Shop:
        """This shop's events with those that the arm adds, which weigh the same in every arm but the limit."""
        given = pool()
        logs = given.logs
        whole = float(logs["weight"].sum())
        mass = cell.ratio * whole
        if cell.arm == LIMIT:
            return added(train, logs, whole)
        if cell.arm == REPEATED:
            own = float(train.table("events")["weight"].sum())
            return added(train, repeated(train, mass / own).table("events"), mass)
        sources = {NAIVE: "naive", PLACEBO: "placebo"}
        more = getattr(given, sources[cell.arm]) if cell.arm in sources else given.screened.kept
        mixed = added(train, more.table("events"), mass).keeping(
            worst_said([train.keeps, more.keeps])
        )
        return without_real(mixed) if cell.arm == SYNTHETIC else mixed

    def evaluate(self, ranker: Ranker, task: Task, run: Run) -> Evaluation:
        """Rank the whole catalogue for every request."""
        return evaluate(ranker, task, self.settings.metrics, run)

    def of_training(self, ranker: Ranker) -> dict[str, Any]:
        """What each member of a stack weighs: 0 says that the others know all it knows."""
        if not isinstance(ranker, Stack):
            return {}
        return {"weights": {name: round(value, 4) for name, value in ranker.weights_.items()}}

    def baseline(
        self, name: str, train: Shop, task: Task, held: Held | None, run: Run
    ) -> Evaluation:
        """Train one of `beside` on what this shop has of its own, and measure it on the test part."""
        own = self.share_of(train, 1.0, run)
        return super().baseline(name, own, task, self.held_of(held, train, own, run), run)

    def told(self, parts: Split, pool: Callable[[], TransferPool]) -> dict[str, Any]:
        """What was drawn in the other shops, what the screens took of it, and how it looks beside this shop's log."""
        made = pool()
        kept = made.screened.kept
        origins = kept.table("events")["origin"].unique(maintain_order=True)
        return {
            "synthetic": {
                "users": users_of(kept),
                "events": kept.rows("events"),
                "screens": made.screened.report,
                "sampling": made.screened.sampling,
                "origin": ", ".join(origins),
                "keeps": worst(kept.keeps),
                "own_events": made.train.rows("events"),
                "others": [one.told for one in made.others],
            },
            "curves": curves({REAL: made.train, "synthetic": kept, "naive": made.naive}),
        }

    def beyond(
        self, cells: Mapping[tuple[str, int], Evaluation]
    ) -> dict[str, list[dict[str, Any]]]:
        """The share of the limit's lift that the sample, and each control that other shops feed, keeps."""
        names = [MIXED, *(name for name in (NAIVE, PLACEBO) if name in self.plan().arms)]
        rng = self.run.rng("bootstrap", "transfer", "kept")
        measure = f"{self.settings.headline}/all"
        values = {
            arm: np.stack(
                [cells[arm, seed].per_request[measure] for seed in range(self.settings.seeds)], 1
            )
            for arm in (REAL, LIMIT, *names)
        }
        most = values[LIMIT] - values[REAL]
        return {"kept": [{"arm": n} | kept(values[n] - values[REAL], most, rng) for n in names]}

    def sentences(self, data: Mapping[str, Any]) -> list[str]:
        """What is told of the limit, of the share that is kept, and of what left the other shops."""
        return sentences(data)


def kept(gain: np.ndarray, most: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """The share that one gain is of another, paired: "share", "low", "high"; None where the other is not above zero.

    gain, most: float64 [requests, seeds]. The interval joins requests and seeds, by the linear terms of the ratio of
    two means (the delta method).
    """
    mine, whole = gain.mean(axis=1), most.mean(axis=1)
    means = resample(np.stack([mine, whole], axis=1), rng)
    limit = combine(float(np.nanmean(whole)), means[:, 1], np.nanmean(most, axis=0))
    if limit.low is None or limit.low <= 0:
        return {"share": None, "low": None, "high": None}
    share = float(np.nanmean(mine)) / limit.mean
    around = share + (means[:, 0] - share * means[:, 1]) / limit.mean
    by_seed = share + np.nanmean(gain - share * most, axis=0) / limit.mean
    found = combine(share, around, by_seed)
    return {"share": share, "low": found.low, "high": found.high}


def sentences(data: Mapping[str, Any], say: Say = ENGLISH) -> list[str]:
    """What a proof of transfer tells beside the verdict."""
    decisive, told = data["decisive"], data["modes"][0]["synthetic"]
    asked = (decisive["ties"], decisive["metric"], "all", LIMIT, REAL)
    keys = ("ties", "metric", "slice", "arm", "against")
    row = next(r for r in data["comparisons"] if tuple(r[k] for k in keys) == asked)
    said = []
    if row["lift"] is not None:
        said.append(
            say(
                "transfer.limit",
                lift=signed(row["lift"]),
                low=signed(row["lift_low"]),
                high=signed(row["lift_high"]),
                over=say.term("arm_plain", WORDS[REAL]),
            )
        )
    shares = [r for r in data["explored"]["kept"] if r["share"] is not None]
    if shares:
        first, *rest = (
            say("transfer.share", **{key: f"{r[key]:.0%}" for key in ("share", "low", "high")})
            for r in shares
        )
        beside = [
            say("transfer.beside", arm=say.term("arm_plain", WORDS[r["arm"]]), share=share)
            for r, share in zip(shares[1:], rest, strict=True)
        ]
        said.append(say("transfer.keeps", share=first, beside=say.listed(beside)))
    else:
        said.append(say("transfer.nothing"))
    for one in told["others"]:
        said.append(_came(one, say))
    return said


def _came(one: Mapping[str, Any], say: Say) -> str:
    """What became of one other shop's users and events."""
    counts = {
        name: f"{one[name]:,}"
        for name in (
            *("fitted_users", "users", "same_id", "same_events"),
            *("events_same", "events_translated", "events_left_out"),
        )
    }
    drawn = one["events_same"] + one["events_translated"] + one["events_left_out"]
    return say("transfer.came", folder=one["folder"], drawn=f"{drawn:,}", **counts)
