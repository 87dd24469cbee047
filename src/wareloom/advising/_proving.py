"""The one proof that reads the test part: as many seeds, arms and users as the minutes that are left allow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wareloom.advising._candidates import Made
from wareloom.advising._data import Worked, share_of
from wareloom.advising._desk import Desk
from wareloom.advising._generators import System, settings_of
from wareloom.advising._halving import METRICS
from wareloom.core.family import RANKERS
from wareloom.errors import InputError
from wareloom.evaluation.ranking import evaluate
from wareloom.evaluation.tasks import build_task
from wareloom.experiment.engine import Bench, Beside, Engine, Told
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.proof.arms import plan
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings, Recommendation
from wareloom.proof.ties import arranged
from wareloom.rankers import Ranker
from wareloom.rankers.held import Held
from wareloom.shop import Shop

SHARES = (1.0, 0.5, 0.25, 0.1)
LEAST = 1_500
"""Events below which a proof of a share of the users is not worth it"""
GROWS = 1.15


CELLS, WORTH = 13, 0.25
"""Fits, in those on real data alone, that trying a generator and proving it with two seeds take about; share of the
users from which a proof is worth more than one of a better system on fewer"""


def to_prove(found: Mapping[str, Any], seconds: float, rows: int) -> dict[str, Any]:
    """Return the system that a proof fits for into so many seconds: the best, or the best of the lighter ones.

    `found`: what `Rankers.run` returned; `rows`: events that are worked on. Each system has label, ranker, settings,
    value and seconds.
    """
    share = max(WORTH, min(1.0, LEAST / max(1, rows)))
    every = [system_of(found), *found.get("systems", [])]
    for one in every:
        if CELLS * one["seconds"] * share**GROWS <= seconds:
            return one
    return min(every, key=lambda one: float(one["seconds"]))


def system_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The system that was taken."""
    mine = [t for t in found["trials"] if t["label"] == found["label"]]
    last = mine[-1] if mine else {"value": 0.0, "fit": 1.0, "rank": 0.0}
    told = {key: found[key] for key in ("label", "ranker", "settings")}
    return told | {"value": last["value"], "seconds": last["fit"] + last["rank"]}


@dataclass(frozen=True)
class Way:
    """One way to prove it."""

    seeds: int
    references: bool
    share: float
    seconds: float
    """What it is reckoned to take"""


def ways(worked: Worked, system: System, made: Made, told: dict[str, Any]) -> Iterator[Way]:
    """Ways to prove it, the strongest first; `told`: what trying the generators came to."""
    rows, seconds = worked.shop.rows("events"), told["seconds"]
    real = seconds.get(REAL, 1.0)
    # An arm learns from so many more rows; what is beyond that in the mixed one is the pool, which a seed makes once.
    arm = real * (1 + told["ratio"])
    pool = max(0.0, seconds.get(MIXED, arm) - arm)
    for share in SHARES:
        grown = max(share * rows / max(1, told["events"]), 0.05) ** GROWS
        if share < 1.0 and share * rows < LEAST:
            continue
        for seeds, references in ((3, True), (3, False), (2, False)):
            _, arms = _settings(worked, system, made, told, seeds, references)
            each = grown * (pool + arm * arms)
            yield Way(
                seeds=seeds,
                references=references,
                share=share,
                seconds=1.2 * (grown * real + seeds * each) + 2.0,
            )


def _settings(
    worked: Worked, system: System, made: Made, told: dict[str, Any], seeds: int, references: bool
) -> tuple[ProofSettings, int]:
    """Settings of the proof, and how many arms it has beside real data alone."""
    settings = settings_of(
        worked,
        system,
        made,
        ratios=(told["ratio"],),
        seeds=seeds,
        references=references,
        baselines={} if system.ranker == "popularity" else {"popularity": {}},
    )
    arms = plan(made.generator, system.ranker, system.settings, references=references).arms
    return settings, len(arms) - 1


def prove_within(
    worked: Worked, system: System, made: Made, told: dict[str, Any], desk: Desk, reserve: float
) -> tuple[Proof, Way] | None:
    """Prove it in the strongest way that fits; None, and why in `left_out`, where none does.

    `reserve`: seconds that are to be left for what comes after.
    """
    left = desk.clock.left - reserve
    way = next((one for one in ways(worked, system, made, told) if one.seconds <= left), None)
    if way is None:
        desk.left_out["the proof"] = f"no way to prove it fits into the {left:.0f} s that are left"
        return None
    settings, _ = _settings(worked, system, made, told, way.seeds, way.references)
    shop = share_of(worked.shop, way.share, desk.run)
    users = "all users" if way.share == 1.0 else f"{way.share:.0%} of the users"
    desk.say(f"proof with {way.seeds} seeds on {users}, about {way.seconds:.0f} s")
    proof = desk.tried("the proof", left, lambda: _proved(shop, settings, desk))
    return None if proof is None else (proof, way)


def reached(worked: Worked, system: System, desk: Desk, label: str) -> tuple[float, Ranker]:
    """What a system reaches on real data alone, of all users and on the whole test part; and the fitted system."""
    desk.say(f"{label} on the whole test part")
    run = desk.cells.with_(seed=desk.run.seed_for("advice", "reached"))
    parts = arranged(worked.shop, worked.split, worked.ties, run)
    held: Held | None = None
    with contextlib.suppress(InputError):
        held = build_task(parts, "validation").held()
    model = RANKERS.make(system.ranker, **system.settings).fit(parts.train, run, held=held)
    found = evaluate(model, build_task(parts), METRICS, run)
    return found.overall[METRICS[0]], model


def _proved(shop: Shop, settings: ProofSettings, desk: Desk) -> Proof:
    """Have the cells computed one by one, each kept and told of; then put them together."""
    study = Recommendation(shop, settings, desk.cells)
    study.check()
    engine = Engine(study)
    for mode in study.modes:
        bench = engine.benches[mode]
        pieces = list(_pieces(bench, engine.choose(mode)["ratio"]))
        for place, piece in enumerate(pieces):
            bench.get(piece)
            desk.note()
            desk.say(f"proof: {place + 1} of {len(pieces)}, {bench.label(piece)}")
    return prove(shop, settings, desk.cells)


def _pieces(bench: Bench, ratio: float) -> Iterator[Cell | Beside | Told]:
    """What a proof is made of, in the order in which a pool serves best."""
    settings = bench.settings
    arms = (REAL, *(arm for arm in bench.plan.arms if arm != REAL))
    for seed in range(settings.seeds):
        yield from (Cell(arm=arm, seed=seed, ratio=ratio) for arm in arms)
        if seed == 0:
            yield Told()
    yield from (Beside(name) for name in bench.study.beside)
