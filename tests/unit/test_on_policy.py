"""Walks off the histories: the student goes on, the ensemble that has not seen the user labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import MIXERS, RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.mixing.on_policy import FAINT
from wareloom.shop import Log, Shop
from wareloom.shop.schema import REAL

RUN = Run(seed=4, threads=1)
OF: dict[str, Any] = {
    "ranker": "transitions",
    "student": "item_knn",
    "labels": 3,
    "folds": 3,
    "walks": 1.0,
}


@pytest.fixture(scope="module")
def real() -> Shop:
    return small_shop(users=30, items=15)


@pytest.fixture(scope="module")
def mixed(real: Shop) -> Shop:
    found: Shop = MIXERS.make("on_policy", **OF, steps=2).mix(real, None, RUN)
    return found


def walkers(mixed: Shop) -> tuple[Log, np.ndarray]:
    """The log of the mix, and the codes of its walkers."""
    log = Log.of(mixed)
    return log, np.flatnonzero(log.users.ids.str.starts_with("walks of item_knn").to_numpy())


def test_a_walker_goes_on_where_a_real_history_ends_and_is_labelled_there_alone(
    real: Shop, mixed: Shop
) -> None:
    log, made = walkers(mixed)
    assert log.label_weight is not None
    plain = Log.of(real)
    assert len(made) == len(plain.users)
    labelled = log.label_weight.sum(axis=1) > 0
    for code in made:
        name = log.users.ids[int(code)].split("/", 1)[1]
        rows = slice(log.offsets[code], log.offsets[code + 1])
        (own,) = plain.users.encode(pl.Series([name]))
        history = plain.item[plain.offsets[own] : plain.offsets[own + 1]]
        assert log.item[rows][:-2].tolist() == history.tolist()
        assert len({*log.item[rows][-2:].tolist()} - {*history.tolist()}) == 2, "nothing had again"
        assert not labelled[rows][:-2].any()
        assert (log.weight[rows] == np.float32(FAINT)).all()
    ends = log.offsets[made + 1]
    assert labelled[ends - 1].mean() > 0.9
    np.testing.assert_allclose(log.label_weight[ends - 2][labelled[ends - 2]].sum(axis=1), 1.0)


def test_real_events_are_labelled_as_without_walks(real: Shop, mixed: Shop) -> None:
    own = {name: OF[name] for name in ("ranker", "labels", "folds")}
    plain = MIXERS.make("distil", **own).mix(real, None, RUN).table("soft_labels")
    ids = real.table("events")["user_id"].unique()
    rows = mixed.table("soft_labels").filter(pl.col("user_id").is_in(ids.implode()))
    assert rows.drop("origin").equals(plain.drop("origin"))
    assert mixed.table("events").head(real.rows("events")).equals(real.table("events"))
    assert set(mixed.table("events")["origin"]) == {
        REAL,
        "walks of item_knn, labels of transitions",
    }


def test_steps_are_the_students_own(real: Shop) -> None:
    """Of one best item nothing is left to chance: each walk is the student's greedy list, step by step."""
    mixed = MIXERS.make("on_policy", **OF, steps=1, top=1).mix(real, None, RUN)
    log, made = walkers(mixed)
    student = RANKERS.make("item_knn").fit(real, RUN)
    plain = Log.of(real)
    from wareloom.shop import Requests

    best = student.rank(Requests.of(plain), k=1)["item_id"].to_list()
    last = log.items.ids.gather(log.item[log.offsets[made + 1] - 1]).to_list()
    by_user = dict(zip(plain.users.ids.to_list(), best, strict=True))
    names = [log.users.ids[int(code)].split("/", 1)[1] for code in made]
    assert last == [by_user[name] for name in names]


def test_a_walk_is_labelled_by_an_ensemble_that_has_not_seen_its_user() -> None:
    """One user alone goes from i3 to a hidden item: only who saw that can name it after i3."""
    base = small_shop(users=40, items=12)
    events = pl.DataFrame(
        {
            "user_id": ["secret"] * 3,
            "item_id": ["i3", "hidden", "i3"],
            "event": ["purchase"] * 3,
            "time": base.table("events")["time"].head(3).sort(),
            "origin": [REAL] * 3,
            "weight": pl.Series([1.0] * 3, dtype=pl.Float32),
        }
    )
    items = pl.concat(
        [base.table("items"), pl.DataFrame({"item_id": ["hidden"]})], how="diagonal_relaxed"
    )
    shop = Shop(
        {
            "items": items,
            "events": pl.concat([base.table("events"), events], how="diagonal_relaxed"),
        }
    )
    found = {}
    for folds in (1, 4):
        mixer = MIXERS.make("on_policy", **OF | {"folds": folds, "labels": 13}, repeats=True)
        rows = mixer.mix(shop, None, RUN).table("soft_labels")
        own = rows.filter(pl.col("user_id").str.ends_with("/secret"), item_id="hidden")
        found[folds] = own.height > 0
    assert found == {1: True, 4: False}


def test_shops_of_sessions_and_without_times_are_walked_too(real: Shop) -> None:
    events = real.table("events").select(
        pl.col("user_id").alias("session_id"), "item_id", "event", "origin", "weight"
    )
    shop = Shop({"items": real.table("items"), "events": events})
    mixed = MIXERS.make("on_policy", **OF).mix(shop, None, RUN)
    log, made = walkers(mixed)
    assert len(made) == len(Log.of(shop).users)
    assert log.label_weight is not None
    assert log.label_weight[log.offsets[made + 1] - 1].sum() > 0
    RANKERS.make("sasrec", embedding_size=8, layers=1, epochs=1).fit(mixed, RUN)


def test_a_student_that_is_none_is_refused_and_no_walk_is_plain_labels(real: Shop) -> None:
    with pytest.raises(SettingError, match="no setting"):
        MIXERS.make("on_policy", student_settings={"layer": 1})
    none = MIXERS.make("on_policy", **OF | {"walks": 0.0}).mix(real, None, RUN)
    assert none.table("events").equals(real.table("events"))
