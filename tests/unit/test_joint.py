"""Several generators together: weighed where they help, drawn as they weigh."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.experiment.plan import PLACEBO, TEACHER
from wareloom.proof.arms import BEHAVIOUR, plan
from wareloom.rankers import Ranker
from wareloom.rankers.baseline.transitions import Transitions
from wareloom.sampling.generator import Generator
from wareloom.shop import Log, Shop
from wareloom.shop.popularity import slice_names, slices_of
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.behaviour import _gains
from wareloom.synthesis.behaviour._shares import apportion, leaning
from wareloom.synthesis.draws import mark, new_ids

PAIRS = 40
NAMED = ("head", "middle", "tail")


def cues(users: int = 600) -> Shop:
    """Every user ends with a cue and what it leads to; what comes before tells that of middling cues alone."""
    rng = np.random.default_rng(0)
    popular = 1.0 / np.arange(1, PAIRS + 1)
    rows = []
    for user in range(users):
        before, pair, other = rng.choice(PAIRS, size=3, replace=False, p=popular / popular.sum())
        then = before if 2 < before < 15 else other
        rows += [(f"u{user}", item) for item in (f"c{before}", f"t{then}", f"c{pair}", f"t{pair}")]
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    place = pl.int_range(pl.len())
    events = events.with_columns(
        event=pl.lit("purchase"), time=pl.from_epoch(place * 60).cast(pl.Datetime("us"))
    )
    return Shop(
        {
            "items": pl.DataFrame(
                {"item_id": [f"{kind}{k}" for kind in "ct" for k in range(PAIRS)]}
            ),
            "events": events,
        }
    )


@dataclass(kw_only=True, eq=False)
class Tells(Synthesizer):
    """Users of one cue and what it leads to, where that is in some slices; each class has a year of its own."""

    where: ClassVar[tuple[int, ...]] = (0, 1, 2)
    shift: ClassVar[int] = 0
    year: ClassVar[int] = 2001
    random: ClassVar[bool] = True

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        self.items_ = shop.table("items")
        self.slice_ = slices_of(Log.of(shop).counts(), 3)
        return self

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        able = np.flatnonzero(np.isin(self.slice_[PAIRS:], self.where))
        chance = 1.0 / (1 + able)
        pair = (run or Run()).rng("tells").choice(able, size=n, p=chance / chance.sum())
        owners = [f"{self.origin}/{i}" for i in range(n) for _ in range(2)]
        items = [x for k in pair for x in (f"c{k}", f"t{(k + self.shift) % PAIRS}")]
        events = pl.DataFrame({"user_id": owners, "item_id": items}).with_columns(
            event=pl.lit("purchase"), time=pl.datetime(self.year, 1, 1), origin=pl.lit(self.origin)
        )
        users = events.select("user_id", "origin").unique(maintain_order=True)
        return Shop({"items": self.items_, "events": events, "users": users})


class Head(Tells):
    where = (0,)
    year = 2002


class Tail(Tells):
    where = (2,)
    year = 2003


class Misled(Tells):
    shift = 1
    year = 2004


class Empty(Tells):
    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        raise InputError("There is nothing here.")


TELLS, HEAD, TAIL, MISLED, EMPTY = (
    f"{__name__}:{kind.__name__}" for kind in (Tells, Head, Tail, Misled, Empty)
)


def joint(**settings: Any) -> Any:
    return SYNTHESIZERS.make("joint", **settings)


def years(shop: Shop) -> dict[int, int]:
    """Users by the year that tells who drew them."""
    users = shop.table("events").group_by("user_id").agg(pl.col("time").first().dt.year())
    return dict(users.group_by("time").len().rows())


@pytest.fixture(scope="module")
def learned() -> Any:
    return joint(members=(MISLED, HEAD, TAIL), validation=1.0).fit(cues(), Run(seed=1))


def test_members_weigh_where_they_help(learned: Any) -> None:
    weights, rows = learned.weights_, learned.gains_["slices"]
    assert weights[HEAD] == {"head": 1.0, "middle": weights[HEAD]["middle"], "tail": 0.0}
    assert weights[TAIL]["head"] == 0.0
    assert weights[TAIL]["tail"] == 1.0
    assert rows["head"]["members"][HEAD]["gain"] > 0.1
    for name in NAMED[1:]:
        assert rows[name]["members"][MISLED]["gain"] < -2 * rows[name]["members"][MISLED]["error"]
    assert rows["middle"]["real"] > 0.5
    assert rows["tail"]["members"][TAIL]["gain"] > 0.5
    assert MISLED not in learned.members_, "one that hurts is not fitted again"
    assert sum(rows[name]["events"] for name in NAMED) == rows["all"]["events"] == 600
    assert any(note.startswith("middle: no member gains") for note in learned.gains_["notes"])
    json.dumps(learned.gains_, allow_nan=False)


def test_gains_are_paired_means_and_weights_what_exceeds_their_errors() -> None:
    rng = np.random.default_rng(3)
    alone, slices = rng.random(90), {"head": np.arange(90) < 60, "tail": np.arange(90) >= 60}
    joined = {
        "a": alone + rng.normal(0.3, 1.0, 90),
        "b": alone + rng.normal(0.6, 1.0, 90),
        "c": alone - 0.1,
    }
    found = _gains.gains(alone, joined, slices)
    weights, notes = _gains.weigh(found, ("head", "tail"))
    assert notes == []
    for name, rows in slices.items():
        sure = {}
        for member, values in joined.items():
            differences = [
                float(v - a) for v, a, here in zip(values, alone, rows, strict=True) if here
            ]
            mean = sum(differences) / len(differences)
            variance = sum((d - mean) ** 2 for d in differences) / (len(differences) - 1)
            assert found[name]["members"][member]["gain"] == pytest.approx(mean)
            sure[member] = max(0.0, mean - (variance / len(differences)) ** 0.5)
        for member, value in sure.items():
            assert weights[member][name] == pytest.approx(value / sum(sure.values()))
    assert weights["c"] == {"head": 0.0, "tail": 0.0}


def test_thin_slices_and_slices_without_gain_are_said() -> None:
    alone, rows = np.zeros(50), np.arange(50) < 45
    joined = {"a": np.where(rows, -0.3, 0.9) + np.tile([0.0, 0.1], 25), "b": np.full(50, -0.1)}
    weights, notes = _gains.weigh(
        _gains.gains(alone, joined, {"head": rows, "tail": ~rows}), NAMED[::2]
    )
    assert weights == {"a": {"head": 0.0, "tail": 0.0}, "b": {"head": 1.0, "tail": 1.0}}
    assert notes[0] == (
        "head: no member gains more than one standard error over real data alone; all of it goes to b, the best by "
        "mean (-0.1000)"
    )
    assert notes[1].startswith("tail: 5 held-back events are too few")
    assert notes[2].startswith("tail: no member gains")


def test_users_stand_as_the_weights_say() -> None:
    """Within each slice members by their weights, slices as among real users, all to within one user a cell."""
    shop = cues()
    weights = {
        TELLS: {"head": 3.0, "middle": 1.0, "tail": 0.0},
        MISLED: {"head": 1.0, "middle": 1.0, "tail": 2.0},
    }
    made = joint(members=(TELLS, MISLED), weights=weights).fit(shop, Run(seed=1))
    real = _slices(Log.of(shop), made.slice_)
    sampled = made.sample(1_000, Run(seed=2))
    log = Log.of(sampled)
    slice_ = _slices(log, made.slice_)
    year = (
        sampled.table("events")
        .group_by("user_id")
        .agg(pl.col("time").first().dt.year())
        .sort("user_id")["time"]
    )
    told = np.isin(year.to_numpy(), [Tells.year])
    for place, (one, both) in enumerate(((3, 4), (1, 2), (0, 2))):
        due = 1_000 * (real == place).mean()
        assert abs((slice_ == place).sum() - due) <= 2
        assert abs((told & (slice_ == place)).sum() - due * one / both) <= 1


def _slices(log: Log, slice_: np.ndarray) -> np.ndarray:
    """The slice of most of a user's items, of equals the last: the slow way."""
    found = []
    for user in range(len(log.users)):
        mine = slice_[log.item[log.offsets[user] : log.offsets[user + 1]]].tolist()
        found.append(max(range(3), key=lambda place: (mine.count(place), place)))
    return np.array(found)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_slices_have_as_many_events_each(parts: int) -> None:
    counts = np.append(np.random.default_rng(1).zipf(1.6, 400).clip(0, 500), [0, 0]).astype(float)
    found = slices_of(counts, parts)
    order, before = sorted(range(len(counts)), key=lambda i: -counts[i]), 0.0
    for item in order:
        wanted = int(before / counts.sum() * parts + 1e-9) if counts[item] else parts - 1
        assert found[item] == wanted
        before += counts[item]
    assert len(set(slice_names(parts))) == parts


