"""How attacks are judged: dealt by user, blind to who is a member, refused where the holdout has members."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from wareloom.attacks import Arena, Attack, AttackReport, Case, outcome, run_attacks
from wareloom.attacks.combining import combined
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, UnknownNameError
from wareloom.shop import Shop
from wareloom.testing.lively import lively

RUN = Run(seed=3, threads=1)


def part(users: int, seed: int, prefix: str) -> Shop:
    return lively(users, seed, prefix)


@pytest.fixture(scope="module")
def shops() -> tuple[Shop, Shop, Shop]:
    """Members, others of the same draw, and a synthetic shop of yet others, which nothing can tell."""
    return part(150, 1, "m"), part(150, 2, "h"), part(150, 3, "s")


def renamed(shop: Shop, prefix: str) -> Shop:
    events = shop.table("events").with_columns(pl.format(prefix + "{}", "user_id").alias("user_id"))
    return shop.with_tables(events=events)


@dataclass(kw_only=True, eq=False)
class Constant(Attack):
    """Says the same of all."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        return np.zeros(len(case.targets))


@dataclass(kw_only=True, eq=False)
class Order(Attack):
    """Hopes that members come first."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        return -np.arange(len(case.targets), dtype=np.float64)


@dataclass(kw_only=True, eq=False)
class Names(Attack):
    """Hopes that ids say whose they are."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        return case.targets.log.users.ids.str.contains("m").cast(pl.Float64).to_numpy()


def judged(attack: Attack, shops: tuple[Shop, Shop, Shop]):  # type: ignore[no-untyped-def]
    real, held, synth = shops
    return attack.attack(Arena.of(real, synth, held, RUN), RUN)


@pytest.mark.parametrize("attack", [Constant(), Order(), Names()], ids=lambda a: type(a).__name__)
def test_what_is_no_knowledge_of_synth_tells_nothing(attack, shops) -> None:  # type: ignore[no-untyped-def]
    """Were targets in the order of their shops, or under their ids, the second and third would tell all."""
    found = judged(attack, shops)
    assert found.area.low <= 0.5 <= found.area.high
    assert found.tpr(0.01).value <= 0.05
    real, held, synth = shops
    arena = Arena.of(real, synth, held, RUN)
    assert {name[0] for case in arena.cases for name in case.targets.log.users.ids} == {"t"}


def test_targets_are_dealt_by_user_and_as_many_of_either(shops) -> None:  # type: ignore[no-untyped-def]
    real, _, synth = shops
    arena = Arena.of(real, synth, part(60, 2, "h"), RUN)
    assert [len(case.targets) for case in arena.cases] == [60, 60]
    assert [int(truth.sum()) for truth in arena.truth] == [30, 30]
    assert arena.users == {
        "real": 150, "holdout": 60, "synthetic": 150, "members": 60, "others": 60
    }  # fmt: skip
    for case, truth in zip(arena.cases, arena.truth, strict=True):
        kept = {code(case.targets.log, u) for u in np.flatnonzero(~truth)}
        known = {code(case.others.log, u) for u in range(len(case.others))}
        assert not kept & known, "an attacker is shown the history of a target among the others"


def code(log, u: int) -> bytes:  # type: ignore[no-untyped-def]
    a, b = log.offsets[u : u + 2]
    return bytes(log.item[a:b].tobytes() + log.time[a:b].tobytes())


def test_a_holdout_with_members_is_refused(shops) -> None:  # type: ignore[no-untyped-def]
    real, held, synth = shops
    both = held.with_tables(events=pl.concat([held.table("events"), real.table("events").head(9)]))
    with pytest.raises(
        InputError, match=r"users of the holdout are users of REAL, too, such as 'm0'"
    ):
        run_attacks(real, synth, both, RUN)


def test_members_under_other_names_are_refused(shops) -> None:  # type: ignore[no-untyped-def]
    """Ids alone say nothing: a holdout of renamed members makes every attack look harmless."""
    real, held, synth = shops
    with pytest.raises(InputError, match="members under other names"):
        run_attacks(real, synth, renamed(real, "x"), RUN)
    few = real.with_tables(
        events=real.table("events").filter(pl.col("user_id").is_in(["m3", "m5"]))
    )
    some = held.with_tables(
        events=pl.concat([held.table("events"), renamed(few, "x").table("events")])
    )
    notes = run_attacks(real, synth, some, RUN, names=["rhythm"]).notes
    assert any("2 of" in note and "very history" in note for note in notes)


