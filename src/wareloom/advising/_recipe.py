"""The recipe that reproduces the advice at full strength, and the model bundle of the best system."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wareloom.advising._candidates import Made
from wareloom.advising._chosen import Chosen
from wareloom.advising._data import Worked
from wareloom.advising._desk import Desk
from wareloom.advising._generators import System
from wareloom.advising._halving import METRICS
from wareloom.bundle import write_bundle
from wareloom.core.family import RANKERS
from wareloom.experiment.result import Proof
from wareloom.rankers import Ranker
from wareloom.recipe.load import Recipe
from wareloom.recipe.make import make
from wareloom.recipe.steps import MakeStep
from wareloom.shop import Shop

OVER, AGAIN = 0.06, 2.2
"""Share of the minutes that the model may take beyond them; fits that learning an ensemble without a validation part
takes: once for the weights, once of all"""


def recipe_of(
    source: Path, worked: Worked, system: System, made: Made, ratio: float | None, seed: int
) -> Recipe:
    """The whole job on all users with three seeds: read, split, prove, make."""
    generator = made.generator
    split = {k: v for k, v in asdict(worked.split).items() if v is not None}
    raw: dict[str, Any] = {
        "name": "advice",
        "seed": seed,
        "stages": ["read", "split", "prove", "make"],
        "read": {"source": str(source)},
        "split": split,
        "synthesize": {"name": generator.synthesizer, "set": generator.settings},
        "mix": {"name": generator.mixer, "set": generator.mixer_settings},
        "train": {"name": system.ranker, "set": system.settings},
        "prove": {
            "seeds": 3,
            "ratios": [0.5, 1.0, 2.0] if ratio is None else [ratio],
            "metrics": list(METRICS),
            "ties": ["shuffled"],
        },
        "make": {"mix": "helps"},
    }
    return Recipe.of(raw)


def keep(worked: Worked, chosen: Chosen, recipe: Recipe, desk: Desk, seconds: float) -> None:
    """Write the bundle of what was chosen; `seconds`: what the system took on all but the validation part.

    It learns from all but the test part. Where there is no time for that, the system as it was measured is kept, which
    has not learned from the validation part; the recipe makes it of all.
    """
    given = max(desk.clock.left, OVER * desk.clock.seconds, 10.0)
    if chosen.proof is None and chosen.fitted is not None and AGAIN * seconds > given:
        _written(worked, chosen.system, chosen.fitted, recipe, desk, "train")
        return
    name = "the bundle"
    made = desk.tried(
        name, given, lambda: bundle_of(worked, chosen.system, chosen.proof, recipe, desk)
    )
    if made is None and chosen.fitted is not None:
        desk.left_out[name] = "of all but the test part: there was no time to learn it again"
        _written(worked, chosen.system, chosen.fitted, recipe, desk, "train")


def bundle_of(
    worked: Worked, system: System, proof: Proof | None, recipe: Recipe, desk: Desk
) -> Path:
    """Fit the best system on all but the test part, as the proof chose where there is one, and write the bundle."""
    target, run = desk.folder / "bundle", desk.run.with_(quiet=True)
    if proof is not None:
        made = make(worked.shop, proof, MakeStep(mix="helps"), recipe.plain(), run, desk.work)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(made.bundle.folder, target)
        return target
    own = run.with_(seed=run.seed_for("make"))
    ranker = RANKERS.make(system.ranker, **system.settings).fit(worked.before, own)
    return _written(worked, system, ranker, recipe, desk, "train+validation")


def _written(
    worked: Worked, system: System, ranker: Ranker, recipe: Recipe, desk: Desk, of: str
) -> Path:
    """Write the bundle of a fitted ranker that has learned from `of`."""
    target = desk.folder / "bundle"
    write_bundle(
        target,
        ranker=ranker,
        shop=worked.before,
        recipe=recipe.plain(),
        choice={
            "ranker": system.ranker,
            "ranker_settings": system.settings,
            "mixed": False,
            "data": of,
            "kind": "recommendation",
        },
        proof=None,
        seed=desk.run.seed,
    )
    return target


def source_of(shop: Shop, undone: Shop | None, folder: Path) -> Path:
    """Where the recipe reads from: the shop's own folder, or a copy here where artefacts were undone."""
    if undone is None and shop.path is not None:
        return shop.path.resolve()
    return (undone or shop).save(folder / "shop").path or folder / "shop"
