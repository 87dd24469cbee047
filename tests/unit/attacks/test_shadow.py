"""Generators made with and without each target say more than any attack alone; planted users prove a leak."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from attacked import memorised, wide
from wareloom.attacks import Arena, Maker, Outcome, run_attacks
from wareloom.attacks._remaking import coded, histories, ordered, shop_of
from wareloom.attacks._shadowing import best_told, likelihood_ratio, regressed
from wareloom.attacks.planting import canaries, with_some
from wareloom.attacks.shadow import _coins
from wareloom.core.family import ATTACKS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.shop import Log, Shop
from wareloom.stats.roc import area
from wareloom.testing.lively import lively

RUN = Run(seed=3, threads=1)
USERS = 200


@cache
def arena(structure: str, honest: bool = False) -> Arena:
    """Members, others and what markov made of the members, or of other people."""
    members, holdout, others = (
        lively(USERS, seed, name) for seed, name in ((1, "m"), (2, "h"), (4, "o"))
    )
    maker = Maker("markov", {"structure": structure})
    if structure == "independent":
        maker = Maker("independent")
    synth = maker.sample(others if honest else members, USERS, RUN)
    return Arena.of(members, synth, holdout, RUN, None, maker)


def found(name: str, where: Arena, run: Run = RUN, **settings: object) -> Outcome:
    outcome = ATTACKS.make(name, **settings).attack(where, run)
    assert isinstance(outcome, Outcome), outcome
    return outcome


FEW = {"generators": 12, "features": "pairs items rhythm"}


def test_shadows_tell_members_and_not_provably_less_than_each_attack_that_they_look_at() -> None:
    shadow = found("shadow", arena("chain"), **FEW)
    alone = [found(name, arena("chain")).area.value for name in ("pairs", "items", "rhythm")]
    assert shadow.area.high > max(alone)
    assert shadow.p < 1e-3
    assert shadow.about == {"generators": 12.0, "targets": 200.0}


class Memoriser(Maker):
    """Users written two items by two after those that members had together: an attacker can do it again."""

    def sample(self, shop: Shop, n: int, run: Run) -> Shop:
        """Remember the users of a shop, and write `n`."""
        return memorised(shop, n, run.seed_for("memoriser") % 2**32, order=2)


def test_shadows_tell_no_less_of_a_memoriser_than_each_attack_that_they_look_at() -> None:
    """Naive: one likelihood of all features, which loses by the noise of the weak ones what the best attack tells."""
    members, holdout = wide(USERS, 1, "m"), wide(USERS, 2, "h")
    maker = Memoriser("memoriser")
    where = Arena.of(members, maker.sample(members, USERS, RUN), holdout, RUN, None, maker)
    names = ("pairs", "items", "sets", "runs")
    shadow = found("shadow", where, generators=8, targets=2 * USERS, features=" ".join(names))
    alone = {name: found(name, where).area.value for name in names}
    assert max(alone.values()) > 0.84, "a single attack tells much already"
    assert shadow.area.value >= max(alone.values())


@pytest.mark.parametrize("level", [0.0, 10.0])
def test_the_way_of_telling_is_taken_that_tells_others(level: float) -> None:
    """Where each target has a level of its own, calibration tells; where none has, one regression loses no less."""
    rng = np.random.default_rng(5)
    coins, member = rng.random((6, 200)) < 0.5, rng.random(200) < 0.5
    own = rng.normal(0, level, 200)

    def seen(inside: np.ndarray) -> dict[str, np.ndarray]:
        said = {"good": (own + 1.0 * inside + rng.normal(0, 0.4, 200))[:, None]}
        return said | {f"idle {n}": rng.normal(0, 1, (200, 20)) for n in range(5)}

    made = [seen(coin) for coin in coins]
    real, many = seen(member), {name: np.stack([one[name] for one in made]) for name in made[0]}
    both = [np.concatenate(list(side.values()), axis=1 + n) for n, side in enumerate((real, many))]
    told = best_told(real, many, coins)
    found, *alone = (
        area(score[member], score[~member]).value
        for score in (told, *(way(*both, coins) for way in (likelihood_ratio, regressed)))
    )
    assert found > 0.9
    assert found >= max(alone) - 1e-9
    assert (alone[1] < 0.7) == (level > 0), "a level of its own hides a target from a regression"


@pytest.mark.parametrize("structure", ["learned", "independent"])
def test_shadows_are_made_of_any_generator(structure: str) -> None:
    """What members had and others had not shows in popularity and steps; it is found no worse than by one attack."""
    where = arena(structure)
    shadow = found("shadow", where, generators=6, features="pairs items")
    alone = [found(name, where).area.value for name in ("pairs", "items")]
    assert shadow.area.high > max(alone)
    assert shadow.about == {"generators": 6.0, "targets": 200.0}


def test_shadows_catch_outlines() -> None:
    assert found("shadow", arena("outline"), generators=6, features="rhythm").area.value > 0.97


def test_shadows_of_a_shop_of_other_people_tell_nobody() -> None:
    honest = found("shadow", arena("chain", honest=True), **FEW)
    assert honest.area.low < 0.5 < honest.area.high
    assert honest.p > 0.01


def test_each_target_is_in_half_of_the_generators_and_by_its_history_alone() -> None:
    people = arena("chain").cases[0].targets
    coins = np.stack([_coins(histories(people), RUN, g) for g in range(8)])
    assert (coins.sum(axis=0) == 4).all()
    assert 0.35 < coins[0].mean() < 0.65
    order = np.random.default_rng(0).permutation(len(people))
    assert np.array_equal(_coins(histories(people.select(order)), RUN, 3), coins[3][order])


def test_a_likelihood_ratio_needs_the_coins() -> None:
    """One feature rises by 1 with the target, beside a level of each target's own that is ten times that."""
    rng = np.random.default_rng(1)
    level, coins = rng.normal(0, 10, (300, 2)), rng.random((16, 300)) < 0.5
    member = rng.random(300) < 0.5

    def seen(inside: np.ndarray) -> np.ndarray:
        own: np.ndarray = level + rng.normal(0, 0.5, (300, 2))
        own[:, 0] += inside
        return own

    shadows, real = np.stack([seen(coin) for coin in coins]), seen(member)
    right = (likelihood_ratio(real, shadows, coins) > 0) == member
    naive = (real[:, 0] > np.median(real[:, 0])) == member
    assert right.mean() > 0.75
    assert naive.mean() < 0.62, "without calibration a target's own level hides it"
    turned = likelihood_ratio(real, shadows, ~coins) > 0
    assert (turned == member).mean() < 0.25, "coins turned round turn the answer round"