def test_too_few_users_and_strange_items_are_refused(shops) -> None:  # type: ignore[no-untyped-def]
    real, held, synth = shops
    with pytest.raises(InputError, match="40 members and 40 others or more"):
        run_attacks(real, synth, part(20, 2, "h"), RUN)
    items = pl.DataFrame({"item_id": ["z"]})
    events = synth.table("events").with_columns(item_id=pl.lit("z"))
    with pytest.raises(InputError, match="no item in common"):
        run_attacks(real, Shop({"items": items, "events": events}), held, RUN)
    with pytest.raises(InputError, match="SYNTH has neither events nor queries"):
        run_attacks(real, Shop({"items": items}), held, RUN)
    with pytest.raises(UnknownNameError, match="rhythm"):
        run_attacks(real, synth, held, RUN, names=["rythm"])


def test_a_holdout_of_another_draw_is_said(shops) -> None:  # type: ignore[no-untyped-def]
    """An attack would tell them for what they are, not for what SYNTH knows."""
    real, held, synth = shops
    later = held.with_tables(
        events=held.table("events").with_columns(pl.col("time") + pl.duration(days=60))
    )
    assert any(
        "not of one draw" in n for n in run_attacks(real, synth, later, RUN, names=["rhythm"]).notes
    )
    assert not any(
        "not of one draw" in n for n in run_attacks(real, synth, held, RUN, names=["rhythm"]).notes
    )


def noise(
    seed: int, users: int = 100, columns: int = 6
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two parts of scores that say nothing, and who is a member."""
    rng = np.random.default_rng(seed)
    scores = [rng.normal(size=(users, columns)) for _ in range(2)]
    return scores, [rng.permutation(users) % 2 == 0 for _ in range(2)]


def test_a_regression_is_judged_on_users_it_was_not_learned_from() -> None:
    """Learned where it is judged, forty scores of noise tell most of a hundred users."""
    scores, truth = noise(0, columns=40)
    honest = outcome("noise", combined(scores, truth), truth, [np.ones(100)] * 2)
    assert honest.area.low < 0.5 < honest.area.high
    same = [scores[0]] * 2, [truth[0]] * 2
    assert outcome("leak", combined(*same), same[1], [np.ones(100)] * 2).area.value > 0.8


def test_scores_of_noise_are_found_to_tell_members_as_often_as_the_level_says() -> None:
    """Parts that are learned on each other err together: taken for independent, they are found thrice as often."""
    found, naive = 0, 0
    for seed in range(200):
        scores, truth = noise(seed)
        both = combined(scores, truth)
        found += outcome("noise", both, truth, [np.ones(100)] * 2).p < 0.05
        naive += (
            outcome("noise", both._replace(learned=False), truth, [np.ones(100)] * 2).area.p < 0.05
        )
    assert found / 200 <= 0.06
    assert naive / 200 >= 0.09


def test_a_single_score_stays_as_it_is() -> None:
    scores, truth = noise(1, columns=1)
    both = combined(scores, truth)
    assert all(np.array_equal(a[:, 0], b) for a, b in zip(scores, both.even, strict=True))
    assert not both.learned


def test_a_score_that_is_sure_of_few_is_not_lost_in_a_sum() -> None:
    """One in ten is known for sure by one of six scores: no more than .55 of an area."""
    scores, truth = noise(2, users=400)
    for part, whose in zip(scores, truth, strict=True):
        part[np.flatnonzero(whose)[:20], 3] = 9.0
    both = combined(scores, truth)
    found = outcome("few", both, truth, [np.ones(400)] * 2)
    assert found.tpr(0.001).value == pytest.approx(0.1)
    assert found.p < 1e-5


def test_a_report_goes_round_as_json(shops) -> None:  # type: ignore[no-untyped-def]
    real, held, synth = shops
    report = run_attacks(real, synth, held, RUN, names=["rhythm"])
    told = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert AttackReport.from_json(told) == report
    assert told["worst"] == report.worst.name == "rhythm"
    assert report.table()["attack"].to_list() == ["rhythm"]
    with pytest.raises(SettingError, match=r"no attack 'rythm'.*'rhythm'"):
        report.outcome("rythm")


def test_the_same_seed_gives_the_same_report(shops) -> None:  # type: ignore[no-untyped-def]
    real, held, synth = shops
    first, again = (run_attacks(real, synth, held, RUN, names=["rhythm"]) for _ in range(2))
    assert first == again


def test_p_values_are_adjusted_for_how_many_attacks_were_tried(shops) -> None:  # type: ignore[no-untyped-def]
    found = judged(Constant(), shops)
    many = [replace(found, name=f"a{i}", p=0.02) for i in range(4)]
    quiet = replace(found, name="dcr", p=1e-9, evidence=False)
    report = AttackReport.of([*many, quiet], {}, found, users={}, seed=0)
    assert [one.p_adjusted for one in report.outcomes[:4]] == pytest.approx([0.08] * 4)
    assert report.caught == (), "what is no evidence catches nobody"
    assert AttackReport.of(many[:1], {}, found, users={}, seed=0).caught == ("a0",)
