"""The arms of a proof: what each ranker is trained on, all from the training part alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import polars as pl

from wareloom.core.family import MIXERS, RANKERS
from wareloom.core.run import Run
from wareloom.experiment.plan import (
    ANYWHERE,
    BEHAVIOUR_LABELS,
    CONTROLS,
    DIRECT,
    FEATURES,
    FEATURES_MIXED,
    MIXED,
    NAIVE,
    PLACEBO,
    REAL,
    REPEATED,
    SYNTHETIC,
    TEACHER,
    WITHOUT_POOL,
    Plan,
)
from wareloom.mixing import Mixer
from wareloom.mixing.distil import Distil
from wareloom.rankers import Ranker
from wareloom.rankers.hybrid.stack import Stack
from wareloom.sampling.generator import Generator, Pool
from wareloom.shop import Shop

BEHAVIOUR = frozenset({"behaviour"})


def plan(
    generator: Generator,
    ranker: str,
    ranker_settings: dict[str, Any],
    *,
    references: bool = True,
) -> Plan:
    """Say which arms apply.

    A generator that knows more than behaviour adds to real data two things at once: more rows, and its knowledge. The
    placebo has the rows without the knowledge, so it has to be beaten like the other controls; and walks that begin
    anywhere have to be where the generator begins there. The same knowledge as direct labels of the real events, no
    shopper synthesised, decides whether rows help. The ranker with the knowledge as features, and the generator as a
    ranker, are other uses of it: whether they are better does not change whether the rows help.
    """
    beyond, left_out = generator.knows() - BEHAVIOUR, dict[str, str]()
    mixer = MIXERS.load(generator.mixer)
    model: Ranker = RANKERS.make(ranker, **ranker_settings)
    synthesizers = generator.made()
    if not mixer.draws:
        return _without_rows(generator)
    if not mixer.alone:
        left_out[SYNTHETIC] = (
            f"what the mixer {generator.mixer} adds is nothing without the real rows"
        )
    if not model.takes_labels():
        left_out[DIRECT] = f"the ranker {ranker} cannot be taught soft labels"
    if not beyond:
        reason = "the generator knows the shop's behaviour alone"
        left_out |= dict.fromkeys(
            (PLACEBO, ANYWHERE, BEHAVIOUR_LABELS, FEATURES, FEATURES_MIXED, TEACHER), reason
        )
    else:
        if not any(getattr(one, "uniform", 0.0) for one in synthesizers):
            left_out[ANYWHERE] = "the generator's walks begin where real ones do"
        if DIRECT in left_out:
            left_out[BEHAVIOUR_LABELS] = left_out[DIRECT]
        left_out |= (
            dict.fromkeys((FEATURES, FEATURES_MIXED), reason)
            if (reason := _no_features(beyond, ranker, ranker_settings))
            else {}
        )
        if len(synthesizers) > 1:
            left_out[TEACHER] = "a generator of several synthesizers is no one ranker"
        elif not synthesizers[0].can_rank():
            left_out[TEACHER] = f"the synthesizer {synthesizers[0].name} cannot rank"
    others = (BEHAVIOUR_LABELS, FEATURES, FEATURES_MIXED, TEACHER)
    if not references:
        asked = (name for name in (DIRECT, *others) if name not in left_out)
        left_out |= dict.fromkeys(asked, "references were not asked for")
    return Plan(
        controls=(*CONTROLS, *(name for name in (PLACEBO, ANYWHERE) if name not in left_out)),
        rows="" if DIRECT in left_out else DIRECT,
        weighed=(MIXED,) if DIRECT in left_out else (MIXED, DIRECT),
        references=tuple(name for name in others if name not in left_out),
        left_out=left_out,
    )


def _no_features(beyond: frozenset[str], ranker: str, settings: dict[str, Any]) -> str:
    """Why a ranker cannot be given as features what the generator knows; nothing where it can."""
    if "text" not in beyond:
        return f"no ranker takes {', '.join(sorted(beyond))} as features"
    if "text" not in {knob.name for knob in fields(RANKERS.load(ranker))}:
        return f"the ranker {ranker} has no setting text"
    if settings.get("text", "none") != "none":
        return f"the ranker {ranker} is given text in every arm"
    return ""


def _without_rows(generator: Generator) -> Plan:
    """The arms where labels are added and no row: labels by popularity, and by behaviour alone, are the controls."""
    left_out = {
        REPEATED: "no row is added, so there is nothing to repeat",
        SYNTHETIC: "no row is added, so there is nothing but the real ones",
    }
    name, settings = labeller(generator, behaviour=False)
    if (name, settings) == labeller(generator, behaviour=True):
        left_out[PLACEBO] = "the labels know the shop's behaviour alone"
        return Plan(controls=(REAL, NAIVE), left_out=left_out)
    return Plan(controls=(REAL, NAIVE, PLACEBO), left_out=left_out)


def labeller(generator: Generator, *, behaviour: bool = False) -> tuple[str, dict[str, Any]]:
    """Name and settings of the ranker whose labels are direct: the generator's own, or the mixer's, or a stack."""
    mixer: Mixer = MIXERS.make(generator.mixer, **generator.mixer_settings)
    if isinstance(mixer, Distil):
        name, settings = mixer.ranker, dict(mixer.ranker_settings)
    else:
        told = (one.ensemble() for one in generator.made())
        name, settings = next((found for found in told if found), ("stack", {}))
    if behaviour and name == "stack":
        stack: Stack = RANKERS.make(name, **settings)
        settings = stack.of_behaviour()
    return name, settings


def labelled(
    generator: Generator, train: Shop, ratio: float, run: Run, *, behaviour: bool = False
) -> Shop:
    """Return the training part with direct labels, laid out as the generator's mixer lays out its own where it does."""
    mixer: Mixer = MIXERS.make(generator.mixer, **generator.mixer_settings)
    alike = {
        name: getattr(mixer, name)
        for name in ("weight", "head", "labels", "temperature", "repeats", "folds")
        if mixer.adds == "soft_labels" and hasattr(mixer, name)
    }
    name, settings = labeller(generator, behaviour=behaviour)
    return Distil(ratio=ratio, ranker=name, ranker_settings=settings, **alike).mix(train, None, run)


