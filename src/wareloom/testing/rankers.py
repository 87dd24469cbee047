"""The contract of rankers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, NotFittedError
from wareloom.rankers import Ranker
from wareloom.serving.versions.published import Served, write_served
from wareloom.shop import Log, Requests, Shop
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make, refused, same
from wareloom.testing.pictures import ring_of_pictures
from wareloom.testing.shops import small_shop

RUN = Run(seed=1, threads=2)
LAWS: dict[str, Law] = {}
"""What every ranker keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


def ring(*args: Any, **settings: Any) -> Shop:
    """The small shop, with a picture of each item that looks like its neighbours' where pictures can be drawn."""
    shop = small_shop(*args, **settings)
    if not kit.there("PIL"):
        return shop
    return shop.with_tables(images=ring_of_pictures(shop.rows("items")))


@cache
def fitted(cls: type[Ranker]) -> Ranker:
    """One that was fitted on the ring."""
    made: Ranker = make(cls).fit(ring(), RUN)
    return made


def asked() -> Requests:
    """Twelve requests with histories, anew each time: who is held to a law may have changed the last ones."""
    return Requests.of(Log.of(small_shop(users=12, seed=5)))


class Second(NamedTuple):
    """What comes of fitting another one on the same log, and what became of its input."""

    scores: np.ndarray
    before: list[dict[str, np.ndarray]]
    """Columns of the log that it was fitted on, and of the histories that it was asked for"""
    after: list[dict[str, np.ndarray]]


@cache
def second(cls: type[Ranker]) -> Second:
    """Fit another one, and ask it."""
    log, requests = Log.of(ring()), asked()
    assert requests.histories is not None
    before = [_columns(log), _columns(requests.histories)]
    scores = make(cls).fit(ring(), RUN, log=log).score(requests)
    return Second(scores, before, [_columns(log), _columns(requests.histories)])


def _columns(log: Log) -> dict[str, np.ndarray]:
    """Copies of the columns of a log."""
    values = {field.name: getattr(log, field.name) for field in fields(log)}
    return {name: value.copy() for name, value in values.items() if isinstance(value, np.ndarray)}


LAWS["every setting is documented"] = kit.documented
LAWS["settings go round"] = kit.settings_go_round


@law(LAWS, "saved and restored")
def saved_and_restored(cls: type[Ranker]) -> None:
    """Saved and restored, it has the same settings and gives exactly the same scores."""
    restored = again(fitted(cls))
    assert restored.settings() == fitted(cls).settings()
    np.testing.assert_array_equal(restored.score(asked()), fitted(cls).score(asked()))


@law(LAWS, "the same seed")
def the_same_seed(cls: type[Ranker]) -> None:
    """Fitted again with the same seed, it gives exactly the same scores."""
    np.testing.assert_array_equal(second(cls).scores, fitted(cls).score(asked()))


@law(LAWS, "fitted anew")
def fitted_anew(cls: type[Ranker]) -> None:
    """Fitted on another shop first, and asked there, it remembers nothing of it."""
    once = make(cls).fit(ring(users=20, seed=7), RUN)
    once.score(asked())
    np.testing.assert_array_equal(once.fit(ring(), RUN).score(asked()), fitted(cls).score(asked()))


@law(LAWS, "any number of threads")
def any_number_of_threads(cls: type[Ranker]) -> None:
    """The number of threads does not change the scores."""
    same(make(cls).fit(ring(), Run(seed=1, threads=1)).score(asked()), fitted(cls).score(asked()))


@law(LAWS, "its input stays")
def its_input_stays(cls: type[Ranker]) -> None:
    """What it is fitted on, and what it is asked, is as it was before."""
    for old, new in zip(second(cls).before, second(cls).after, strict=True):
        for name, column in old.items():
            np.testing.assert_array_equal(column, new[name], err_msg=name)


@law(LAWS, "scores are new")
def scores_are_new(cls: type[Ranker]) -> None:
    """Scores are finite float32 [requests, items], and the caller's own to change."""
    scores = fitted(cls).score(asked())
    assert scores.dtype == np.float32, f"the scores are {scores.dtype}"
    assert scores.shape == (12, 30), f"of 12 requests and 30 items came {scores.shape}"
    assert np.isfinite(scores).all(), "some scores are no finite numbers"
    scores[:] = 0
    assert fitted(cls).score(asked()).any()