def test_a_stopped_attack_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"generators": 4, "features": "pairs"}
    plain = found("shadow", arena("chain"), **small)
    cached = RUN.with_(cache=tmp_path)
    first = found("shadow", arena("chain"), cached, **small)
    files = sorted((tmp_path / "shadow").glob("*.npz"))
    assert len(files) == 4
    files[1].unlink()
    made = []
    real_sample = Maker.sample
    monkeypatch.setattr(Maker, "sample", lambda *a: made.append(1) or real_sample(*a))
    again = found("shadow", arena("chain"), cached, **small)
    assert len(made) == 1, "what is there is not made again"
    assert first == again == plain
    found("shadow", arena("chain"), cached, generators=4, features="items")
    assert len(made) == 5, "other features are others"


def test_a_shop_made_of_people_is_read_as_they_were() -> None:
    case = arena("chain").cases[0]
    people, place = ordered(case.targets)
    again = coded(shop_of(people, case.items), case.targets.log, RUN)
    assert sorted(histories(again)) == sorted(histories(case.targets))
    assert np.array_equal(histories(people)[place], histories(case.targets))


def test_what_cannot_be_shadowed_is_refused() -> None:
    members, holdout = (lively(USERS, seed, name) for seed, name in ((1, "m"), (2, "h")))
    synth = arena("chain").shops["SYNTH"]
    report = run_attacks(members, synth, holdout, RUN, names=["shadow", "canaries"])
    assert report.left_out["shadow"] == "it fits the generator anew, and none was named"
    assert "no generator is named" in report.left_out["canaries"]
    with pytest.raises(SettingError, match="'model' looks at more than SYNTH"):
        found("shadow", arena("chain"), generators=2, features="model")


