"""The arms of a proof: what each ranker is trained on, all from the training part alone."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import polars as pl

from wareloom.core.family import MIXERS, RANKERS
from wareloom.core.run import Run
from wareloom.experiment.plan import (
    CONTROLS,
    FEATURES,
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
from wareloom.sampling.generator import Generator, Pool
from wareloom.shop import Shop

BEHAVIOUR = frozenset({"behaviour"})


def plan(generator: Generator, ranker: str, ranker_settings: dict[str, Any]) -> Plan:
    """Say which arms apply.

    A generator that knows more than behaviour adds to real data two things at once: more rows, and its knowledge. The
    placebo has the rows without the knowledge, so it has to be beaten like the other controls. The ranker with the
    knowledge as features, and the generator as a ranker, are other uses of the same knowledge: whether they are better
    does not change whether the rows help, so they are references and decide nothing.
    """
    beyond, left_out = generator.knows() - BEHAVIOUR, dict[str, str]()
    if not MIXERS.load(generator.mixer).alone:
        left_out[SYNTHETIC] = (
            f"what the mixer {generator.mixer} adds is nothing without the real rows"
        )
    if not beyond:
        reason = "the generator knows the shop's behaviour alone"
        left_out |= dict.fromkeys((PLACEBO, FEATURES, TEACHER), reason)
        return Plan(controls=CONTROLS, references=(), left_out=left_out)
    knobs = {knob.name for knob in fields(RANKERS.load(ranker))}
    if "text" not in beyond:
        left_out[FEATURES] = f"no ranker takes {', '.join(sorted(beyond))} as features"
    elif "text" not in knobs:
        left_out[FEATURES] = f"the ranker {ranker} has no setting text"
    elif ranker_settings.get("text", "none") != "none":
        left_out[FEATURES] = f"the ranker {ranker} is given text in every arm"
    synthesizers = generator.made()
    if len(synthesizers) > 1:
        left_out[TEACHER] = "a generator of several synthesizers is no one ranker"
    elif not synthesizers[0].can_rank():
        left_out[TEACHER] = f"the synthesizer {synthesizers[0].name} cannot rank"
    references = tuple(name for name in (FEATURES, TEACHER) if name not in left_out)
    return Plan(controls=(*CONTROLS, PLACEBO), references=references, left_out=left_out)


def training_data(
    generator: Generator, arm: str, train: Shop, pool: Pool, ratio: float, run: Run
) -> Shop:
    """Return the training data of an arm; all arms with added data have as much of it."""
    mixer: Mixer = MIXERS.make(generator.mixer, **generator.mixer_settings, ratio=ratio)
    if arm in WITHOUT_POOL:
        return train
    if arm == REPEATED:
        return mixer.mix(train, repeated(train, ratio * mixer.supply), run)
    if arm in (NAIVE, PLACEBO):
        return mixer.mix(train, pool.naive if arm == NAIVE else pool.placebo, run)
    mixed: Shop = mixer.mix(train, pool.screened.kept, run)
    return mixed if arm == MIXED else without_real(mixed)


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
