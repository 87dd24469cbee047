"""Pieces of what advice tells, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.advising._data import Worked
from wareloom.experiment.plan import MIXED
from wareloom.experiment.result import Proof
from wareloom.proof.decide import signed


def worked(worked: Worked) -> dict[str, Any]:
    """What was worked on: split, ties, events, share of the users."""
    return {
        "split": worked.split.by,
        "ties": worked.ties,
        "events": worked.events,
        "share": worked.share,
    }


def tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they were before they were kept as JSON."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


def seconds_of(found: Mapping[str, Any]) -> float:
    """What the system took on all users."""
    mine = [t for t in found["trials"] if t["label"] == found["label"]]
    return float(mine[-1]["fit"] + mine[-1]["rank"]) if mine else 1.0


def of_proof(proof: Proof) -> dict[str, Any]:
    """What the page says of the proof."""
    data = proof.data
    told = data["decisive"]
    at = (told["ties"], told["metric"], "all")
    rows = [r for r in data["comparisons"] if (r["ties"], r["metric"], r["slice"]) == at]
    mine = {r["against"]: r for r in rows if r["arm"] == MIXED}
    means = {
        r["arm"]: r["mean"] for r in data["arms"] if (r["ties"], r["metric"], r["slice"]) == at
    }
    power = next(row for row in data["power"] if row["against"] == told["against"])
    return {
        "verdict": proof.verdict,
        "sentence": data["sentence"],
        "metric": told["metric"],
        "decisive": dict(mine[told["against"]]),
        "real": dict(mine["real"]),
        "against": {name: dict(row) for name, row in mine.items()},
        "means": means,
        "rows": dict(data["rows"]) if "rows" in data else None,
        "guard": dict(data["guard"]),
        "power": dict(power),
        "next": data["story"]["next"],
        "seeds": data["settings"]["seeds"],
    }


def full(data: Mapping[str, Any]) -> float | None:
    """Minutes that the recipe is reckoned to take: three seeds on all users, by what the cells took."""
    told, way = data.get("generators"), data.get("way")
    if not told or not way:
        return None
    share = way["share"] * data["worked"]["share"]
    seeds = 3 / way["seeds"] * (1.0 if way["references"] else 1.3)
    heavier = 1.0
    if (of := data.get("proves")) and of.get("seconds"):
        heavier = max(1.0, seconds_of(data["rankers"]) / of["seconds"])
    return float(heavier * way["seconds"] * seeds / max(share, 1e-6) ** 1.1 / 60)


def way(data: Mapping[str, Any]) -> str:
    """How strongly it was proved."""
    way = data.get("way")
    if not way:
        return ""
    users = "all users" if way["share"] == 1 else f"{way['share']:.0%} of the users"
    return f"The proof took {way['seeds']} seeds and {users}."


def proved(data: Mapping[str, Any]) -> str:
    """The system that the proof is of: the best, or a lighter one where no proof of that fitted."""
    return str((data.get("proves") or {}).get("label") or data["rankers"].get("label", ""))


def value_of(data: Mapping[str, Any], label: str) -> float | None:
    """What a ranker reached before the test part, on the most users that any was tried on."""
    share = data["rankers"].get("share")
    mine = [t for t in data["rankers"]["trials"] if t["label"] == label and t["share"] == share]
    return float(mine[-1]["value"]) if mine else None


def lift(row: Mapping[str, Any]) -> str:
    """A lift with its interval, or the difference where there is no lift."""
    if row["lift"] is None:
        return f"{row['difference']:+.2g}".replace("-", "−")
    ends = f"{signed(row['lift_low'])} to {signed(row['lift_high'])}"
    return f"{signed(row['lift'])} ({ends})"
