"""Judges of likeness that look at items: when, of which brand, in what company, and copies of whole sets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wareloom as wl
from lively import lively
from seasons import BRAND, BRANDS, DAY, LAUNCH, NEW_YEAR, seasons
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.metrics.likeness.samples import gathered
from wareloom.metrics.likeness.users.discriminators import judged
from wareloom.metrics.likeness.users.item_features import (
    LATEST,
    KnownItems,
    Pairs,
    brand_codes,
    item_features,
    word_vectors,
)
from wareloom.metrics.likeness.users.set_copies import multisets
from wareloom.shop import Shop
from wareloom.shop.item_sets import nearest, occurrence

RUN = Run(seed=1, threads=1)
USERS = 300
QUICK = {"item_discriminator": {"trees": 40, "folds": 3}}


@pytest.fixture(scope="module")
def real() -> Shop:
    return seasons(USERS, 1)


@pytest.fixture(scope="module")
def held() -> Shop:
    return seasons(USERS, 2, "h")


def found(real: Shop, fake: Shop, held: Shop) -> dict[str, object]:
    measures = ("item_discriminator",)
    return wl.compare(real, fake, held, run=RUN, measures=measures, settings=QUICK).figure(
        "item_discriminator"
    )


def moved(shop: Shop, item: np.ndarray) -> Shop:
    """The shop with other items at its events."""
    ids = pl.Series([f"i{i}" for i in item])
    return shop.with_tables(events=shop.table("events").with_columns(item_id=ids))


def codes(shop: Shop) -> np.ndarray:
    return shop.table("events")["item_id"].str.slice(1).cast(pl.Int64).to_numpy()


def test_an_honest_sample_is_not_told(real: Shop, held: Shop) -> None:
    figure = found(real, seasons(USERS, 3, "f"), held)
    assert figure["verdict"] != "beyond"
    assert figure["low"] < 0.55
    assert 0.4 < figure["floor"] < 0.6


def test_items_that_were_not_sold_yet_are_told_by_their_dates(real: Shop, held: Shop) -> None:
    """Each event has an item of its brand, shelf and wave's popularity, three waves of four too late."""
    fake = seasons(USERS, 3, "f")
    item = codes(fake)
    later = item + 4 * BRANDS
    figure = found(real, moved(fake, np.where(later < len(BRAND), later, item)), held)
    assert figure["low"] > 0.9
    named = [row["feature"] for row in figure["about"]["betray"]]
    assert all("item's" in name for name in named[:4])
    row = next(row for row in figure["about"]["betray"] if "median date, mean" in row["feature"])
    assert row["synthetic"] < row["real"]


def test_shoppers_without_a_brand_are_told_by_brands_and_titles(real: Shop, held: Shop) -> None:
    """Each event has an item of the same wave, whatever its brand: dates and shelves stay."""
    fake = seasons(USERS, 3, "f")
    item, rng = codes(fake), np.random.default_rng(0)
    other = item - BRAND[item] + rng.integers(BRANDS, size=len(item))
    figure = found(real, moved(fake, other), held)
    assert figure["low"] > 0.9
    named = " ".join(row["feature"] for row in figure["about"]["betray"][:5])
    assert "brand" in named
    assert "titles" in named
    without = [
        shop.with_tables(items=shop.table("items").drop("title", "brand", "price"))
        for shop in (real, moved(fake, other), held)
    ]
    blind = found(*without)
    assert not any(
        word in row["feature"]
        for row in blind["about"]["betray"]
        for word in ("brand", "title", "price")
    )


