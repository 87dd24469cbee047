"""Split a shop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Set,
    To,
    free,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.shop import Shop


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder.")],
    to: To,
    by: Annotated[
        str,
        typer.Option(
            help="time, leave-last-out, user, query, or class (photos). Where not given: class for photos alone, "
            "query for judgments or searches without events, else time.",
            show_default=False,
        ),
    ] = "",
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Split a shop into TO/train, TO/validation and TO/test, each a shop."""
    from wareloom.core.settings import configure
    from wareloom.preparing.splits import SplitSettings, split
    from wareloom.preparing.splits_pictures import BY_CLASS, split_pictures
    from wareloom.shop import Shop

    free(to, force, "split.json")
    opened, given = Shop.open(shop), settings(set)
    by = by or _usual(opened)
    if by == BY_CLASS:
        parts = split_pictures(opened, configure(SplitSettings, given), to)
    else:
        how: Any = configure(SplitSettings, {"by": by, **given})
        parts = split(opened, how, to, run_of(seed, quiet))
    show(parts.how | {"parts": str(to)}, as_json, _summary(parts.how, shop, to))


def _usual(shop: Shop) -> str:
    """How a shop is split where nobody says it: by what it has."""
    from wareloom.preparing.splits_pictures import BY_CLASS

    if shop.rows("events") or shop.rows("dialogues"):
        return "time"
    if shop.rows("judgments") or shop.rows("searches"):
        return "query"
    return BY_CLASS if shop.rows("images") else "time"


def _summary(how: dict[str, Any], shop: Path, to: Path) -> Summary:
    """Rows of each table in each part, and where the cuts are."""
    rows: dict[str, Any] = how["rows"]
    names = ("train", "validation", "test")
    found = Summary(f"Split {shop} by {how['settings']['by']}.", "good")
    found.table(
        ("table", *names), [(name, *(of[part] for part in names)) for name, of in rows.items()]
    )
    for name, value in how["cuts"].items():
        found.fact(f"cut {name}", value)
    if list(rows) == ["images"]:
        made = f"wareloom synth image_augment {to / 'train'} --to SYNTH"
        return found.place(to).next(
            made, f"wareloom compare {to / 'train'} SYNTH --holdout {to / 'validation'} --to PAGE"
        )
    if "events" not in rows:
        return found.place(to).next(
            f"wareloom synth attributes {to / 'train'} --to SYNTH",
            f"wareloom train bm25 {to / 'train'} --to MODEL",
        )
    return found.place(to).next(
        f"wareloom synth markov {to / 'train'} --to SYNTH",
        f"wareloom train ease {to / 'train'} --to MODEL",
    )