@law(LAWS, "a batch scores as each alone")
def a_batch_scores_as_each_alone(cls: type[Ranker]) -> None:
    """A request's scores do not hang on what is asked beside it."""
    requests, batch = asked(), fitted(cls).score(asked())
    for i in range(len(requests)):
        same(fitted(cls).score(requests.part(i, i + 1))[0], batch[i])
    blocks = list(fitted(cls).blocks(requests))
    assert [start for start, _, _ in blocks] == [0]
    np.testing.assert_array_equal(blocks[0][2], batch)


@law(LAWS, "candidates are columns")
def candidates_are_columns(cls: type[Ranker]) -> None:
    """Scores of some items are those among all; an unknown item scores -inf."""
    some = fitted(cls).score(asked(), ["i7", "nobody knows", "i3"])
    whole = fitted(cls).score(asked())
    codes = [fitted(cls).items_.to_list().index(i) for i in ("i7", "i3")]
    np.testing.assert_array_equal(some[:, [0, 2]], whole[:, codes])
    assert (some[:, 1] == -np.inf).all()


STRANGERS: tuple[Callable[[], Requests], ...] = (
    lambda: Requests.sessions([[]]),
    lambda: Requests(users=["stranger"]),
    lambda: Requests(users=[None]),
)


@law(LAWS, "strangers are served")
def strangers_are_served(cls: type[Ranker]) -> None:
    """An unknown user, and an empty history, have finite scores."""
    for stranger in STRANGERS:
        assert np.isfinite(fitted(cls).score(stranger())).all()


@law(FURTHER, "strangers get the popular")
def strangers_get_the_popular(cls: type[Ranker]) -> None:
    """An unknown user, and an empty history, get the items in the order of their popularity."""
    popularity: type[Ranker] = RANKERS.load("popularity")
    popular = fitted(popularity).score(Requests.sessions([[]]))[0]
    for stranger in STRANGERS:
        scores = fitted(cls).score(stranger())[0]
        assert (np.diff(popular[np.argsort(-scores, kind="stable")]) <= 0).all()


@law(LAWS, "unknown items are passed over")
def unknown_items_are_passed_over(cls: type[Ranker]) -> None:
    """An item of a history that was not known when it was fitted changes nothing."""
    known = fitted(cls).score(Requests.sessions([["i3", "i4"], []]))
    mixed = fitted(cls).score(Requests.sessions([["i3", "not here", "i4"], ["not here"]]))
    np.testing.assert_array_equal(known, mixed)


@law(LAWS, "ranks without the seen")
def ranks_without_the_seen(cls: type[Ranker]) -> None:
    """A ranking has places from 1 and each item once, without those of the history unless they are asked for."""
    ranking = fitted(cls).rank(Requests.sessions([["i3", "i4"], []]), k=28)
    first = ranking.filter(pl.col("request") == 0)
    assert first["rank"].to_list() == list(range(1, 29))
    assert not set(first["item_id"]) & {"i3", "i4"}
    assert first["item_id"].n_unique() == 28
    whole = fitted(cls).rank(Requests.sessions([["i3", "i4"]]), k=99, exclude_seen=False)
    assert len(whole) == 30


@law(LAWS, "served as ranked")
def served_as_ranked(cls: type[Ranker]) -> None:
    """Published, and asked in codes, it gives the items that it ranks, in the same order, with the same scores."""
    ranker, rng = fitted(cls), np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder:
        write_served(ranker, Path(folder) / "served")
        served = Served.open(Path(folder) / "served", allow_code=kit.own_code(Path(folder)))
    for place in range(25):
        codes = rng.integers(0, 30, rng.integers(0, 13) if place else 0).astype(np.int32)
        history = [served.ids.text(int(code)) for code in codes]
        query = ("", "Item 3", "ring 12", "no such word", "  ")[place % 5]
        request = replace(Requests.sessions([history]), queries=[query])
        for k, repeats in ((10, False), (40, True)):
            wanted = ranker.rank(request, k, exclude_seen=not repeats)
            found, scores = served.top(codes, query, k, repeats=repeats)
            shown = [served.ids.text(int(code)) for code in found]
            assert shown == wanted["item_id"].to_list(), (history, query)
            np.testing.assert_allclose(scores, wanted["score"].to_numpy(), rtol=1e-6, atol=1e-6)


@law(FURTHER, "moved by history")
def moved_by_history(cls: type[Ranker]) -> None:
    """Items walk round a ring, so the neighbours of what was seen stand far above the middle of the list."""
    one = Requests.sessions([[f"i{i}"] for i in range(28)])
    scores = fitted(cls).score(one, [f"i{i}" for i in range(30)])
    ranks = [(scores[i] > scores[i, i + 1]).sum() for i in range(28)]
    assert np.mean(ranks) < 6, f"the mean rank is {np.mean(ranks)}"