def test_each_kind_of_feature_is_looked_at(real: Shop, held: Shop) -> None:
    """Dates, company, brands, prices and titles each alone may be what betrays; none is left to the others."""
    trio = gathered(real, seasons(USERS, 3, "f"), held, 20, RUN)
    names = item_features(trio.real, KnownItems(trio.training, trio))
    for wanted in (
        *("days from an item's first date, mean", "place among an item's dates, mean"),
        *("share of pairs that others had", "brands by items", "share of pairs of one brand"),
        *("share of the chief brand among items", "log price, mean", "log price apart, mean"),
        *("log price beside the category's, mean", "likeness of titles in a history, mean"),
    ):
        assert wanted in names, wanted


def test_ages_are_those_of_slow_loops(real: Shop, held: Shop) -> None:
    trio = gathered(real, seasons(USERS, 3, "f"), held, 10, RUN)
    sides = judged(trio, 60, RUN)
    told = item_features(sides.synthetic, KnownItems(sides.known, trio))
    log, known = sides.synthetic.log, sides.known.log
    for user in range(0, 60, 7):
        early, middle, near, place = [], [], [], []
        for e in range(log.offsets[user], log.offsets[user + 1]):
            dates = np.sort(known.time[known.item == log.item[e]])
            if len(dates) == 0:
                continue
            t = log.time[e]
            early.append(t < dates[0])
            days = (t - dates[(len(dates) - 1) // 2]) / DAY
            middle.append(np.sign(days) * np.log10(1 + abs(days)))
            near.append(np.log10(1 + np.abs(dates - t).min() / DAY))
            place.append(((dates < t).sum() + (dates <= t).sum()) / 2 / len(dates))
        for name, value in (
            ("share of events before an item's first date, mean", np.mean(early)),
            ("days from an item's median date, least", np.min(middle)),
            ("days to an item's nearest date, most", np.max(near)),
            ("place among an item's dates, spread", np.std(place)),
        ):
            assert told[name][user] == pytest.approx(value), name


def test_company_is_that_of_slow_loops(real: Shop, held: Shop) -> None:
    trio = gathered(real, seasons(USERS, 3, "f"), held, 10, RUN)
    sides = judged(trio, 60, RUN)
    known, log = Pairs(sides.known), sides.known.log
    having = [set(log.item[log.offsets[u] : log.offsets[u + 1]]) for u in range(len(sides.known))]
    assert max(map(len, having)) <= LATEST
    told = item_features(sides.real, KnownItems(sides.known, trio))
    mine = sides.real.log
    for user in range(0, 60, 11):
        own = sorted(set(mine.item[mine.offsets[user] : mine.offsets[user + 1]].tolist()))
        pairs = list(combinations(own, 2))
        both = [sum(a in h and b in h for h in having) for a, b in pairs]
        one, other = np.array(pairs).T
        assert known.together(one, other).tolist() == both
        size = [sum(i in h for h in having) for i in range(len(known.users))]
        cosine = [
            n / np.sqrt(max(1, size[a] * size[b])) for n, (a, b) in zip(both, pairs, strict=True)
        ]
        assert told["cosine of items in a history, mean"][user] == pytest.approx(np.mean(cosine))
        best = [max(c for c, p in zip(cosine, pairs, strict=True) if i in p) for i in own]
        name = "cosine of items in a history, the best for each item, least"
        assert told[name][user] == pytest.approx(min(best))


def test_words_and_brands_of_any_script() -> None:
    titles = pl.Series(["Red TEA, 50g", "red tea", "绿茶 50g", "绿茶", None, "…"])
    vectors = word_vectors(titles)
    dots = (vectors @ vectors.T).toarray()
    assert np.allclose(np.diag(dots), [1, 1, 1, 1, 0, 0], atol=1e-6)
    assert dots[0, 1] > 0.7
    assert dots[2, 3] > 0.7
    assert dots[1, 3] == 0
    codes = brand_codes(pl.Series(["Acme", "acme ", None, "", "Zed"]))
    assert codes[0] == codes[1] != codes[4]
    assert codes[2] == codes[3] == -1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=5))
