"""What may leave the building: what the generator keeps of people, and what attacks tell of a sample of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.advising._candidates import Made
from wareloom.attacks import run_attacks
from wareloom.core.run import Run
from wareloom.errors import WareloomError
from wareloom.sampling.rejection import sample_screened
from wareloom.screening import made as made_screens
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key

USERS = 600
"""Users, at most, that a generator is fitted on to be attacked, and as many others"""
FEWEST = 100
"""Users of either sort below which attacks say nothing"""
TRIED = ("density", "sets", "pairs")
"""Attacks that take seconds"""
BAR = 0.55
"""Area up to which the upper end of an attack passes"""


def leaving(shop: Shop, made: Made, run: Run) -> dict[str, Any]:
    """Fit the generator on some users, sample as many, and attack the sample beside other users.

    Returns `keeps`, `worst`, `area`, `high`, `users` and `passes`; `why` where it was not tried.
    """
    keeps = made.generator.made()[0].kept()
    events = shop.table("events")
    owner = events.select(user=user_key(events))["user"]
    ids = owner.unique().drop_nulls().sort()
    order = run.rng("advice", "attacks").permutation(len(ids))
    half = min(USERS, len(ids) // 2)
    if half < FEWEST:
        return {"keeps": keeps, "why": f"attacks need {2 * FEWEST} users or more"}
    sides = []
    for at in (0, half):
        some = ids.gather(np.sort(order[at : at + half]))
        sides.append(
            shop.with_tables(events=events.filter(owner.is_in(some.implode())), users=None)
        )
    real, holdout = sides
    member = next(iter(made.generator.named().values()))
    try:
        from wareloom.core.family import SYNTHESIZERS

        fitted = SYNTHESIZERS.make(member.synthesizer, **member.settings).fit(real, run)
        screened = sample_screened(
            fitted, half, made_screens(made.generator.screens), (real, None), run, None
        )
        report = run_attacks(real, screened.kept, holdout, run, names=TRIED)
        worst = report.worst
    except WareloomError as error:
        return {"keeps": keeps, "why": str(error)}
    return {
        "keeps": keeps,
        "worst": worst.name,
        "area": worst.area.value,
        "high": report.high,
        "users": half,
        "passes": report.high <= BAR,
    }
