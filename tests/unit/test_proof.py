"""The proof's parts against slow oracles and known answers: task, evaluation, bootstrap, arms, verdict, the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pytest
from scipy import stats

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, LeakError, RefusedError, SettingError
from wareloom.evaluation.ranking import evaluate, intervals
from wareloom.evaluation.tasks import Task, build_task
from wareloom.experiment.plan import ARMS, CONTROLS, MIXED, NAIVE, REAL, REPEATED, SYNTHETIC
from wareloom.experiment.result import Proof
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.arms import training_data
from wareloom.proof.decide import Question, decide
from wareloom.proof.prove import prove
from wareloom.proof.recommendation import ProofSettings
from wareloom.rankers import mask_seen
from wareloom.rankers.baseline.transitions import Transitions
from wareloom.sampling.generator import Generator
from wareloom.shop import Log, Shop
from wareloom.stats.bootstrap import Interval, combine, resample, verdict
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour.markov import Markov

START = datetime(2024, 1, 1)
ASKED = Question(ties="file", metric="ndcg@10")
Asked = dict[str, tuple[list[str], set[str]]]


def shop_of(histories: dict[str, list[tuple[int, int]]], items: int = 20) -> Shop:
    """Users with their (day, item) pairs."""
    rows = [(u, f"i{i}", START + timedelta(days=d)) for u, own in histories.items() for d, i in own]
    schema = {"user_id": pl.String, "item_id": pl.String, "time": pl.Datetime("us")}
    events = pl.DataFrame(rows, schema=schema, orient="row").with_columns(event=pl.lit("purchase"))
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(items)]}), "events": events}
    )


def asked(task: Task) -> Asked:
    """History and answers of each request, by names."""
    histories = task.requests.histories
    assert histories is not None
    names = histories.items.ids.to_list()
    found = {}
    for r, user in enumerate(task.requests.users):
        own = histories.item[histories.offsets[r] : histories.offsets[r + 1]]
        answers = task.item[task.offsets[r] : task.offsets[r + 1]]
        assert len(set(answers.tolist())) == len(answers), "an answer is counted once"
        found[str(user)] = [names[i] for i in own], {names[i] for i in answers}
    return found


def slowly_asked(parts: Split, part: str, by: str, repeats: bool) -> Asked:
    """The same from the definition: user by user, event by event."""
    earlier = [] if by == "user" else [parts.train] + ([parts.validation] if part == "test" else [])
    rows: dict[str, list[tuple[Any, int, str, bool]]] = {}
    for held, shops in ((False, earlier), (True, [getattr(parts, part)])):
        for shop in shops:
            for user, item, time in (
                shop.table("events").select("user_id", "item_id", "time").iter_rows()
            ):
                own = rows.setdefault(user, [])
                own.append((time, len(own), item, held))
    found: Asked = {}
    for user, own in rows.items():
        own.sort()
        if by == "time" and any(not held for *_, held in own):
            history = [item for *_, item, held in own if not held]
            answers = {item for *_, item, held in own if held}
        elif own[-1][3]:
            history, answers = [item for *_, item, _ in own[:-1]], {own[-1][2]}
        else:
            continue
        answers -= set() if repeats else set(history)
        if history and answers:
            found[user] = history, answers
    return found


@pytest.mark.parametrize("by", ["time", "leave-last-out", "user"])
@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("repeats", ["rank", "mask"])
@pytest.mark.parametrize("ties", [False, True])
def test_the_task_is_what_its_definition_says(by: Any, part: str, repeats: str, ties: bool) -> None:
    shop = small_shop(users=50, items=12, seed=3)
    if ties:
        day = shop.table("events").with_columns(pl.col("time").dt.truncate("2d"))
        shop = shop.with_tables(events=day.sample(fraction=1.0, shuffle=True, seed=1))
    parts = split(shop, SplitSettings(by=by))
    task = build_task(parts, part, repeats)
    expected = slowly_asked(parts, part, by, repeats == "rank")
    assert len(expected) >= 3
    assert asked(task) == expected
    assert task.repeats is (repeats == "rank")
    assert task.popularity.tolist() == Log.of(parts.train).counts().tolist()


def test_leave_last_out_asks_for_the_last_event_after_all_before() -> None:
    shop = shop_of({"long": [(d, d) for d in range(5)], "short": [(0, 7), (1, 8)]})
    parts = split(shop, SplitSettings(by="leave-last-out"))
    assert asked(build_task(parts, "test")) == {"long": (["i0", "i1", "i2", "i3"], {"i4"})}
    assert asked(build_task(parts, "validation")) == {"long": (["i0", "i1", "i2"], {"i3"})}


def test_a_split_by_time_asks_known_users_for_all_they_did_and_new_ones_for_their_last() -> None:
    histories = {
        "known": [(0, 1), (1, 2), (21, 3), (22, 4)],
        "new": [(21, 5), (22, 6), (23, 7)],
        "once": [(22, 8)],
        "gone": [(0, 9), (11, 10)],
        "back": [(11, 11), (21, 12)],
    }
    dates = (START + timedelta(days=10), START + timedelta(days=20))
    parts = split(shop_of(histories), SplitSettings(by="time", dates=dates))
    task = build_task(parts, "test")
    assert asked(task) == {
        "back": (["i11"], {"i12"}),
        "known": (["i1", "i2"], {"i3", "i4"}),
        "new": (["i5", "i6"], {"i7"}),
    }
    assert task.left_out == 1
    by_name = dict(zip(task.requests.users, task.flags["new users"].tolist(), strict=True))
    assert by_name == {"back": False, "known": False, "new": True}
    assert task.requests.times.tolist() == [
        int((START + timedelta(days=d) - datetime(1970, 1, 1)).total_seconds() * 1e6)
        for d in (21, 21, 23)
    ]


def test_repeats_are_ranked_where_the_log_repeats() -> None:
    """In train somebody repeats one of a hundred events, or several; in the test a user comes back to an old item."""
    calm = {f"u{n}": [(d, (n + d) % 20) for d in range(12)] for n in range(10)}
    calm["u0"][-1] = (11, 0)
    restless = {user: [(d, i if d % 3 else 0) for d, i in own] for user, own in calm.items()}
    for histories, repeats in ((calm, False), (restless, True)):
        parts = split(shop_of(histories), SplitSettings(by="leave-last-out"))
        task = build_task(parts, "test")
        assert task.repeats is repeats
        assert ("u0" in asked(task)) is repeats


def test_users_whose_last_events_share_a_time_are_a_slice() -> None:
    histories = {
        "tied": [(0, 1), (1, 2), (5, 3), (5, 4)],
        "apart": [(0, 1), (1, 2), (5, 3), (6, 4)],
    }
    task = build_task(split(shop_of(histories), SplitSettings(by="leave-last-out")))
    assert list(task.requests.users) == ["apart", "tied"]
    assert task.flags["tied users"].tolist() == [False, True]
    assert task.flags["users not tied"].tolist() == [True, False]


def test_a_part_without_questions_is_refused() -> None:
    parts = split(small_shop(users=20), SplitSettings(by="leave-last-out"))
    empty = replace(parts, test=parts.test.with_tables(events=parts.test.table("events").clear()))
    with pytest.raises(InputError, match="The test part has no events"):
        build_task(empty)
    strangers = parts.test.table("events").with_columns(user_id=pl.format("new-{}", "user_id"))
    with pytest.raises(InputError, match="Nobody in the test part can be asked"):
        build_task(replace(parts, test=parts.test.with_tables(events=strangers)))


def test_slices_of_items_part_the_catalogue_and_hold_a_third_of_the_events_each() -> None:
    task = build_task(split(small_shop(users=200), SplitSettings(by="leave-last-out")))
    popularity = np.r_[np.round(1000 / np.arange(1, 41)), np.zeros(5)]
    np.random.default_rng(0).shuffle(popularity)
    slices = replace(task, popularity=popularity).item_slices()
    assert (np.sum(list(slices.values()), axis=0) == 1).all()
    assert (popularity[slices["cold"]] == 0).all()
    assert slices["cold"].sum() == 5
    least = popularity[slices["head"]].min(), popularity[slices["middle"]].min()
    assert least[0] >= popularity[slices["middle"]].max()
    assert least[1] >= popularity[slices["tail"]].max()
    for name in ("head", "middle", "tail"):
        assert popularity[slices[name]].sum() / popularity.sum() == pytest.approx(1 / 3, abs=0.2)


@pytest.fixture(scope="module", params=["leave-last-out", "time"])
def judged(request: pytest.FixtureRequest) -> tuple[Split, Task, Transitions]:
    parts = split(small_shop(users=80, seed=2), SplitSettings(by=request.param))
    parts = Split(*(part.in_memory() for part in parts), parts.how)
    return parts, build_task(parts), Transitions(neighbours=5).fit(parts.train, Run(seed=1))


def test_evaluation_agrees_with_sorting_every_list(judged: tuple[Split, Task, Transitions]) -> None:
    _, task, ranker = judged
    scores = ranker.score(task.requests)
    if not task.repeats:
        mask_seen(scores, task.requests)
    tie = Run(seed=5).rng("ties").permutation(scores.shape[1])
    expected: dict[str, list[float]] = {
        "ndcg@10": [],
        "recall@10": [],
        "mrr@10": [],
        "hit_rate@3": [],
    }
    for r in range(len(task)):
        answers = set(task.item[task.offsets[r] : task.offsets[r + 1]].tolist())
        order = np.lexsort((tie, -scores[r]))
        order = [int(i) for i in order if scores[r, i] > -np.inf]
        hits = [place for place, item in enumerate(order[:10], 1) if item in answers]
        ideal = sum(1 / np.log2(place + 1) for place in range(1, min(10, len(answers)) + 1))
        expected["ndcg@10"].append(sum(1 / np.log2(place + 1) for place in hits) / ideal)
        expected["recall@10"].append(len(hits) / len(answers))
        expected["mrr@10"].append(1 / hits[0] if hits else 0.0)
        expected["hit_rate@3"].append(float(any(place <= 3 for place in hits)))
    found = evaluate(ranker, task, list(expected), Run(seed=5))
    assert len({len(set(row)) for row in scores.tolist()} - {scores.shape[1]}) > 0, (
        "there are ties to break"
    )
    for name, values in expected.items():
        np.testing.assert_allclose(found.per_request[f"{name}/all"], values, atol=1e-12)
        assert found.overall[name] == pytest.approx(np.mean(values))


def test_slices_part_the_answers(judged: tuple[Split, Task, Transitions]) -> None:
    """Hits in all slices of items add up to all hits; slices of users are the same requests, apart."""
    parts, task, ranker = judged
    found = evaluate(ranker, task, ["recall@10"]).per_request
    slices = task.item_slices()
    hits = np.zeros(len(task))
    for name in ("head", "middle", "tail", "cold"):
        inside = np.bincount(task.request[slices[name][task.item]], minlength=len(task))
        values = found.get(f"recall@10/{name}", np.full(len(task), np.nan))
        assert (np.isnan(values) == (inside == 0)).all()
        hits += np.nan_to_num(values) * inside
    np.testing.assert_allclose(hits, found["recall@10/all"] * np.diff(task.offsets))
    for one, other in (("known users", "new users"), ("tied users", "users not tied")):
        if f"recall@10/{one}" in found:
            a, b = found[f"recall@10/{one}"], found[f"recall@10/{other}"]
            assert (np.isnan(a) ^ np.isnan(b)).all()
            np.testing.assert_array_equal(np.where(np.isnan(a), b, a), found["recall@10/all"])
    assert parts.how["settings"]["by"] != "time" or "recall@10/new users" in found


def test_a_metric_must_look_like_one(judged: tuple[Split, Task, Transitions]) -> None:
    _, task, ranker = judged
    with pytest.raises(SettingError, match="must look like 'ndcg@10'"):
        evaluate(ranker, task, ["ndcg@ten"])
    with pytest.raises(InputError, match=r"No metric is called 'ndgc'\. Did you mean 'ndcg'"):
        evaluate(ranker, task, ["ndgc@10"])


def test_intervals_hold_their_mean(judged: tuple[Split, Task, Transitions]) -> None:
    _, task, ranker = judged
    frame = intervals(evaluate(ranker, task, ["recall@10", "coverage@10"]), Run(seed=1))
    recall = frame.filter(pl.col("metric") == "recall@10", pl.col("slice") == "all").row(
        0, named=True
    )
    assert recall["low"] < recall["mean"] < recall["high"]
    assert recall["requests"] == len(task)
    assert frame.filter(pl.col("metric") == "coverage@10").row(0, named=True)["low"] is None


def test_the_bootstrap_spreads_as_an_ordinary_one() -> None:
    """Oracle: draw rows with replacement, average what is not NaN."""
    rng = np.random.default_rng(0)
    values = np.stack([rng.exponential(1.0, 300), rng.random(300) < 0.1], axis=1)
    values[rng.random(300) < 0.4, 1] = np.nan
    ordinary = np.array(
        [np.nanmean(values[rng.integers(0, 300, 300)], axis=0) for _ in range(3000)]
    )
    drawn = resample(values, np.random.default_rng(1), 3000)
    assert drawn.shape == (3000, 2)
    np.testing.assert_allclose(drawn.mean(axis=0), np.nanmean(values, axis=0), rtol=0.02)
    np.testing.assert_allclose(drawn.std(axis=0), ordinary.std(axis=0), rtol=0.08)


def test_the_bootstrap_keeps_columns_paired() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(200)
    drawn = resample(np.stack([base, base + 0.5, -base], axis=1), rng, 200)
    np.testing.assert_allclose(drawn[:, 1] - drawn[:, 0], 0.5, atol=1e-5)
    np.testing.assert_allclose(drawn[:, 2], -drawn[:, 0], atol=1e-5)


def test_seeds_alone_give_students_interval() -> None:
    per_seed = np.array([0.011, 0.004, 0.016, 0.007])
    found = combine(float(per_seed.mean()), np.full(100, per_seed.mean()), per_seed)
    low, high = stats.t.interval(0.95, 3, loc=per_seed.mean(), scale=stats.sem(per_seed))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)
    assert found.p == pytest.approx(stats.ttest_1samp(per_seed, 0.0).pvalue, rel=1e-6)


def test_requests_alone_give_the_normal_interval() -> None:
    replicates = np.random.default_rng(0).normal(0.3, 0.1, 2000)
    found = combine(0.3, replicates, np.array([0.3]))
    half = stats.norm.ppf(0.975) * replicates.std(ddof=1)
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half), rel=1e-4)
    wider = combine(0.3, replicates, np.array([0.25, 0.35]))
    assert wider.low < found.low < found.high < wider.high


@pytest.mark.parametrize("mean", [0.0, 0.4])
def test_no_spread_at_all_is_certain(mean: float) -> None:
    assert combine(mean, np.full(10, mean), np.full(3, mean)) == Interval(
        mean, mean, mean, 1.0 if mean == 0 else 0.0
    )


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_the_truth(seeds: int) -> None:
    """300 experiments of 250 requests: each request and each seed has an effect of its own, then there is noise."""
    rng, covered = np.random.default_rng(seeds), 0
    for _ in range(300):
        values = (
            0.2
            + rng.normal(0, 1.0, (250, 1))
            + rng.normal(0, 0.06, (1, seeds))
            + rng.normal(0, 0.5, (250, seeds))
        )
        mean = values.mean(axis=1)
        found = combine(
            float(mean.mean()), resample(mean[:, None], rng, 200)[:, 0], values.mean(axis=0)
        )
        covered += found.low <= 0.2 <= found.high
    assert covered >= 0.9 * 300


def test_the_p_value_agrees_with_the_interval() -> None:
    rng = np.random.default_rng(0)
    for mean in (0.0, 0.1, 0.19, 0.2, 0.3):
        found = combine(mean, rng.normal(mean, 0.1, 500), np.array([mean - 0.01, mean + 0.01]))
        assert (found.p < 0.05) == (found.low > 0)


def test_verdicts() -> None:
    assert verdict(Interval(0.2, 0.1, 0.3, 0.001)) == "helps"
    assert verdict(Interval(-0.2, -0.3, -0.1, 0.001)) == "hurts"
    assert verdict(Interval(0.1, -0.1, 0.3, 0.3)) == "no evidence"
    assert verdict(Interval(0.0, 0.0, 0.0, 1.0)) == "no evidence"


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.7])
def test_arms_have_equal_amounts_of_what_they_say(ratio: float) -> None:
    parts = split(small_shop(users=120), SplitSettings(by="leave-last-out"))
    train, run, generator = parts.train, Run(seed=1), Generator(screens=("schema", "impossible"))
    pool = generator.pool(train, parts.test, 300, run)
    data = {
        arm: training_data(generator, arm, train, lambda: pool, ratio, run).table("events")
        for arm in ARMS
    }
    real, wanted = train.table("events"), round(ratio * train.rows("events"))
    longest = 12
    for arm in (REPEATED, NAIVE, MIXED):
        assert data[arm].head(len(real)).select(real.columns).equals(real)
        assert wanted - longest < len(data[arm]) - len(real) <= wanted
    added = {arm: set(data[arm].filter(pl.col("origin") != "real")["origin"]) for arm in ARMS}
    assert {arm: {name.partition("@")[0] for name in names} for arm, names in added.items()} == {
        REAL: set(), REPEATED: {"repeated"}, NAIVE: {"independent"}, MIXED: {"markov"}, SYNTHETIC: {"markov"},
    }  # fmt: skip
    assert data[REAL].equals(real)
    assert data[SYNTHETIC].equals(data[MIXED].filter(pl.col("origin") != "real"))
    again = data[REPEATED].filter(pl.col("origin") == "repeated")
    whole = {
        tuple(own)
        for own in real.group_by("user_id", maintain_order=True).agg("item_id")["item_id"].to_list()
    }
    copies = again.group_by("user_id", maintain_order=True).agg("item_id")
    assert {tuple(own) for own in copies["item_id"].to_list()} <= whole
    assert not set(copies["user_id"]) & set(real["user_id"])


def comparison(
    against: str, said: str, *, base: float | None = 0.1, **other: Any
) -> dict[str, Any]:
    """A row of comparisons whose interval fits what it says."""
    low = {"helps": 0.02, "no evidence": -0.01, "hurts": -0.05}[said]
    row = {
        "ties": "file",
        "metric": "ndcg@10",
        "slice": "all",
        "arm": MIXED,
        "against": against,
        "verdict": said,
    }
    row |= {"difference": low + 0.02, "low": low, "high": low + 0.04, "p": 0.01, "requests": 100}
    scaled = {"lift": low + 0.02, "lift_low": low, "lift_high": low + 0.04}
    return row | {k: None if base is None else v / base for k, v in scaled.items()} | other


@pytest.mark.parametrize("weak", [None, *CONTROLS])
def test_synthesis_helps_only_where_it_beats_every_control(weak: str | None) -> None:
    rows = [comparison(c, "no evidence" if c == weak else "helps") for c in CONTROLS]
    noise = [comparison(NAIVE, "hurts", slice="tail"), comparison(REAL, "hurts", ties="shuffled")]
    noise += [comparison(REAL, "hurts", metric="mrr"), comparison(REAL, "hurts", arm=SYNTHETIC)]
    found = decide(noise + rows, ASKED)
    assert found["verdict"] == ("helps" if weak is None else "no evidence")
    assert weak is None or found["decisive"]["against"] == weak
    assert found["sentence"].startswith(
        "Synthetic data helps" if weak is None else "No evidence that synthetic data helps"
    )


def test_synthesis_hurts_where_real_data_alone_is_better() -> None:
    found = decide(
        [comparison(REAL, "hurts"), *(comparison(c, "helps") for c in CONTROLS[1:])],
        ASKED,
    )
    assert found["verdict"] == "hurts"
    assert "−30.0% against real (95 % interval −50.0% to −10.0%" in found["sentence"]
    worse_than_copies = [
        comparison(REAL, "no evidence"),
        comparison(REPEATED, "hurts"),
        comparison(NAIVE, "helps"),
    ]
    assert decide(worse_than_copies, ASKED)["verdict"] == "no evidence"


def test_a_verdict_needs_no_lift() -> None:
    """Where real data alone reaches nothing, the difference has no percentage."""
    found = decide([comparison(c, "no evidence", base=None) for c in CONTROLS], ASKED)
    assert found["verdict"] == "no evidence"
    assert "None" not in found["sentence"]


def settings_of(**changes: Any) -> ProofSettings:
    quick: dict[str, Any] = {
        "seeds": 2,
        "ratios": (0.5,),
        "metrics": ("ndcg@10", "recall@10", "coverage@10"),
        "baselines": {"popularity": {}},
        "split": SplitSettings(by="leave-last-out"),
        "generator": Generator(screens=("schema", "impossible")),
    }
    return ProofSettings(**quick | changes)


def ring() -> Shop:
    """A small shop with ties."""
    shop = small_shop(users=80)
    return shop.with_tables(
        events=shop.table("events").with_columns(pl.col("time").dt.truncate("1d"))
    ).in_memory()


@pytest.fixture(scope="module")
def proved() -> Proof:
    return prove(ring(), settings_of(), Run(seed=1, threads=2))


def test_a_proof_says_the_same_bytes_twice(proved: Proof, tmp_path: Path) -> None:
    proved.save(tmp_path / "one")
    prove(ring(), settings_of(), Run(seed=1, threads=1)).save(tmp_path / "two")
    assert (tmp_path / "one" / "proof.json").read_bytes() == (
        tmp_path / "two" / "proof.json"
    ).read_bytes()
    assert Proof.open(tmp_path / "one").data == json.loads(json.dumps(proved.data))


def test_another_seed_is_another_proof(proved: Proof) -> None:
    other = prove(ring(), settings_of(), Run(seed=2))
    assert other.data["arms"] != proved.data["arms"]
    assert other.data["shop"] == proved.data["shop"]


def test_a_proof_has_every_arm_and_comparison(proved: Proof) -> None:
    arms, comparisons = proved.arms(), proved.comparisons()
    assert set(arms["arm"]) == set(ARMS)
    assert set(arms["ties"]) == {"shuffled", "file"}
    pairs = set(comparisons.select("arm", "against").iter_rows())
    assert pairs == {*((MIXED, control) for control in CONTROLS), (SYNTHETIC, REAL)}
    means = {
        (t, a): m
        for t, a, m in arms.filter(slice="all", metric="ndcg@10")
        .select("ties", "arm", "mean")
        .iter_rows()
    }
    for row in comparisons.filter(slice="all", metric="ndcg@10").iter_rows(named=True):
        difference = means[row["ties"], row["arm"]] - means[row["ties"], row["against"]]
        assert row["difference"] == pytest.approx(difference, abs=1e-7)
        assert row["lift"] == pytest.approx(
            difference / means[row["ties"], row["against"]], abs=1e-6
        )
        assert row["verdict"] == verdict(
            Interval(row["difference"], row["low"], row["high"], row["p"])
        )
    assert len(proved.headline()) == 4
    assert proved.data["decisive"]["ties"] == "shuffled"
    assert {row["ranker"] for row in proved.data["baselines"]} == {"popularity"}
    assert [mode["ties"] for mode in proved.data["modes"]] == ["shuffled", "file"]
    assert proved.verdict in ("helps", "no evidence", "hurts")


class Stopped(Exception):
    """The power fails."""


def counted(patch: pytest.MonkeyPatch, stop_after: int | None = None) -> list[int]:
    """Count fits of the ranker; the power fails after some."""
    whole: Callable[..., Any] = Transitions.fit
    fits = [0]

    def fit(self: Transitions, *args: Any, **held: Any) -> Transitions:
        if fits[0] == stop_after:
            raise Stopped
        fits[0] += 1
        fitted: Transitions = whole(self, *args, **held)
        return fitted

    patch.setattr(Transitions, "fit", fit)
    return fits


def test_a_stopped_proof_goes_on_to_the_same_bytes(proved: Proof, tmp_path: Path) -> None:
    fits, cached = 0, Run(seed=1, cache=tmp_path / "cells")
    for stop_after in (1, 4, 5):
        with pytest.MonkeyPatch.context() as patch:
            counted(patch, stop_after)
            with pytest.raises(Stopped):
                prove(ring(), settings_of(), cached)
        fits += stop_after
    with pytest.MonkeyPatch.context() as patch:
        rest = counted(patch)
        again = prove(ring(), settings_of(), cached)
    assert json.dumps(again.data, sort_keys=True) == json.dumps(proved.data, sort_keys=True)
    with pytest.MonkeyPatch.context() as patch:
        alone = counted(patch)
        prove(ring(), settings_of(), Run(seed=1, cache=tmp_path / "others"))
    assert fits + rest[0] == alone[0], "nothing is redone"
    with pytest.MonkeyPatch.context() as patch:
        none = counted(patch)
        prove(ring(), settings_of(), cached)
    assert none == [0]


def test_cells_of_another_proof_are_not_taken(proved: Proof, tmp_path: Path) -> None:
    cached = Run(seed=1, cache=tmp_path / "cells")
    prove(ring(), settings_of(ranker_settings={"window": 1}), cached)
    assert json.dumps(prove(ring(), settings_of(), cached).data) == json.dumps(proved.data)


def test_more_seeds_and_baselines_redo_no_finished_cell(proved: Proof, tmp_path: Path) -> None:
    cached = Run(seed=1, cache=tmp_path / "cells")
    prove(ring(), settings_of(seeds=1, baselines={}, guard=0.5), cached)
    with pytest.MonkeyPatch.context() as patch:
        rest = counted(patch)
        again = prove(ring(), settings_of(), cached)
    assert again.data == proved.data
    with pytest.MonkeyPatch.context() as patch:
        alone = counted(patch)
        prove(ring(), settings_of(), Run(seed=1, cache=tmp_path / "others"))
    with pytest.MonkeyPatch.context() as patch:
        first = counted(patch)
        prove(
            ring(),
            settings_of(seeds=1, baselines={}, guard=0.5),
            Run(seed=1, cache=tmp_path / "third"),
        )
    assert rest[0] == alone[0] - first[0] < alone[0]


def test_proofs_of_two_generators_share_what_is_trained_on_real_data_alone(tmp_path: Path) -> None:
    cached = Run(seed=1, cache=tmp_path / "cells")
    of = partial(
        settings_of,
        seeds=1,
        ties=("file",),
        ratios=(1.0,),
        baselines={"transitions": {"window": 2}},
    )
    prove(ring(), of(), cached)
    other = of(generator=Generator(synthesizer="shuffled", screens=("schema", "impossible")))
    with pytest.MonkeyPatch.context() as patch:
        fits = counted(patch)
        shared = prove(ring(), other, cached)
    with pytest.MonkeyPatch.context() as patch:
        alone = counted(patch)
        assert prove(ring(), other, Run(seed=1, cache=tmp_path / "alone")).data == shared.data
    assert fits[0] == alone[0] - 3  # real data alone for validation and test, and the baseline


def test_a_baseline_with_other_settings_is_another_cell(tmp_path: Path) -> None:
    cached = Run(seed=1, cache=tmp_path / "cells")
    prove(ring(), settings_of(seeds=1, ties=("file",), baselines={"transitions": {}}), cached)
    with pytest.MonkeyPatch.context() as patch:
        fits = counted(patch)
        prove(
            ring(),
            settings_of(seeds=1, ties=("file",), baselines={"transitions": {"window": 1}}),
            cached,
        )
    assert fits[0] == 1


@dataclass(kw_only=True, eq=False)
class Cheat(Markov):
    """Knows the whole shop, whatever it is given."""

    whole: ClassVar[Shop]

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        return super().fit(Cheat.whole, run)

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        events = Cheat.whole.table("events").with_columns(
            pl.format("{}/{}", pl.lit(self.origin), "user_id").alias("user_id")
        )
        return Cheat.whole.with_tables(events=events.with_columns(origin=pl.lit(self.origin)))


def test_a_leak_stops_the_proof() -> None:
    rng = np.random.default_rng(0)
    shop = shop_of(
        {f"u{u}": [(d, int(i)) for d, i in enumerate(rng.integers(0, 100, 8))] for u in range(300)},
        100,
    )
    Cheat.whole = shop
    cheat = Generator(synthesizer=f"{__name__}:Cheat", screens=("schema", "impossible", "leak"))
    by_user = SplitSettings(by="user")
    honest = prove(
        shop, settings_of(split=by_user, generator=replace(cheat, synthesizer="markov"), seeds=1)
    )
    assert honest.verdict in ("no evidence", "hurts")
    with pytest.raises(LeakError, match="the synthesizer has seen the held-out part") as caught:
        prove(shop, settings_of(split=by_user, generator=cheat, seeds=1))
    assert isinstance(caught.value, RefusedError)
    assert caught.value.exit_code == 1


def test_a_proof_of_nothing_is_refused() -> None:
    for wrong, said in (
        ({"seeds": 0}, "seeds is 0; give a whole number from 1 to 1000"),
        ({"ratios": ()}, "at least one ratio and one metric"),
        ({"ratios": (0.0,)}, r"ratios\[0\] is 0.0; give a number above 0"),
        ({"metrics": ()}, "at least one ratio and one metric"),
    ):
        with pytest.raises(SettingError, match=said):
            settings_of(**wrong)
    with pytest.raises(InputError, match="A proof needs the table 'events'"):
        prove(ring().with_tables(events=None), settings_of())
    with pytest.raises(
        InputError, match=r"No ranker is called 'transition'\. Did you mean 'transitions'"
    ):
        prove(ring(), settings_of(ranker="transition"))
    assert "transitions" in RANKERS.names()
