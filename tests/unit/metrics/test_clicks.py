"""Metrics of clicks against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, roc_auc_score

from wareloom.core.family import METRICS
from wareloom.errors import InputError, SettingError
from wareloom.metrics import Predicted, metrics_of
from wareloom.metrics.clicks import confusion, reliability
from wareloom.metrics.clicks.curves import entropy

ROWS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20), st.integers(1, 3)), min_size=2, max_size=60
).filter(lambda rows: len({label for label, _, _ in rows}) == 2)


def arrays(rows: list[tuple[bool, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    label, value, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return label, value / 20, weight


@settings(deadline=None)
@given(ROWS)
def test_as_scikit_learn_with_ties_and_weights(rows: list[tuple[bool, int, int]]) -> None:
    label, value, weight = arrays(rows)
    both = Predicted.of(label, value, weight)
    inside = np.clip(value, 1e-15, 1 - 1e-15)
    ours = {
        name: METRICS.make(name).measure(both)
        for name in ("log_loss", "click_auc", "brier", "normalised_entropy")
    }
    assert ours["log_loss"] == pytest.approx(
        log_loss(label, inside, sample_weight=weight, labels=[0, 1]), rel=1e-6
    )
    assert ours["click_auc"] == pytest.approx(roc_auc_score(label, value, sample_weight=weight))
    assert ours["brier"] == pytest.approx(brier_score_loss(label, value, sample_weight=weight))
    share = weight @ label / weight.sum()
    constant = log_loss(label, np.full(len(label), share), sample_weight=weight)
    assert ours["normalised_entropy"] == pytest.approx(ours["log_loss"] / constant)


@settings(deadline=None)
@given(ROWS, st.floats(0, 1))
def test_confusion_as_scikit_learn(rows: list[tuple[bool, int, int]], threshold: float) -> None:
    label, value, weight = arrays(rows)
    theirs = confusion_matrix(label, value >= threshold, sample_weight=weight, labels=[False, True])
    np.testing.assert_allclose(confusion(Predicted.of(label, value, weight), threshold), theirs)


def test_normalised_entropy_of_the_share_of_clicks_is_one() -> None:
    label = np.array([1.0, 0, 0, 0, 1, 0])
    assert METRICS.make("normalised_entropy").measure(
        Predicted.of(label, np.full(6, 1 / 3))
    ) == pytest.approx(1.0)
    assert np.isnan(
        METRICS.make("normalised_entropy").measure(Predicted.of(np.zeros(3), np.full(3, 0.1)))
    )
    assert entropy(0.5) == pytest.approx(np.log(2))
    assert entropy(0.0) == 0.0


def test_rmse_by_hand() -> None:
    assert METRICS.make("rmse").measure(
        Predicted.of(np.array([4.0, 2.0]), np.array([3.0, 5.0]))
    ) == pytest.approx(5**0.5)


def test_calibration_by_hand() -> None:
    label, value = (
        np.array([0, 0, 1, 0, 1, 1, 1, 0.0]),
        np.array([0.1, 0.1, 0.1, 0.1, 0.8, 0.9, 0.7, 0.6]),
    )
    curve = reliability(Predicted.of(label, value), bins=2)
    assert curve["predicted"].to_list() == pytest.approx([0.1, 0.75])
    assert curve["observed"].to_list() == pytest.approx([0.25, 0.75])
    assert curve["weight"].to_list() == [4.0, 4.0]
    assert METRICS.make("calibration_error", bins=2).measure(
        Predicted.of(label, value)
    ) == pytest.approx(0.075)


@settings(deadline=None)
@given(ROWS, st.integers(1, 12))
def test_bins_keep_the_mass_and_equal_probabilities_together(
    rows: list[tuple[bool, int, int]], bins: int
) -> None:
    label, value, weight = arrays(rows)
    curve = reliability(Predicted.of(label, value, weight), bins)
    assert len(curve) <= bins
    assert curve["weight"].sum() == pytest.approx(weight.sum())
    assert curve["predicted"].is_sorted()
    assert len(curve) <= len(np.unique(value))
    assert (curve["predicted"] * curve["weight"]).sum() == pytest.approx(weight @ value)


def test_bad_input() -> None:
    with pytest.raises(SettingError, match="calibration_error: bins is 0; give 1 or more"):
        METRICS.make("calibration_error", bins=0)
    with pytest.raises(InputError, match="threshold is 2; give a probability"):
        confusion(Predicted.of(np.array([1.0]), np.array([0.5])), 2)


def test_there_are_metrics_of_clicks() -> None:
    known = {"log_loss", "normalised_entropy", "click_auc", "calibration_error", "brier", "rmse"}
    assert set(metrics_of("clicks")) >= known


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"one length; they are \(2,\), \(3,\), \(2,\)"):
        Predicted.of(np.zeros(2), np.zeros(3))
    with pytest.raises(InputError, match="prediction of row 1 is nan"):
        Predicted.of(np.zeros(2), np.array([0.1, np.nan]))
    with pytest.raises(InputError, match="weight of row 0 is -1"):
        Predicted.of(np.zeros(1), np.zeros(1), np.array([-1.0]))
