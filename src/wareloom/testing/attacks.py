"""The contract of attacks."""

from __future__ import annotations

import atexit
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.attacks import Arena, Attack, Case, Maker
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.shop import Shop, Vocabulary
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make
from wareloom.testing.lively import lively

RUN = Run(seed=2, threads=1)
CHANCE = 1e-3
"""p below which an attack on a shop that knows nobody is said to tell members"""
LAWS: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
"""What every attack keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


def asking(shop: Shop, seed: int) -> Shop:
    """The shop with some searches of each of its users."""
    users = shop.table("events")["user_id"].unique().sort()
    rng = np.random.default_rng(seed)
    words = pl.Series([f"word {w}" for w in rng.zipf(1.5, 2 * len(users)) % 500])
    asked = pl.DataFrame({"user_id": pl.concat([users, users]), "query": words})
    return shop.with_tables(
        searches=asked.with_row_index("search_id").cast({"search_id": pl.String})
    )


def talking(shop: Shop, seed: int) -> Shop:
    """The shop with dialogues of a customer's turn and an agent's, of words at random."""
    rng = np.random.default_rng(seed)
    number = 120
    words = [" ".join(f"w{w}" for w in rng.zipf(1.4, 9) % 300) for _ in range(2 * number)]
    frame = pl.DataFrame(
        {
            "dialogue_id": [f"{seed}d{n // 2}" for n in range(2 * number)],
            "turn": [n % 2 for n in range(2 * number)],
            "role": ["customer", "agent"] * number,
            "text": words,
        }
    )
    return shop.with_tables(dialogues=frame)


@cache
def arena(users: int = 120) -> Arena:
    """Members, others, and a synthetic shop of yet others: whatever tells members there is luck."""
    sides = (lively(users, seed, name) for seed, name in ((1, "m"), (2, "s"), (3, "h")))
    real, synth, holdout = (talking(asking(shop, seed), seed) for seed, shop in enumerate(sides))
    return Arena.of(real, synth, holdout, RUN, model_of(synth), Maker("independent"))


@cache
def talk_arena() -> Arena:
    """The same where dialogues are who is looked for."""
    real, synth, holdout = arena().shops.values()
    return Arena.of(real, synth, holdout, RUN, talks=True)


def arena_of(cls: type[Attack]) -> Arena:
    """The arena of what an attack reads."""
    return talk_arena() if cls.reads == "dialogues" else arena()


def model_of(shop: Shop) -> Path:
    """The folder of a generator that was fitted on a shop, gone with this process."""
    folder = tempfile.TemporaryDirectory(prefix="wareloom-attacks-")
    atexit.register(folder.cleanup)
    SYNTHESIZERS.make("markov").fit(shop, RUN).save(Path(folder.name) / "model")
    return Path(folder.name) / "model"


def scores(cls: type[Attack], case: Case) -> np.ndarray:
    """Its scores, each target a row."""
    found = make(cls).score(case, RUN)
    assert not isinstance(found, str), f"it is left out: {found}"
    return np.asarray(found, dtype=np.float64).reshape(len(case.targets), -1)


@law(LAWS, "scores are numbers")
def scores_are_numbers(cls: type[Attack]) -> None:
    """Each target has a finite score, or several."""
    assert np.isfinite(scores(cls, arena_of(cls).cases[0])).all()


@law(LAWS, "the same seed")
def the_same_seed(cls: type[Attack]) -> None:
    """With the same seed it gives exactly the same scores, saved and restored, too."""
    case, made = arena_of(cls).cases[0], make(cls)
    restored = again(made)
    assert restored.settings() == made.settings()
    assert np.array_equal(made.score(case, RUN), restored.score(case, RUN))


@law(LAWS, "its input stays")
def its_input_stays(cls: type[Attack]) -> None:
    """What it is shown is as it was before."""
    case = arena_of(cls).cases[0]
    logs = [side.log for side in (case.targets, case.synth, case.others)]
    before = [(log.item.copy(), log.time.copy(), log.event.copy()) for log in logs]
    scores(cls, case)
    for log, kept in zip(logs, before, strict=True):
        for mine, theirs in zip((log.item, log.time, log.event), kept, strict=True):
            assert np.array_equal(mine, theirs)


@law(LAWS, "the order of targets says nothing")
def order_says_nothing(cls: type[Attack]) -> None:
    """Targets in another order have the same scores, in that order."""
    case = arena_of(cls).cases[0]
    order = np.random.default_rng(0).permutation(len(case.targets))
    other = replace(case, targets=case.targets.select(order))
    kit.same(scores(cls, other), scores(cls, case)[order])


@law(LAWS, "ids say nothing")
def ids_say_nothing(cls: type[Attack]) -> None:
    """Users under other ids have the same scores."""
    case = arena_of(cls).cases[0]
    ids = pl.select(pl.format("m{}", pl.int_range(len(case.targets)))).to_series()
    log = replace(case.targets.log, users=Vocabulary(ids))
    other = replace(case, targets=replace(case.targets, log=log))
    kit.same(scores(cls, other), scores(cls, case))


@law(LAWS, "nobody is told by luck")
def nobody_is_told_by_luck(cls: type[Attack]) -> None:
    """It tells no members of a shop of which SYNTH knows nothing."""
    found = make(cls).attack(arena_of(cls), RUN)
    assert not isinstance(found, str), found
    assert found.p > CHANCE, f"p is {found.p:.2g}, the area {found.area.value:.3f}"
    assert found.evidence == cls.evidence


@law(LAWS, "bare shops")
def bare_shops(cls: type[Attack]) -> None:
    """Shops without times, categories or searches, and users of one event, are scored, or left out with the reason."""
    for shape in ("no times", "no categories", "no searches", "one event each", "one item"):
        real, synth, holdout = (bare(side, shape) for side in _shops())
        dealt = Arena.of(real, synth, holdout, RUN)
        found = make(cls).attack(dealt, RUN)
        assert found if isinstance(found, str) else np.isfinite(found.area.value), shape


def _shops() -> tuple[Shop, Shop, Shop]:
    return (lively(50, 1, "m"), lively(50, 2, "s"), lively(50, 3, "h"))


def bare(shop: Shop, shape: str) -> Shop:
    """The shop without something."""
    events, items = shop.table("events"), shop.table("items")
    if shape == "no times":
        return shop.with_tables(events=events.drop("time"))
    if shape == "no categories":
        return shop.with_tables(items=items.drop("category"))
    if shape == "one event each":
        return shop.with_tables(events=events.unique("user_id", keep="first", maintain_order=True))
    if shape == "one item":
        return shop.with_tables(events=events.with_columns(item_id=pl.lit("i1")))
    return shop