@cache
def planted(structure: str) -> Outcome:
    members, holdout = wide(USERS, 1, "m"), wide(USERS, 2, "h")
    maker = Maker("markov", {"structure": structure})
    synth = maker.sample(members, USERS, RUN)
    dealt = Arena.of(members, synth, holdout, RUN, None, maker)
    return found("canaries", dealt, number=400, features="rhythm pairs sets")


@pytest.mark.parametrize(("structure", "least"), [("outline", 2.0), ("chain", 1.0)])
def test_planted_users_prove_a_leak(structure: str, least: float) -> None:
    one = planted(structure)
    assert one.area.value > 0.8
    assert one.about["epsilon at least"] > least
    assert one.about["planted"] == 400.0
    assert 150 < one.about["in"] < 250


def with_planted(tmp_path: Path, leak: bool) -> Outcome:
    """Users planted beforehand, and a sample that repeats those that are in, or nobody."""
    members, holdout, others = (
        wide(USERS, seed, name) for seed, name in ((1, "m"), (2, "h"), (4, "o"))
    )
    everyone = canaries(members, 200, RUN)
    everyone.save(tmp_path / "planted")
    real, _ = with_some(members, everyone, RUN)
    source = (real if leak else others).table("events")
    synth = others.with_tables(events=source.with_columns(user_id=pl.format("s{}", "user_id")))
    dealt = Arena.of(real, synth, holdout, RUN)
    return found("canaries", dealt, planted=str(tmp_path / "planted"), features="sets runs")


def test_users_that_were_planted_before_are_found_where_they_are_repeated(tmp_path: Path) -> None:
    one = with_planted(tmp_path, leak=True)
    assert one.area.value == 1.0
    assert one.about["epsilon at least"] > 3.0, "all of 160 coins are guessed right"


def test_nothing_is_proved_by_a_sample_that_has_none_of_them(tmp_path: Path) -> None:
    one = with_planted(tmp_path, leak=False)
    assert one.about["epsilon at least"] == 0.0
    assert one.p > 0.01


def test_planted_users_are_like_nobody_and_fall_by_coins() -> None:
    shop = wide(USERS, 1, "m")
    everyone = canaries(shop, 100, RUN, events=5)
    log, counts = Log.of(everyone), Log.of(shop).counts()
    assert (log.lengths() == 5).all()
    assert counts[log.item].max() <= np.median(counts[counts > 0])
    real, coins = with_some(shop, everyone, RUN)
    names = everyone.table("events")["user_id"].unique(maintain_order=True)
    inside = names.is_in(real.table("events")["user_id"].implode()).to_numpy()
    assert np.array_equal(inside, coins)
    assert 30 < coins.sum() < 70
    assert not np.array_equal(coins, with_some(shop, everyone, Run(seed=4))[1])


def test_too_few_planted_users_and_strange_calls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="40 in and 40 out are the least"):
        found("canaries", arena("chain"), number=30)
    with pytest.raises(SettingError, match="n is 0"):
        canaries(lively(10, 1), 0, RUN)
    with pytest.raises(InputError, match="nobody can be planted"):
        canaries(
            Shop(
                {
                    "items": pl.DataFrame({"item_id": ["a"]}),
                    "events": pl.DataFrame({"user_id": ["u"], "event": ["search"]}),
                }
            ),
            3,
            RUN,
        )
    assert SYNTHESIZERS.make("markov").name == "markov"
