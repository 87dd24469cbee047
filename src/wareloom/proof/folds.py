"""Cross-validation of a click model: whole users or sessions in each fold, figures a fold, one confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from wareloom.errors import InputError
from wareloom.family import configure
from wareloom.metrics import Predicted
from wareloom.metrics.clicks import confusion
from wareloom.proof.bootstrap import Interval
from wareloom.proof.clicks import DEFAULT_METRICS, click_metric
from wareloom.rankers.ctr._base import ClickRanker
from wareloom.run import Run
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.impressions import impressions


@dataclass(frozen=True)
class Folds:
    """What a model reached on each fold, trained on the others."""

    table: pl.DataFrame
    """Columns fold, impressions, clicks, and one a metric"""
    intervals: dict[str, Interval]
    """Mean over folds of each metric and its interval; p is that of a mean of 0, and of no use here"""
    confusion: np.ndarray
    """float64 [[true no, false yes], [false no, true yes]], over all folds"""
    threshold: float
    """The probability from which a click was said"""
    chance: np.ndarray
    """float64 [impressions], each predicted by the model that did not see its fold"""


def cross_validate(
    model: ClickRanker,
    shop: Shop,
    folds: int = 5,
    run: Run | None = None,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    threshold: float | None = None,
) -> Folds:
    """Fit `model`'s settings anew for every fold on all others, and judge it on that fold's impressions.

    All events of a user, or of a session without a user, are in one fold. `threshold`: the probability from which a
    click is said; None takes the share of clicks, as clicks are rare. Training parts overlap, so the figures of folds
    are not independent: the variance is that of Nadeau and Bengio (2003), s² (1 / k + 1 / (k − 1)), and no interval of
    this kind is exact (Bengio and Grandvalet 2004). Time is not respected: to foretell the future, split by time.
    Raises `InputError` where there are fewer owners than folds, or a fold without clicks.
    """
    run = run or Run()
    shown = impressions(shop)
    label = shown["clicked"].cast(pl.Float64).to_numpy()
    owners = shown["owner"].unique().sort()
    if not 2 <= folds <= len(owners):
        raise InputError(f"Asked for {folds} folds of {len(owners)} users or sessions: give 2 to {len(owners)}.")
    dealt = run.rng("folds").permutation(len(owners)) % folds
    by_owner = pl.DataFrame({"owner": owners, "fold": dealt})
    fold = shown.select("owner").join(by_owner, on="owner", how="left", maintain_order="left")["fold"].to_numpy()
    _check(label, fold, folds)
    chance, rows = np.empty(len(label)), []
    for part in range(folds):
        here = fold == part
        chance[here] = _fitted(model, shop, by_owner, part, run).predict(_of(shop, by_owner, pl.col("fold") == part))
        predicted = Predicted.of(label[here], chance[here])
        figures = {name: click_metric(name).measure(predicted) for name in metrics}
        rows.append({"fold": part, "impressions": int(here.sum()), "clicks": int(label[here].sum()), **figures})
    cut = float(label.mean()) if threshold is None else threshold
    table = pl.DataFrame(rows)
    intervals = {name: interval(table[name].to_numpy()) for name in metrics}
    return Folds(table, intervals, confusion(Predicted.of(label, chance), cut), cut, chance)


def interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """Mean of the figures of k folds and its interval by Nadeau and Bengio's variance and Student's t."""
    k, mean = len(values), float(values.mean())
    error = float(values.std(ddof=1)) * (1 / k + 1 / (k - 1)) ** 0.5
    half = float(stats.t.ppf(0.5 + level / 2, k - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, k - 1)) if error > 0 else float(mean == 0)
    return Interval(mean, mean - half, mean + half, p)


def _check(label: np.ndarray, fold: np.ndarray, folds: int) -> None:
    clicks = np.bincount(fold, weights=label, minlength=folds)
    others = np.bincount(fold, weights=1 - label, minlength=folds)
    if min(clicks.min(), others.min()) == 0:
        raise InputError(
            f"{int(label.sum())} clicks in {folds} folds leave a fold with none, or with nothing else: take fewer."
        )


def _of(shop: Shop, by_owner: pl.DataFrame, which: pl.Expr) -> Shop:
    """The events of the owners of some folds, and of those that were shown nothing where these are asked for."""
    scan = shop.scan("events").with_columns(owner=user_key(shop.scan("events")))
    joined = scan.join(by_owner.lazy(), on="owner", how="left", maintain_order="left").filter(which)
    return shop.with_tables(events=joined.drop("owner", "fold"))


def _fitted(model: ClickRanker, shop: Shop, by_owner: pl.DataFrame, part: int, run: Run) -> ClickRanker:
    """A model of the same settings, fitted on all folds but one; owners who were shown nothing teach, too."""
    fresh: ClickRanker = configure(type(model), model.settings())
    others = (pl.col("fold") != part) | pl.col("fold").is_null()
    return fresh.fit(_of(shop, by_owner, others), run.with_(seed=run.seed_for("fold", part)))
