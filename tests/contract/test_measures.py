"""What every measure of a comparison keeps to, found by walking the folders."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lively import lively, lively_events
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import SettingError
from wareloom.evaluation.compare import SLOW, measures
from wareloom.metrics.likeness.measure import Figure, Measure
from wareloom.metrics.likeness.samples import Trio, gathered
from wareloom.shop import Shop

NAMES = [n for n in METRICS.names() if issubclass(METRICS.load(n), Measure)]
QUICK: dict[str, dict[str, Any]] = {
    "discriminator": {"trees": 5, "folds": 2},
    "sequence_discriminator": {"updates": 5, "embedding_size": 4},
}
RUN = Run(seed=1, threads=1)


def make(name: str) -> Measure:
    made: Measure = METRICS.make(name, **QUICK.get(name, {}))
    return made


def trio_of(real: Shop, synthetic: Shop) -> Trio:
    return gathered(real, synthetic, lively(60, 2, "h"), 10, RUN)


@pytest.fixture(scope="module")
def trio() -> Trio:
    return trio_of(lively(80, 1), lively(70, 3, "f"))


def figures(name: str, trio: Trio) -> list[Figure]:
    found = make(name).compare(trio, RUN)
    assert isinstance(found, list), found
    return found


def test_a_comparison_knows_them_all() -> None:
    assert measures() == NAMES
    assert set(SLOW) <= set(NAMES)
    assert len(NAMES) >= 17


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_round(name: str, tmp_path: Path, trio: Trio) -> None:
    measure = make(name)
    assert measure.name == name
    assert configure(type(measure), measure.settings()).settings() == measure.settings()
    measure.save(tmp_path / name)
    assert METRICS.restore(tmp_path / name).settings() == measure.settings()
    with pytest.raises(SettingError, match="has no setting 'windwo'"):
        METRICS.make(name, windwo=3)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_numbers_with_intervals(name: str, trio: Trio) -> None:
    found = figures(name, trio)
    assert len({figure.name for figure in found}) == len(found) >= 1
    for figure in found:
        assert figure.name.partition(".")[0] == name
        assert figure.unit
        numbers = [
            figure.value,
            figure.low,
            figure.high,
            figure.floor,
            figure.floor_low,
            figure.floor_high,
        ]
        assert all(math.isfinite(number) for number in numbers)
        assert 0 <= figure.low <= figure.value <= figure.high
        assert 0 <= figure.floor_low <= figure.floor_high
        if figure.bounded:
            assert max(numbers) <= 1
        json.dumps(asdict(figure), allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_and_nothing_is_changed(name: str, trio: Trio) -> None:
    before = [sample.log.item.copy() for sample in (*trio.samples, trio.training)]
    assert figures(name, trio) == figures(name, trio)
    for old, sample in zip(before, (*trio.samples, trio.training), strict=True):
        np.testing.assert_array_equal(old, sample.log.item)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_does_not_matter(name: str, trio: Trio) -> None:
    """Where no two events of a user share a time."""
    events = [lively_events(80, 1), lively_events(70, 3, "f")]
    assert all(not each.select("user_id", "time").is_duplicated().any() for each in events)
    moved = [
        lively(1, 1).with_tables(events=each.sample(fraction=1.0, shuffle=True, seed=9))
        for each in events
    ]
    assert figures(name, trio_of(*moved)) == figures(name, trio)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_shop_lacks_leaves_out_what_needs_it(name: str) -> None:
    bare = [
        shop.with_tables(events=shop.table("events").drop("time"))
        for shop in (lively(80, 1), lively(70, 3, "f"))
    ]
    bare = [shop.with_tables(items=shop.table("items").drop("category")) for shop in bare]
    found = make(name).compare(trio_of(*bare), RUN)
    if METRICS.load(name).needs:
        assert found in (
            "REAL and SYNTH have no times",
            "REAL and SYNTH have no times, and not everybody has session ids",
            "REAL has no categories, or nearly all of its events are in one",
        )
    else:
        assert isinstance(found, list), found


@pytest.mark.parametrize("name", NAMES)
def test_users_of_one_event_each_break_nothing(name: str) -> None:
    def first(shop: Shop) -> Shop:
        return shop.with_tables(
            events=shop.table("events").unique("user_id", keep="first", maintain_order=True)
        )

    found = make(name).compare(trio_of(first(lively(80, 1)), first(lively(70, 3, "f"))), RUN)
    if isinstance(found, str):
        assert found
    else:
        assert all(math.isfinite(figure.value) for figure in found)


@pytest.mark.parametrize("name", NAMES)
def test_the_synthetic_side_alone_moves_the_value_and_not_the_floor(name: str, trio: Trio) -> None:
    other = trio_of(lively(80, 1), lively(70, 4, "f"))
    same = replace(other, real=trio.real, again=trio.again, training=trio.training)
    for one, two in zip(figures(name, trio), figures(name, same), strict=True):
        assert one.value != two.value or one.value in (0.0, 1.0)
        if name not in ("discriminator", "sequence_discriminator"):
            assert one.floor == pytest.approx(two.floor)


def test_a_user_of_two_shops_is_two_users(trio: Trio) -> None:
    """Ids of synthetic users may be those of real ones."""
    same = trio_of(lively(80, 1), lively(70, 3, "u"))
    renamed = figures("activity", same)[0]
    assert renamed.value == figures("activity", trio)[0].value
    assert len(same.synthetic) == 60
    assert pl.Series(same.synthetic.log.users.ids).str.starts_with("u").all()
