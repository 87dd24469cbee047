"""What every metric of a ranking keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wareloom.core.family import METRICS
from wareloom.core.settings import configure
from wareloom.errors import SettingError
from wareloom.metrics import Metric, Ranked, RequestMetric
from wareloom.metrics.collect import Collector

NAMES = [n for n in METRICS.names() if issubclass(METRICS.load(n), Metric)]


def ranked(seed: int = 0, requests: int = 40, items: int = 25) -> Ranked:
    """Random scores, masked places, up to three graded relevant items a request."""
    rng = np.random.default_rng(seed)
    scores = rng.random((requests, items), dtype=np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    chosen = [rng.permutation(items)[: rng.integers(0, 4)] for _ in range(requests)]
    offsets = np.concatenate([[0], np.cumsum([len(c) for c in chosen])])
    collector = Collector(
        rng.integers(0, 50, items).astype(float), groups=rng.integers(-1, 4, items).astype(np.int32)
    )
    collector.add(
        scores, offsets, np.concatenate(chosen), rng.integers(1, 4, offsets[-1]).astype(float)
    )
    return collector.finish()


@pytest.mark.parametrize("name", METRICS.names())
def test_every_setting_is_documented(name: str) -> None:
    entry = METRICS.describe(name)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_round(name: str, tmp_path: Path) -> None:
    metric = METRICS.make(name)
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert configure(type(metric), metric.settings()).settings() == metric.settings()
    metric.save(tmp_path / name)
    assert METRICS.restore(tmp_path / name).measure(ranked()) == metric.measure(ranked())
    with pytest.raises(SettingError, match="has no setting 'depht'"):
        METRICS.make(name, depht=3)


@pytest.mark.parametrize("name", NAMES)
def test_is_the_mean_of_its_requests(name: str) -> None:
    metric, outcome = METRICS.make(name), ranked()
    values = metric.per_request(outcome)
    assert isinstance(metric.measure(outcome), float)
    if isinstance(metric, RequestMetric):
        assert values is not None
    if values is not None:
        assert values.shape == (40,)
        assert values.dtype == np.float64
        assert metric.measure(outcome) == pytest.approx(np.nanmean(values))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_requests_does_not_matter(name: str) -> None:
    outcome = ranked()
    moved = np.random.default_rng(1).permutation(40)
    rows = np.concatenate([np.arange(outcome.offsets[r], outcome.offsets[r + 1]) for r in moved])
    other = Ranked(
        offsets=np.concatenate([[0], np.cumsum(np.diff(outcome.offsets)[moved])]),
        rank=outcome.rank[rows],
        grade=outcome.grade[rows],
        item=outcome.item[rows],
        candidates=outcome.candidates[moved],
        top=outcome.top[moved],
        popularity=outcome.popularity,
        groups=outcome.groups,
    )
    assert METRICS.make(name).measure(other) == pytest.approx(METRICS.make(name).measure(outcome))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_ranked_raises_nothing(name: str) -> None:
    assert isinstance(METRICS.make(name).measure(Collector(np.ones(5)).finish()), float)


@pytest.mark.parametrize("name", NAMES)
def test_leaves_its_input_alone(name: str) -> None:
    outcome = ranked()
    METRICS.make(name).measure(outcome)
    for field, value in vars(ranked()).items():
        np.testing.assert_array_equal(getattr(outcome, field), value)
