"""What every metric of predictions keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wareloom.core.family import METRICS
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError
from wareloom.metrics import ClickMetric, Predicted

NAMES = [n for n in METRICS.names() if METRICS.describe(n).module.split(".")[2] == "clicks"]


def predicted(seed: int = 0, rows: int = 300) -> Predicted:
    """Random probabilities with ties, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    chance = np.round(rng.beta(2, 6, rows), 2)
    return Predicted.of((rng.random(rows) < chance).astype(float), chance)


def test_there_are_metrics_of_clicks() -> None:
    assert set(NAMES) >= {
        "log_loss",
        "normalised_entropy",
        "click_auc",
        "calibration_error",
        "brier",
        "rmse",
    }


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_round(name: str, tmp_path: Path) -> None:
    metric = METRICS.make(name)
    assert isinstance(metric, ClickMetric)
    assert metric.name == name
    assert configure(type(metric), metric.settings()).settings() == metric.settings()
    metric.save(tmp_path / name)
    assert METRICS.restore(tmp_path / name).measure(predicted()) == metric.measure(predicted())
    with pytest.raises(SettingError, match="has no setting 'binz'"):
        METRICS.make(name, binz=3)


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_of_two_is_the_row_twice(name: str) -> None:
    one = predicted()
    weight = np.random.default_rng(1).integers(0, 4, len(one)).astype(float)
    rows = np.repeat(np.arange(len(one)), weight.astype(int))
    twice = Predicted.of(one.label[rows], one.value[rows])
    metric = METRICS.make(name)
    assert metric.measure(Predicted.of(one.label, one.value, weight)) == pytest.approx(
        metric.measure(twice)
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_does_not_matter_and_means_are_means(name: str) -> None:
    one, metric = predicted(), METRICS.make(name)
    moved = np.random.default_rng(2).permutation(len(one))
    assert metric.measure(Predicted.of(one.label[moved], one.value[moved])) == pytest.approx(
        metric.measure(one)
    )
    values = metric.per_row(one)
    if values is not None:
        assert values.dtype == np.float64
        assert metric.measure(one) == pytest.approx(values.mean())


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_better_than_its_opposite(name: str) -> None:
    label = predicted().label
    metric = METRICS.make(name)
    right, wrong = (metric.measure(Predicted.of(label, value)) for value in (label, 1 - label))
    assert right > wrong if metric.higher_is_better else right < wrong


@pytest.mark.parametrize("name", NAMES)
def test_nothing_predicted_is_not_defined(name: str) -> None:
    assert np.isnan(METRICS.make(name).measure(Predicted.of(np.zeros(0), np.zeros(0))))


@pytest.mark.parametrize("name", [n for n in NAMES if n != "rmse"])
def test_what_is_no_click_or_no_probability_is_refused(name: str) -> None:
    metric = METRICS.make(name)
    with pytest.raises(InputError, match="label of row 1 is 3; a click is 1"):
        metric.measure(Predicted.of(np.array([1, 3]), np.array([0.5, 0.5])))
    with pytest.raises(
        InputError, match=r"prediction of row 0 is 1.5; a probability is in \[0, 1\]"
    ):
        metric.measure(Predicted.of(np.array([1, 0]), np.array([1.5, 0.5])))


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"one length; they are \(2,\), \(3,\), \(2,\)"):
        Predicted.of(np.zeros(2), np.zeros(3))
    with pytest.raises(InputError, match="prediction of row 1 is nan"):
        Predicted.of(np.zeros(2), np.array([0.1, np.nan]))
    with pytest.raises(InputError, match="weight of row 0 is -1"):
        Predicted.of(np.zeros(1), np.zeros(1), np.array([-1.0]))