def test_multisets_share_what_their_counted_items_share(histories: list[list[int]]) -> None:
    user = np.repeat(np.arange(len(histories)), [len(h) for h in histories])
    item = np.array([i for h in histories for i in h])
    times = occurrence(user, item)
    seen: list[int] = [h[:place].count(h[place]) for h in histories for place in range(len(h))]
    assert times.tolist() == seen


def bought(histories: list[list[int]], prefix: str) -> Shop:
    """Users with their items in order, an hour apart."""
    rows = [
        (f"{prefix}{u}", f"i{i}", NEW_YEAR + place * 3_600_000_000)
        for u, h in enumerate(histories)
        for place, i in enumerate(h)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
    events = events.with_columns(pl.col("time").cast(pl.Datetime("us")), event=pl.lit("view_item"))
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(400)]}), "events": events}
    )


def drawn(users: int, seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.choice(400, size=int(rng.integers(3, 9))).tolist() for _ in range(users)]


@pytest.mark.parametrize("how", ["reversed", "shuffled", "one exchanged"])
def test_copies_are_found_in_whatever_order(how: str) -> None:
    histories, rng = drawn(120, 1), np.random.default_rng(5)
    copied = [list(h) for h in histories]
    if how == "reversed":
        copied = [h[::-1] for h in copied]
    elif how == "shuffled":
        copied = [rng.permutation(h).tolist() for h in copied]
    else:
        for h in copied:
            h[int(rng.integers(len(h)))] = int(rng.integers(400))
    real, held = bought(histories, "u"), bought(drawn(120, 2), "h")
    names = ("set_copies", "near_copies")
    told = wl.compare(real, bought(copied, "f"), held, run=RUN, measures=names)
    figure = told.figure("set_copies")
    assert figure["verdict"] == "beyond"
    assert figure["value"] > 0.95
    assert figure["floor"] < 0.05
    if how != "one exchanged":
        assert figure["about"]["equal"] == figure["about"]["users"]
    if how == "reversed":
        assert told.figure("near_copies")["value"] < 0.1
    honest = wl.compare(real, bought(drawn(120, 3), "f"), held, run=RUN, measures=names)
    assert honest.figure("set_copies")["verdict"] != "beyond"


def test_a_user_is_not_its_own_copy() -> None:
    """Without a holdout the reference is of the training part: each is held beside all others."""
    real = bought(drawn(120, 1), "u")
    told = wl.compare(real, bought(drawn(60, 3), "f"), run=RUN, measures=("set_copies",))
    assert told.figure("set_copies")["floor"] < 0.05


def test_similarity_counts_how_often_an_item_was_chosen() -> None:
    real, fake = bought([[1, 1, 1, 2]] * 30, "u"), bought([[1, 2, 3, 4]] * 30, "f")
    trio = gathered(real, fake, bought([[1, 1, 2, 2]] * 30, "h"), 5, RUN)
    known, held, made = multisets((trio.training, trio.real, trio.synthetic))
    assert nearest(held, known, 0.3)[0] == pytest.approx(3 / 5)
    assert nearest(made, known, 0.3)[0] == pytest.approx(2 / 6)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(
        SettingError, match=r"set_copies: jaccard is 0\.1; give a number from 0\.3 to 1"
    ):
        METRICS.make("set_copies", jaccard=0.1)


def test_a_shop_of_behaviour_alone_is_judged_too() -> None:
    real, held = lively(80, 1), lively(60, 2, "h")
    bare = [s.with_tables(items=s.table("items").select("item_id")) for s in (real, held)]
    figure = found(bare[0], bare[0].with_tables(events=lively(80, 3, "f").table("events")), bare[1])
    assert np.isfinite(figure["value"])


def test_the_planted_shop_is_as_it_says() -> None:
    events = seasons(50, 1).table("events")
    item, day = codes(seasons(50, 1)), (events["time"].to_physical() - NEW_YEAR).to_numpy() // DAY
    assert (day >= LAUNCH[item]).all()