def training_data(
    generator: Generator,
    arm: str,
    train: Shop,
    pool: Callable[[], Pool],
    ratio: float,
    run: Run,
) -> Shop:
    """Return the training data of an arm; all arms with added data have as much of it."""
    mixer: Mixer = MIXERS.make(generator.mixer, **generator.mixer_settings, ratio=ratio)
    if arm in WITHOUT_POOL:
        return train
    if arm in (DIRECT, BEHAVIOUR_LABELS):
        return labelled(generator, train, ratio, run, behaviour=arm == BEHAVIOUR_LABELS)
    if isinstance(mixer, Distil):
        if arm == NAIVE:
            return replace(mixer, ranker="popularity", ranker_settings={}).mix(train, None, run)
        return labelled(generator, train, ratio, run, behaviour=arm == PLACEBO)
    if arm == REPEATED:
        return mixer.mix(train, repeated(train, ratio * mixer.supply), run)
    made = pool()
    if arm in (NAIVE, PLACEBO, ANYWHERE):
        drawn = {NAIVE: "naive", PLACEBO: "placebo", ANYWHERE: "anywhere"}[arm]
        return mixer.mix(train, getattr(made, drawn), run)
    mixed: Shop = mixer.mix(train, made.screened.kept, run)
    return without_real(mixed) if arm == SYNTHETIC else mixed


def repeated(shop: Shop, ratio: float) -> Shop:
    """Return copies of the shop's own users, `ratio` times rounded up, under new ids and marked "repeated"."""
    copies = []
    for copy in range(max(1, -int(-ratio // 1))):
        keys = [name for name in ("user_id", "session_id") if name in shop.columns("events")]
        renamed = [pl.format("repeated-{}/{}", pl.lit(copy), name).alias(name) for name in keys]
        copies.append(shop.scan("events").with_columns(*renamed, origin=pl.lit("repeated")))
    return shop.with_tables(events=pl.concat(copies), users=None)


def without_real(shop: Shop) -> Shop:
    """Return the shop with its synthetic events alone."""
    return shop.with_tables(events=shop.scan("events").filter(pl.col("origin") != REAL))