def test_shares_are_kept_to_within_one_and_on_average() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(6, 0.3)).reshape(3, 2)
    dealt = np.array([apportion(7, shares, start) for start in rng.random(4_000)])
    assert (dealt.sum(axis=(1, 2)) == 7).all()
    assert (np.abs(dealt - 7 * shares) < 1).all()
    np.testing.assert_allclose(dealt.mean(axis=0), 7 * shares, atol=0.03)
    assert leaning(np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 2]), 3, 3).tolist() == [2, 1, 2]


@pytest.mark.parametrize("n", [1, 2, 57])
def test_a_slice_that_is_never_reached_does_not_keep_it_from_ending(n: int) -> None:
    made = joint(members=(HEAD,), weights={HEAD: 1.0}).fit(cues(), Run(seed=1))
    users = made.sample(n, Run(seed=3)).table("users")
    assert (
        users["user_id"].to_list() == new_ids(made.origin, n, mark(made, n, Run(seed=3))).to_list()
    )


def test_one_seed_one_sample(learned: Any) -> None:
    again = joint(members=(MISLED, HEAD, TAIL), validation=1.0).fit(cues(), Run(seed=1))
    assert (again.gains_, again.weights_) == (learned.gains_, learned.weights_)
    prints = [
        one.sample(40, Run(seed=seed)).fingerprint
        for one, seed in ((learned, 5), (again, 5), (again, 6))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_a_member_that_cannot_learn_is_left_out() -> None:
    made = joint(members=(EMPTY, TELLS), weights={EMPTY: 3.0, TELLS: 1.0}).fit(
        cues(60), Run(seed=1)
    )
    assert made.left_out_ == {EMPTY: "There is nothing here."}
    assert made.weights_ == {TELLS: dict.fromkeys(NAMED, 1.0)}
    with pytest.raises(
        InputError, match=r"None of the members of joint can learn from this shop: There is nothing"
    ):
        joint(members=(EMPTY,)).fit(cues(60), Run(seed=1))


def test_too_few_users_weigh_all_alike() -> None:
    made = joint(members=(TELLS, HEAD)).fit(cues(15), Run(seed=1))
    assert made.weights_ == dict.fromkeys((TELLS, HEAD), dict.fromkeys(NAMED, 0.5))
    assert made.gains_["notes"] == [
        "8 users are too few to hold events back of: all members weigh the same"
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"members": ()}, r"joint: members is \(\); give different synthesizers"),
        (
            {"members": ("markov", "markov")},
            r"joint: members is \('markov', 'markov'\); give different",
        ),
        (
            {"members": ("joint",)},
            r"joint: members is \('joint',\); give synthesizers other than itself",
        ),
        (
            {"member_settings": {"vae": {}}},
            r"joint: member_settings is \{'vae': \{\}\}; give names among",
        ),
        (
            {"member_settings": {"markov": {"windows": 1}}},
            "Markov has no setting 'windows'. Did you mean 'window'",
        ),
        ({"weights": {"vae": 1.0}}, r"joint: weights is \{'vae': 1.0\}; give names among"),
        (
            {"weights": {"markov": -1.0}},
            "joint: weights of 'markov' in head is -1.0; give a number",
        ),
        (
            {"weights": {"markov": {"neck": 1.0}}},
            "the slice 'neck'; the slices are head, middle, tail",
        ),
        ({"weights": {"markov": {"head": 1.0}}}, "give some member a weight above 0 in middle"),
        ({"slices": 0}, "joint: slices is 0; give 1 or more"),
        ({"k": 0}, "joint: k is 0; give 1 or more"),
        ({"validation": 0.0}, r"joint: validation is 0.0; give a number above 0, at most 1"),
        ({"held": 0}, "joint: held is 0; give 1 or more"),
        ({"ranker_settings": {"no_such": 1}}, "Transitions has no setting 'no_such'"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        joint(**settings)


def test_users_with_and_without_sessions_stand_side_by_side() -> None:
    """Where the log names sessions alone, `shuffled` does too and `markov` names users: nobody's id is another's."""
    shop = small_shop(users=40)
    events = shop.table("events").rename({"user_id": "session_id"})
    made = joint(members=("shuffled", "markov"), weights={"shuffled": 1.0, "markov": 1.0})
    sample = made.fit(shop.with_tables(events=events), Run(seed=1)).sample(60, Run(seed=2))
    rows = sample.table("events").with_columns(owner=pl.coalesce("user_id", "session_id"))
    assert set(rows["owner"]) == set(new_ids(made.origin, 60, mark(made, 60, Run(seed=2))))
    assert rows.group_by("session_id").agg(pl.col("owner").n_unique())["owner"].max() == 1
    assert 0 < rows["user_id"].null_count() < len(rows)


def test_users_are_continued_by_members_as_they_weigh() -> None:
    shop = small_shop(users=50)
    members = {"markov": {}, "neighbours": {"top": 1}}
    made = joint(members=tuple(members), member_settings=members, weights={"neighbours": 1.0}).fit(
        shop, Run(seed=1)
    )
    given = Given(histories=small_shop(users=20, seed=4), length=2)
    sample = made.sample(20, Run(seed=2), given)
    assert set(made.members_) == {"neighbours"}
    assert set(sample.table("events")["origin"]) == {made.origin}
    assert set(Log.of(sample).lengths()) == {2}
    both = joint(members=tuple(members), weights={"markov": 1.0, "neighbours": 1.0}).fit(
        shop, Run(seed=1)
    )
    assert len(Log.of(both.sample(15, Run(seed=2), given)).users) == 15
    with pytest.raises(
        InputError, match="Asked to continue 21 users, but the given histories hold 20"
    ):
        both.sample(21, Run(seed=2), given)


def test_a_proof_sees_what_the_members_know() -> None:
    whole = plan(Generator(synthesizer="joint"), "transitions", {})
    assert PLACEBO in whole.controls
    assert TEACHER in whole.references
    settings = {"members": ("neighbours", "markov")}
    assert Generator(synthesizer="joint", settings=settings).knows() == BEHAVIOUR
    assert (
        TEACHER
        in plan(Generator(synthesizer="joint", settings=settings), "transitions", {}).left_out
    )


def test_its_teacher_can_be_asked_even_without_weight() -> None:
    made = joint(members=("teacher", "markov"), weights={"markov": 1.0}).fit(
        small_shop(), Run(seed=1)
    )
    assert made.weights_["teacher"] == dict.fromkeys(NAMED, 0.0)
    assert made.as_ranker() is made.members_["teacher"].as_ranker()
    with pytest.raises(InputError, match="of its members markov 0 can rank; it takes one"):
        joint(members=("markov",)).fit(small_shop(), Run(seed=1)).as_ranker()


@dataclass(kw_only=True, eq=False)
class Stepping(Transitions):
    """Claims to be taught by gradient updates, as many as it has events."""

    told: ClassVar[list[int]] = []

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        super()._fit(log, shop, run)
        Stepping.told.append(run.updates)
        self.updates_ = run.updates or len(log)


def test_a_judge_takes_as_many_updates_with_more_data() -> None:
    Stepping.told.clear()
    joint(members=(TELLS, HEAD), ranker=f"{__name__}:Stepping").fit(cues(100), Run(seed=1))
    assert issubclass(Stepping, Ranker)
    assert Stepping.told == [0, 350, 350]