@law(LAWS, "asks for fit first")
def asks_for_fit_first(cls: type[Ranker]) -> None:
    """Before it is fitted, it can neither score nor rank nor be saved, and says so."""
    nobody, message = (
        Requests.sessions([[]]),
        f"The ranker '{make(cls).name}' is not fitted: call fit",
    )
    with refused(NotFittedError, message):
        make(cls).score(nobody)
    with refused(NotFittedError, message):
        make(cls).rank(nobody)
    with refused(NotFittedError, message):
        make(cls).save(Path("never written"))


@law(LAWS, "an empty log is refused")
def an_empty_log_is_refused(cls: type[Ranker]) -> None:
    """A table of events without one is refused."""
    shop = ring()
    empty = shop.with_tables(events=shop.table("events").clear())
    with refused(InputError, f"The ranker '{make(cls).name}' has nothing to learn from"):
        make(cls).fit(empty)


@law(LAWS, "small logs")
def small_logs(cls: type[Ranker]) -> None:
    """It learns from one user, one item, one event, and from events without times."""
    shop, untimed = ring(), ring(timed=False)
    events = shop.table("events")
    for kind, small in (
        ("one user", shop.with_tables(events=events.filter(pl.col("user_id") == "u0"))),
        ("one item", shop.with_tables(events=events.with_columns(item_id=pl.lit("i5")))),
        ("one event", shop.with_tables(events=events.head(1))),
        ("no times", untimed),
    ):
        scores = make(cls).fit(small).score(Requests.sessions([["i5"], [], ["i1", "i2"]]))
        assert scores.shape == (3, 30), kind
        assert np.isfinite(scores).all(), kind


@law(FURTHER, "weighted users")
def weighted_users(cls: type[Ranker]) -> None:
    """A user whose events weigh 2 is the same as two such users, and not the same as one."""
    shop = ring()
    events = shop.table("events")
    heavy = pl.col("user_id").is_in(["u1", "u2", "u3"])
    weighted = events.with_columns(weight=pl.when(heavy).then(2.0).otherwise(1.0))
    twins = events.filter(heavy).with_columns(user_id=pl.col("user_id") + "-twin")
    one = make(cls).fit(shop.with_tables(events=weighted)).score(asked())
    two = make(cls).fit(shop.with_tables(events=pl.concat([events, twins]))).score(asked())
    same(one, two)
    assert np.abs(one - make(cls).fit(shop).score(asked())).max() > 1e-4


@law(FURTHER, "weighted events")
def weighted_events(cls: type[Ranker]) -> None:
    """It sees no order in training, so that an event of weight 2 is the same as that event twice in a row."""
    log = Log.of(ring())
    heavy = np.arange(len(log)) % 3 == 0
    weighted = replace(log, weight=np.where(heavy, 2.0, 1.0).astype(np.float32))
    one = make(cls).fit(weighted, Run(seed=1)).score(asked())
    rows = np.repeat(np.arange(len(log)), np.where(heavy, 2, 1))
    names = ("item", "time", "event", "session", "weight", "real")
    columns = {name: getattr(log, name)[rows] for name in names}
    repeated = replace(log, offsets=np.searchsorted(rows, log.offsets).astype(np.int64), **columns)
    same(one, make(cls).fit(repeated, Run(seed=1)).score(asked()))


@cache
def muted(cls: type[Ranker]) -> np.ndarray:
    """Scores where one user's events have no weight."""
    shop = ring()
    weight = pl.when(pl.col("user_id") == "u1").then(0.0).otherwise(1.0)
    events = shop.table("events").with_columns(weight=weight)
    scores: np.ndarray = make(cls).fit(shop.with_tables(events=events), Run(seed=1)).score(asked())
    return scores


@law(LAWS, "events of no weight do no harm")
def events_of_no_weight_do_no_harm(cls: type[Ranker]) -> None:
    """With events of no weight its scores are finite."""
    assert np.isfinite(muted(cls)).all()


@law(FURTHER, "events of no weight teach nothing")
def events_of_no_weight_teach_nothing(cls: type[Ranker]) -> None:
    """With events of no weight it gives the same scores as without them."""
    shop = ring()
    events = shop.table("events").filter(pl.col("user_id") != "u1")
    same(muted(cls), make(cls).fit(shop.with_tables(events=events), Run(seed=1)).score(asked()))
