"""What a proof of clicks says, in the form of every proof: gains are above 0 whichever way a metric runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.proof.arms import MIXED, Plan
from wareloom.proof.decide import SAID, decide
from wareloom.proof.families import correct
from wareloom.proof.result import Proof, _rounded
from wareloom.proof.story import story
from wareloom.proof.table import Table
from wareloom.shop import Shop

if TYPE_CHECKING:
    from wareloom.proof.clicks import ClickProofSettings

Rows = list[dict[str, Any]]


def summarise_clicks(
    shop: Shop, settings: ClickProofSettings, seed: int, plan: Plan, mode: dict[str, Any]
) -> Proof:
    """Turn the cells into arms, comparisons, power and one verdict.

    The cells hold every metric with its sign turned, so that more is better; here means get their own sign back, and
    differences and lifts stay gains: "log_loss +2 %" against real means 2 % less log loss.
    """
    headline = settings.metrics[0]
    table = Table(mode, settings.seeds, plan, Run(seed=seed).rng("bootstrap", "clicks"))
    comparisons = [_gain(row) for row in table.comparisons()]
    correct(comparisons, headline, plan.controls)
    power = [
        _needed(row, mode["task"])
        for row in table.power(headline, MIXED, _negative(settings.effect))
    ]
    decided = decide(comparisons, mode["ties"], headline, plan.controls, settings.guard)
    decided["sentence"] = _sentence(decided, comparisons)
    data: dict[str, Any] = {
        "version": 2,
        "kind": "clicks",
        "better": {
            name: "higher" if METRICS.load(name).higher_is_better else "lower"
            for name in settings.metrics
        },
        "shop": {
            "meta": shop.meta,
            "fingerprint": shop.fingerprint,
            **{t: shop.rows(t) for t in shop.names},
        },
        "settings": asdict(settings),
        "seed": seed,
        "modes": [{k: v for k, v in mode.items() if k not in ("cells", "baselines")}],
        "arms": [_upright(row) for row in table.arms()],
        "arms_left_out": plan.left_out,
        "training": table.training(),
        "comparisons": comparisons,
        "baselines": [*map(_upright, table.baselines()), *_whole(mode)],
        "power": power,
        "explored": {},
        **decided,
    }
    data["story"] = story(data)
    return Proof(_rounded(data))


def _negative(effect: float | None) -> float | None:
    """A gain as a share of a turned, negative mean."""
    return None if effect is None else -effect


def _upright(row: dict[str, Any]) -> dict[str, Any]:
    """Give a mean and its interval their own sign; what was measured over all rows at once has it already."""
    if row.get("low") is None:
        return row
    return {**row, "mean": -row["mean"], "low": -row["high"], "high": -row["low"]}


def _gain(row: dict[str, Any]) -> dict[str, Any]:
    """Turn the lift, whose base was negative, into a share of what there was."""
    return {
        **row,
        **{
            key: None if row[key] is None else -row[key]
            for key in ("lift", "lift_low", "lift_high")
        },
    }


def _needed(row: dict[str, Any], task: dict[str, int]) -> dict[str, Any]:
    """Add how many impressions and clicks it takes to the number of owners."""
    lifts = {
        key: None if row[key] is None else -row[key] for key in ("detectable_lift", "effect_lift")
    }
    share = None if row["requests_needed"] is None else row["requests_needed"] / row["requests"]
    counts = {
        f"{k}_needed": None if share is None else round(share * task[k])
        for k in ("impressions", "clicks")
    }
    return {**row, **lifts, **counts}


def _whole(mode: dict[str, Any]) -> Rows:
    """Metrics of all rows at once, such as AUC, of the baselines: they have no interval."""
    rows = []
    for name, cell in mode["baselines"].items():
        told = {measure.partition("/")[0] for measure in cell.per_request}
        for metric in sorted(cell.overall.keys() - told):
            blank = {"slice": "all", "low": None, "high": None, "requests": None}
            rows.append(
                {
                    "ties": mode["ties"],
                    "ranker": name,
                    "metric": metric,
                    "mean": cell.overall[metric],
                    **blank,
                }
            )
    return rows


def _sentence(decided: dict[str, Any], comparisons: Rows) -> str:
    """Say the verdict with its direction: a gain of a loss is a fall."""
    decisive = decided["decisive"]
    wanted = (decisive["metric"], "all", MIXED, decisive["against"])
    row = next(
        r for r in comparisons if (r["metric"], r["slice"], r["arm"], r["against"]) == wanted
    )
    said = SAID["helps" if decided["verdict"].startswith("helps") else decided["verdict"]]
    gain, low, high = (100 * row[key] for key in ("lift", "lift_low", "lift_high"))
    way = "better" if gain >= 0 else "worse"
    falls = "".join(f" It is worse in {fall['slice']}." for fall in decided["guard"]["falls"])
    return (
        f"{said} to predict clicks: {decisive['metric']} {abs(gain):.2f} % {way} than with "
        f"{decisive['against']} (95 % interval of the gain {low:+.2f} to {high:+.2f} %, p = {row['p']:.2g}).{falls}"
    )
