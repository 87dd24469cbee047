"""Mechanisms: clipped histograms, thresholded ones over unknown keys, the exponential mechanism, quantiles.

Each enforces the bound on what one user adds before anything is counted, so that its sensitivity is not the caller's
promise. All are pure functions; paying for them is `Private`'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal

import numpy as np
import polars as pl
from scipy.special import log_ndtr, ndtri

from wareloom.errors import require
from wareloom.privacy.integers import WIDEST, Kind, whole_numbers
from wareloom.privacy.noise import Noise

WHO = "Privacy"
DIGITS = 60
"""Decimal digits of the weights of a choice"""
KEYS = 16
"""Bits of a standard deviation that are kept; it is rounded up to them"""


def sensitivity_of(per_user: int, per_cell: int) -> float:
    """L2 norm of what one user adds, with `per_user` in all and `per_cell` to any one cell: √(per_user · per_cell)."""
    return math.sqrt(per_user * min(per_cell, per_user))


def sigma_of(mu: float, sensitivity: float) -> float:
    """Standard deviation of the noise for μ, rounded up to 16 bits.

    Raises `SettingError` where it is wider than any noise that is drawn: asked before it is paid.
    """
    require(WHO, "mu", mu, 0 < mu < math.inf, "a number above 0")
    _, exponent = math.frexp(sensitivity / mu)
    unit = math.ldexp(1.0, exponent - KEYS)
    sigma = math.ceil(sensitivity / mu / unit * (1 + 1e-12)) * unit
    wanted = f"a larger share, or count in larger units: {WIDEST:g} is the widest"
    require(WHO, "standard deviation", sigma, sigma <= WIDEST, wanted)
    return sigma


def clipped(
    user: np.ndarray, cell: np.ndarray, per_user: int, per_cell: int, noise: Noise
) -> np.ndarray:
    """Places of the rows that are kept, int64: at most `per_cell` of a user and cell and `per_user` of a user.

    Which of them chance says, for each user alone: whom else there is changes nothing for the others.
    """
    require(WHO, "per_user", per_user, per_user >= 1, "a whole number of at least 1")
    require(WHO, "per_cell", per_cell, per_cell >= 1, "a whole number of at least 1")
    frame = pl.DataFrame({"user": user, "cell": cell, "draw": noise.words(len(user))})
    frame = frame.with_row_index("row").sort("draw", "row")
    frame = frame.filter(pl.int_range(pl.len()).over("user", "cell") < per_cell)
    frame = frame.filter(pl.int_range(pl.len()).over("user") < per_user)
    return frame["row"].sort().to_numpy().astype(np.int64)


def histogram(
    user: np.ndarray,
    cell: np.ndarray,
    size: int,
    *,
    sigma: float,
    bounds: tuple[int, int],
    noise: Noise,
    kind: Kind = "rounded",
) -> np.ndarray:
    """Noisy counts of `cell` (0 … `size` − 1), int64 [size]; every cell gets noise, empty ones, too.

    `bounds`: (per_user, per_cell), see `clipped`. Cells outside are left out.
    """
    cell, user = np.asarray(cell), np.asarray(user)
    within = (cell >= 0) & (cell < size)
    user, cell = user[within], cell[within]
    kept = clipped(user, cell, *bounds, noise)
    counts = np.bincount(cell[kept].astype(np.int64), minlength=size)
    return np.asarray(counts + whole_numbers(size, sigma, noise, kind))


def threshold_of(sigma: float, delta: float, per_user: int, kind: Kind = "rounded") -> int:
    """The smallest noisy count at which a key that one user alone has appears with a chance of at most `delta`.

    Such a user has up to `per_user` keys of which no one else knows, each counted once.
    """
    each = -math.expm1(math.log1p(-delta) / per_user)
    # A rounded normal number is at least t − 1 where the normal is at least t − 1.5; a discrete Gaussian's tail is no
    # more than a normal's one step below (Canonne, Kamath & Steinke, proposition 25).
    past = 1.5 if kind == "rounded" else 2.0
    threshold = math.ceil(past - sigma * float(ndtri(each)))
    while chance_of(threshold, sigma, per_user, kind) > delta:
        threshold += 1
    return threshold


def chance_of(threshold: int, sigma: float, per_user: int, kind: Kind = "rounded") -> float:
    """Chance that any of the `per_user` keys that one user alone has passes `threshold`."""
    past = 1.5 if kind == "rounded" else 2.0
    return -math.expm1(
        per_user * math.log1p(-math.exp(float(log_ndtr((past - threshold) / sigma))))
    )


def sparse_histogram(
    user: np.ndarray,
    key: pl.Series,
    *,
    sigma: float,
    threshold: int,
    per_user: int,
    noise: Noise,
    kind: Kind = "rounded",
) -> pl.DataFrame:
    """Noisy numbers of users for keys that nobody knew before: a frame (key, count), those of `threshold` and more.

    Noise first, threshold then. Each user counts once for a key, and for `per_user` keys at most. The frame is in the
    order of its keys: the order of rows would tell who came first.
    """
    codes, names = _coded(key)
    kept = clipped(np.asarray(user), codes, per_user, 1, noise)
    counts = np.bincount(codes[kept], minlength=len(names))
    # A key that was clipped away from everybody is not there: whoever has it may come and go.
    there = np.flatnonzero(counts)
    noisy = counts[there] + whole_numbers(len(there), sigma, noise, kind)
    passed = noisy >= threshold
    frame = pl.DataFrame({"key": names.gather(there[passed]), "count": noisy[passed]})
    return frame.sort("key")


def _coded(key: pl.Series) -> tuple[np.ndarray, pl.Series]:
    names = key.unique().sort()
    frame = pl.DataFrame({"key": key}).join(
        pl.DataFrame({"key": names}).with_row_index("code"),
        on="key",
        how="left",
        maintain_order="left",
    )
    return frame["code"].to_numpy().astype(np.int64), names


def choose(scores: Sequence[int], epsilon: float, sensitivity: int, noise: Noise) -> int:
    """The place of a score, drawn by the exponential mechanism: chances go by exp(ε · score / (2 · sensitivity)).

    Scores are whole numbers, weights are 60 digits long, and the draw is one of whole numbers (McSherry & Talwar 2007).
    """
    require(WHO, "scores", len(scores), len(scores) > 0, "at least one score")
    best = max(scores)
    context = Context(prec=DIGITS)
    factor = context.divide(Decimal(epsilon), Decimal(2 * sensitivity))
    scale = Decimal(10) ** DIGITS
    weights: dict[int, int] = {}
    for score in set(scores):
        power = context.multiply(factor, Decimal(int(score) - int(best)))
        weights[score] = int(context.multiply(context.exp(power), scale)) + 1
    drawn = noise.below(sum(weights[score] for score in scores))
    for place, score in enumerate(scores):
        drawn -= weights[score]
        if drawn < 0:
            return place
    raise AssertionError("weights do not add up")


def quantile(
    user: np.ndarray,
    value: np.ndarray,
    grid: Sequence[float],
    at: float,
    *,
    epsilon: float,
    noise: Noise,
) -> float:
    """One of the public `grid`, ascending, near the quantile `at` of the users' values (Smith 2011), one of each user.

    A grid point stands for the values from the point before it, left out, up to it. Its score is minus the number of
    users by which the quantile misses them, in hundredths; one user changes it by at most max(at, 1 − at).
    """
    require(WHO, "at", at, 0 < at < 1, "a share above 0 and below 1")
    kept = clipped(np.asarray(user), np.zeros(len(user), dtype=np.int64), 1, 1, noise)
    values = np.sort(np.asarray(value, dtype=np.float64)[kept])
    to = np.searchsorted(values, np.asarray(grid, dtype=np.float64), side="right").tolist()
    hundredths = round(100 * at)
    wanted = hundredths * len(values)
    # Of many points above all values the first alone is right.
    scores = [
        -max(0, wanted - 100 * n, 100 * before - wanted)
        for before, n in zip([0, *to[:-1]], to, strict=True)
    ]
    return float(grid[choose(scores, epsilon, max(hundredths, 100 - hundredths), noise)])


def poisson_sample(users: int, rate: float, noise: Noise) -> np.ndarray:
    """Codes of the users in one step's sample, each by a coin of its own with chance `rate`: int64, ascending.

    What is summed over them is divided by the public `rate` · users, never by how many there happen to be: that number
    is behaviour, and dividing by it makes the others' share hang on one user (Opacus, issue 571).
    """
    require(WHO, "rate", rate, 0 < rate <= 1, "a chance above 0, at most 1")
    # The coin's chance is rounded down to 64 bits.
    limit = min(int(math.ldexp(rate, 64)), 2**64 - 1)
    return np.flatnonzero(noise.words(users) < np.uint64(limit)).astype(np.int64)
