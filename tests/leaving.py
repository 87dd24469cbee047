"""A shop with a holdout, and samples of it: an honest one, one that copies users, one that says that it is private."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from wareloom.core.run import Run
from wareloom.privacy import STAMP
from wareloom.privacy.accounting import Gaussian
from wareloom.privacy.ledger import Ledger
from wareloom.release.evidence import Evidence
from wareloom.release.policy import Policy
from wareloom.shop import Shop
from wareloom.testing.shops import small_shop

USERS = 120


class Leaving(NamedTuple):
    """Folders of a real shop, of other users of the same draw, and of samples."""

    place: Path
    real: Shop
    holdout: Shop
    honest: Shop
    copied: Shop
    private: Shop


def built(place: Path, ledgers: Path) -> Leaving:
    """Write all of them below `place`; the ledger has a budget, and one mechanism was paid for."""
    whole = small_shop(2 * USERS)
    events = whole.table("events")
    users = events["user_id"].unique(maintain_order=True)
    inside = pl.col("user_id").is_in(users[:USERS].implode())
    asked = searches([f"u{i}" for i in range(USERS)], "lamp", "rug")
    real = whole.with_tables(events=events.filter(inside), searches=asked).save(place / "real")
    holdout = whole.with_tables(events=events.filter(~inside)).save(place / "holdout")
    ledger = Ledger.open(ledgers, real.fingerprint)
    ledger.allow(3.0, 1e-5)
    ledger.spend("histogram", Gaussian(0.5))
    drawn = small_shop(USERS, seed=5).table("events")
    return Leaving(
        place,
        real,
        holdout,
        sample(whole, drawn, "counts").save(place / "honest"),
        sample(whole, real.table("events"), "counts").save(place / "copied"),
        sample(whole, drawn, "private", stamp(ledger)).save(place / "private"),
    )


def sample(
    whole: Shop, events: pl.DataFrame, keeps: Any, privacy: dict[str, Any] | None = None
) -> Shop:
    """A sample with such events, under ids as synthesizers give them, and the words that generators leave in `meta`."""
    made = events.with_columns(
        origin=pl.lit("markov@1/abc"),
        user_id=pl.format("markov@1/{}-beef", pl.col("user_id").rank("dense")),
        propensity=pl.lit(0.5),
        weight=pl.lit(2.0, dtype=pl.Float32),
    )
    drawn = searches(made["user_id"].unique(maintain_order=True).to_list(), "lamp", "rug")
    shop = whole.with_tables(events=made, searches=drawn.with_columns(origin=pl.lit("edits@1")))
    shop = shop.keeping(keeps)
    shop.meta |= {"seed": 7, "source": "/secret/place"} | ({STAMP: privacy} if privacy else {})
    return shop


def searches(users: Sequence[str], *queries: str) -> pl.DataFrame:
    """One search a user, the queries in turn."""
    rows = [(f"q{i}", user, queries[i % len(queries)]) for i, user in enumerate(users)]
    return pl.DataFrame(rows, schema=["search_id", "user_id", "query"], orient="row")


def stamp(ledger: Ledger) -> dict[str, Any]:
    """What a private generator says of itself."""
    return {
        "private": True,
        "noise": "entropy of the operating system",
        "epsilon": 2.0,
        "delta": 1e-5,
        "users": {"number": USERS, "is": "public"},
        "public": ["items.title"],
        "ledger": ledger.id,
        "mechanisms": [{"purpose": "histogram", "kind": "gaussian", "each": 0.5, "times": 1}],
    }


def evidence(
    of: Leaving, synth: Shop, ledgers: Path, holdout: bool = True, **policy: Any
) -> Evidence:
    """The evidence for a sample under a preset, other gates by name; attacks are off unless asked for."""
    from wareloom.core.settings import configure
    from wareloom.release.policy import PRESETS

    preset = policy.pop("preset", "partner")
    leave_out, proof = policy.pop("leave_out", False), policy.pop("proof", None)
    earlier = policy.pop("shown", {})
    off = {"attack_area": "off", "attack_tpr": "off"}
    chosen = configure(Policy, {"preset": preset, **PRESETS[preset], **off, **policy})
    return Evidence(
        shop=of.real,
        synth=synth,
        policy=chosen,
        ledger=Ledger.open(ledgers, of.real.fingerprint),
        run=Run(threads=1),
        holdout=of.holdout if holdout else None,
        proof=proof,
        earlier=earlier,
        leave_out=leave_out,
    )
