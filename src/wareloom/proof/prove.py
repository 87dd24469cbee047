"""Prove: a study from split to verdict."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from wareloom.core import logging
from wareloom.core.run import Run
from wareloom.experiment.engine import Engine, Found, shippable
from wareloom.experiment.plan import DIRECT, MIXED, REAL, Plan
from wareloom.experiment.result import VERSION, Choice, Proof, rounded
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Study
from wareloom.preparing.splits import Split
from wareloom.proof.decide import Question, decide, decide_rows
from wareloom.proof.explore import explore
from wareloom.proof.families import correct
from wareloom.proof.kinds import study_for
from wareloom.proof.recommendation import ProofSettings
from wareloom.proof.story import story
from wareloom.proof.table import Table
from wareloom.shop import Shop


def prove(
    shop: Shop,
    settings: ExperimentSettings | None = None,
    run: Run | None = None,
    parts: Split | None = None,
) -> Proof:
    """Find out whether synthetic data lifts a ranker on real held-out data; `settings` say of which kind it is.

    The split comes first, unless `parts` are given; synthesizer, ranker and the choice of the ratio see the training
    and validation parts, the test part is read once at the end. With `run.cache` every finished cell is kept there, and
    a second call redoes none of them. With `run.jobs` or `run.on` others compute the cells.
    """
    settings = settings or ProofSettings()
    return prove_study(study_for(settings), shop, settings, run, parts)


def prove_study(
    cls: type[Study],
    shop: Shop,
    settings: ExperimentSettings,
    run: Run | None = None,
    parts: Split | None = None,
) -> Proof:
    """Prove what a study of any kind asks; see `prove`."""
    settings.check()
    for one in (shop, *((parts.train, parts.validation, parts.test) if parts else ())):
        one.verify()
    run = run or Run()
    named = logging.within(run_id=_id(shop, settings, run))
    with shippable(shop, run) as (held, own), named:
        study = cls(held, settings, own, parts)
        study.check()
        engine = Engine(study)
        found = [engine.found(mode) for mode in study.modes]
        explored = explore(engine, found[0].ties, found[0].choice["ratio"])
        explored |= study.beyond(found[0].cells)
        plan = engine.benches[study.modes[0]].plan
        return summarise(study, plan, found, explored)


def _id(shop: Shop, settings: ExperimentSettings, run: Run) -> str:
    """What a proof is called in the log: the same one for the same shop, settings and seed."""
    told = json.dumps([asdict(settings), shop.fingerprint, run.seed], default=str, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def summarise(
    study: Study, plan: Plan, found: list[Found], explored: dict[str, list[dict[str, Any]]]
) -> Proof:
    """Turn the cells of all orders of ties into arms, comparisons, power and one verdict; the first decides."""
    settings, first = study.settings, found[0]
    headline, better, tables = settings.headline, study.better(), tables_of(study, plan, found)
    comparisons = [row for table in tables for row in table.comparisons()]
    correct(comparisons, headline, plan.controls)
    question = Question(
        ties=first.ties,
        metric=headline,
        controls=plan.controls,
        instead=plan.instead,
        guard=settings.guard,
        lower=better[headline] == "lower",
        purpose=study.words.purpose,
    )
    data: dict[str, Any] = {
        "version": VERSION,
        "kind": study.kind,
        "words": asdict(study.words),
        "better": better,
        "shop": _about(study.shop),
        "settings": asdict(settings),
        "seed": study.run.seed,
        "modes": [
            {
                "ties": one.ties,
                "split": one.split,
                "task": one.task,
                "choice": one.choice,
                **one.told,
            }
            for one in found
        ],
        "arms": [row for table in tables for row in table.arms()],
        "arms_left_out": dict(plan.left_out),
        "training": [row for table in tables for row in table.training()],
        "comparisons": comparisons,
        "baselines": [row for table in tables for row in table.baselines()],
        "power": [
            _needed(study, first, row) for row in tables[0].power(headline, MIXED, settings.effect)
        ],
        "explored": explored,
        "choice": chosen(study, first),
        **decide(comparisons, question),
    }
    if labels := plan.rows or (DIRECT if DIRECT in plan.controls else ""):
        data["rows"] = decide_rows(comparisons, question, labels)
    data["story"] = story(data)
    data["story"]["references"] += study.sentences(data)
    return Proof(rounded(data))


def tables_of(study: Study, plan: Plan, found: list[Found]) -> list[Table]:
    """The figures of every order of ties."""
    run = Run(seed=study.run.seed)
    return [
        Table(
            one,
            study.settings.seeds,
            plan,
            run.rng("bootstrap", study.stream(one.ties)),
            turned=study.turned,
        )
        for one in found
    ]


def _about(shop: Shop) -> dict[str, Any]:
    """What was proved on: name, fingerprint and rows."""
    rows = {name: shop.rows(name) for name in shop.names}
    return {"meta": shop.meta, "fingerprint": shop.fingerprint, **rows}


def chosen(study: Study, found: Found) -> Choice:
    """What the proof chose: what a model that is kept has to be made by."""
    settings = study.settings
    generator = asdict(settings.generator)
    leading = MIXED if study.plan().leader == MIXED else REAL
    return {
        "mixer": generator.pop("mixer"),
        "mixer_settings": generator.pop("mixer_settings"),
        "generator": generator,
        "ratio": found.choice["ratio"],
        "ranker": settings.ranker,
        "ranker_settings": settings.ranker_settings,
        "updates": found.cells[leading, 0].training.get("updates"),
    }


def _needed(study: Study, found: Found, row: dict[str, Any]) -> dict[str, Any]:
    """Add how much it takes of what else is counted, such as clicks, to the number of requests."""
    needed = row["requests_needed"]
    share = None if needed is None else needed / row["requests"]
    more = {
        f"{name}_needed": None if share is None else round(share * found.task[name])
        for name in study.counted
    }
    return row | more
