"""Pictures drawn and screened until as many pass as were asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from wareloom.core.run import Run
from wareloom.errors import RefusedError
from wareloom.screening import Screen, Screened, screen_all
from wareloom.shop import Shop
from wareloom.synthesis import Condition, GivenPictures, Synthesizer
from wareloom.synthesis.images import PictureSynthesizer

ROUNDS = 6
"""Draws at most"""
MOST_DRAWN = 5
"""Pictures drawn in all, at most, in multiples of those asked for"""
SPARE = 1.5
"""Pictures drawn at once where there is an end to them and screens may take some, in multiples of those asked for"""
TINY = 0.1
"""Share of the pictures kept below which a warning is given"""


def fill_pictures(
    fitted: Synthesizer,
    n: int,
    screens: Mapping[str, Screen],
    parts: tuple[Shop, Shop | None],
    run: Run,
    given: Condition | None = None,
) -> Screened:
    """Draw and screen until `n` pictures are kept, or too many were drawn; later draws have seeds of their own.

    What can make so many different ones alone is drawn from once: another draw would repeat them. The report of each
    screen counts all draws. Raises `RefusedError` where no picture passes.
    """
    kept, rejected = list[Shop](), list[pl.DataFrame]()
    reports = list[dict[str, Any]]()
    drawn, number, most = 0, 0, _different(fitted, given)
    while number < n and len(reports) < ROUNDS and drawn < MOST_DRAWN * n:
        share = number / drawn if drawn else 1.0
        size = math.ceil(1.1 * (n - number) / max(share, 1 / MOST_DRAWN)) if drawn else n
        if most is not None:
            size = min(most, math.ceil(SPARE * n) if screens else n)
        turn = run.with_(seed=run.seed_for("rejection", len(reports))) if reports else run
        made = fitted.sample(min(size, MOST_DRAWN * n - drawn), turn, given)
        screened = screen_all(screens, made, *parts, turn)
        reports.append(screened.report)
        kept.append(screened.kept)
        rejected += [rows for table, rows in screened.rejected.items() if table == "images"]
        drawn, number = drawn + made.rows("images"), number + screened.kept.rows("images")
        if most is not None:
            break
    report = {name: _summed([one[name] for one in reports]) for name in screens}
    if not number:
        taken = "; ".join(
            f"{name}, {reason}: {count:,}"
            for name, one in report.items()
            for reason, count in one.get("reasons", {}).items()
        )
        raise RefusedError(
            f"Not one of {drawn:,} pictures passed the screens. Taken: {taken}. Loosen the screen that takes most, "
            "let it learn for longer, or take image_augment."
        )
    told: dict[str, Any] = {"asked": n, "drawn": drawn, "kept": min(n, number)}
    told |= {"rounds": len(reports), "acceptance": number / drawn}
    if number < n or number < TINY * drawn:
        told["warning"] = (
            f"Of {drawn:,} pictures drawn {number:,} passed the screens; {n:,} were asked for."
            + ("" if most is None or most >= n else f" There are {most:,} different ones.")
        )
    return Screened(
        _together(kept, n),
        {"images": pl.concat(rejected, how="diagonal_relaxed")} if rejected else {},
        report,
        told,
    )


def _different(fitted: Synthesizer, given: Condition | None) -> int | None:
    """How many different pictures there are; None without an end."""
    if not isinstance(fitted, PictureSynthesizer):
        return None
    return fitted.different(given.classes if isinstance(given, GivenPictures) else ())


def _together(shops: list[Shop], n: int) -> Shop:
    """The first `n` pictures of some draws, and the items that they are of."""
    images = (
        pl.concat([one.scan("images") for one in shops], how="diagonal_relaxed").head(n).collect()
    )
    items = pl.concat([one.scan("items") for one in shops], how="diagonal_relaxed").collect()
    used = [images[c] for c in ("item_id", "mixed_item_id") if c in images.columns]
    wanted = pl.concat(used).drop_nulls().unique()
    items = items.filter(
        pl.col("item_id").is_first_distinct() & pl.col("item_id").is_in(wanted.implode())
    )
    return shops[0].with_tables(items=items, images=images)


def _summed(reports: list[dict[str, Any]]) -> dict[str, Any]:
    told = dict(reports[0])
    for name in ("seen", "rejected"):
        told[name] = sum(one.get(name, 0) for one in reports)
    reasons: dict[str, int] = {}
    for one in reports:
        for reason, count in one.get("reasons", {}).items():
            reasons[reason] = reasons.get(reason, 0) + count
    told["reasons"] = dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0])))
    return told
