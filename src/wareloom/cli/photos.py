"""Say what photos show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Threads,
    free,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary, counted

if TYPE_CHECKING:
    from wareloom.core.run import Run
    from wareloom.shop import Shop

SHOWN = 4
"""Items whose photo contradicts what is said of them that are named"""

Filled = Annotated[
    Path | None,
    typer.Option(
        "--to",
        help="Write the shop here, categories and colours filled where items lack them, and photos.csv.",
    ),
]
Lift = Annotated[
    bool,
    typer.Option(
        "--lift",
        help="Find out whether pictures lift new items: image_knn beside itself with pictures dealt to others.",
    ),
]
Seen = Annotated[
    str,
    typer.Option(help="What sees the pictures for --lift: lite0, colours, or a model's folder."),
]
How = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of how photos are read: classifier, folds, odds, least; may be given again.",
    ),
]


def main(
    shop: Annotated[Path, typer.Argument(help="The folder of a shop with pictures.")],
    to: Filled = None,
    lift: Lift = False,
    model: Seen = "lite0",
    set: How = None,
    threads: Threads = 0,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say whose photo contradicts its category or title, and what photos fill; exit code 1 where one contradicts."""
    from wareloom.classifiers.reading import ReadingSettings, filled, read_photos
    from wareloom.core.settings import configure
    from wareloom.shop import Shop

    if to is not None:
        free(to, force)
    how: Any = configure(ReadingSettings, settings(set))
    opened, run = Shop.open(shop), run_of(seed, quiet, threads=threads)
    read = read_photos(opened, how, run)
    flagged = read.filter("flagged")
    found: dict[str, Any] = {
        "items": len(read),
        "flagged": flagged.drop("flagged").to_dicts(),
        "without_category": int(read["by"].is_null().sum()),
    }
    named = [
        (r["item_id"], r["said"], r["shown"], r["odds"]) for r in flagged.head(SHOWN).to_dicts()
    ]
    head = f"{counted(len(flagged), 'item')} of {len(read):,} with a photo show something else than is said of them."
    told = Summary(head, "warn" if len(flagged) else "good")
    told.table(("item", "said", "photo shows", "odds"), named, "item")
    if to is not None:
        made = filled(opened, read, how)
        before, after = (_categorised(one) for one in (opened, made))
        made.save(to)
        read.write_csv(to / "photos.csv")
        found["filled"] = after - before
        told.fact("categories filled", f"{after - before:,}").place(to)
    if lift:
        found["lift"] = _lifted(opened, "" if model == "colours" else model, run)
        told.note(found["lift"]["sentence"])
    show(found, as_json, told)
    raise typer.Exit(1 if len(flagged) else 0)


def _categorised(shop: Shop) -> int:
    """Items that have a category."""
    table = shop.table("items")
    return int((table["category"].list.len() > 0).sum()) if "category" in table.columns else 0


def _lifted(shop: Shop, model: str, run: Run) -> dict[str, Any]:
    """Whether pictures lift new items, split by time."""
    from wareloom.evaluation.tasks import build_task
    from wareloom.preparing.splits import SplitSettings, split
    from wareloom.proof.cold_pictures import lift_of_neighbours
    from wareloom.rankers.content.image_knn import ImageKNN

    parts = split(shop, SplitSettings(by="time"), None, run)
    ranker = ImageKNN(model=model).fit(parts.train, run)
    lift = lift_of_neighbours(ranker, build_task(parts), run)
    return {**lift.data, "sentence": str(lift)}
