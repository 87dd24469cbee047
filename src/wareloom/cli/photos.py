"""Say what photos show."""

from __future__ import annotations

import json
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
    import polars as pl

    from wareloom.core.run import Run
    from wareloom.evaluation.tasks import Task
    from wareloom.preparing.splits import Split
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
Find = Annotated[
    list[Path] | None,
    typer.Option(
        "--find",
        help="Find the items that this photo shows, the same photo first; may be given again.",
        show_default=False,
    ),
]
Safe = Annotated[
    Path | None,
    typer.Option(
        help="Find out, on these held-out photos, which alterations leave each class as it is.",
        show_default=False,
    ),
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
    find: Find = None,
    safe: Safe = None,
    model: Seen = "lite0",
    set: How = None,
    threads: Threads = 0,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say whose photo contradicts its category or title, and what photos fill; exit code 1 where one contradicts.

    With --find it looks for a photo instead, with --safe it alters held-out ones.
    """
    from wareloom.classifiers.reading import ReadingSettings, filled, read_photos
    from wareloom.core.settings import configure
    from wareloom.proof.cold_pictures import ready_for_lift
    from wareloom.shop import Shop

    if to is not None:
        free(to, force)
    how: Any = configure(ReadingSettings, settings(set))
    opened, run = Shop.open(shop), run_of(seed, quiet, threads=threads)
    if find:
        rows = _found(opened, find, run)
        head = f"{counted(len(find), 'photo')} looked for among {opened.rows('images'):,}."
        cells = [tuple(row.values()) for row in rows if row["rank"] <= SHOWN]
        told = Summary(head).table(("photo", "rank", "item", "likeness"), cells, "item")
        show({"found": rows}, as_json, told)
        return
    if safe is not None:
        _safety(opened, safe, str(how.classifier), run, (shop, as_json))
        return
    # What --lift lacks is said before photos are read, which takes a while.
    asked = ready_for_lift(opened, run) if lift else None
    read = read_photos(opened, how, run)
    found, told = _told(read)
    if to is not None:
        made = filled(opened, read, how)
        before, after = (_categorised(one) for one in (opened, made))
        made.save(to)
        read.write_csv(to / "photos.csv")
        found["filled"] = after - before
        told.fact("categories filled", found["filled"]).place(to)
    if asked:
        found["lift"] = _lifted(asked, "" if model == "colours" else model, run)
        told.note(found["lift"]["sentence"])
    show(found, as_json, told)
    raise typer.Exit(1 if found["flagged"] else 0)


def _found(shop: Shop, photos: list[Path], run: Run) -> list[dict[str, Any]]:
    """The items that photos show, the likest first: photo, rank, item_id, likeness."""
    from wareloom.errors import SourceError
    from wareloom.rankers.content.picture_search import PictureSearch
    from wareloom.shop.pictures import opened

    for path in photos:
        if not path.is_file():
            raise SourceError(f"--find {path}: there is no such file; give a JPEG, PNG or WebP.")
        # What is no picture is said before the shop's own are looked at, which takes a while.
        opened(path, f"--find {path}")
    found = PictureSearch.of(shop, run).find([path.read_bytes() for path in photos], run=run)
    names = [str(path) for path in photos]
    return [{**row, "photo": names[row["photo"]]} for row in found.to_dicts()]


def _safety(shop: Shop, safe: Path, classifier: str, run: Run, shown: tuple[Path, bool]) -> None:
    """Say which alterations are no good for which class, and how `image_augment` is told so."""
    from wareloom.shop import Shop
    from wareloom.synthesis.images.label_safety import KEPT, label_safety

    place, as_json = shown
    found = label_safety(shop, Shop.open(safe), run, classifier=classifier)
    classes = {row["class"]: row["photos"] for row in found.rows}
    head = (
        f"{len(found.off)} of {counted(len(classes), 'class', 'classes')} lose an alteration: under it fewer than "
        f"{KEPT:.0%} of their photos are still told to be of the class."
    )
    told = Summary(head, "warn" if found.off else "good")
    rows = [(kind, classes[kind], ", ".join(ones)) for kind, ones in list(found.off.items())]
    told.table(("class", "photos", "off"), rows[:SHOWN], "class")
    off = {kind: list(ones) for kind, ones in found.off.items()}
    if off:
        told.note(f"{max(0, len(rows) - SHOWN)} more classes" if len(rows) > SHOWN else "")
        told.next(f"wareloom synth image_augment {place} --to MADE --set 'off={json.dumps(off)}'")
    show({"off": off, "label_safety": list(found.rows)}, as_json, told)


def _told(read: pl.DataFrame) -> tuple[dict[str, Any], Summary]:
    """Whose photos contradict what is said, as JSON and in a few lines."""
    flagged = read.filter("flagged")
    found = {
        "items": len(read),
        "flagged": flagged.drop("flagged").to_dicts(),
        "without_category": int(read["by"].is_null().sum()),
    }
    rows = flagged.head(SHOWN).select("item_id", "said", "shown", "odds").rows()
    head = f"{counted(len(flagged), 'item')} of {len(read):,} with a photo show something else than is said of them."
    told = Summary(head, "warn" if len(flagged) else "good")
    return found, told.table(("item", "said", "photo shows", "odds"), rows, "item")


def _categorised(shop: Shop) -> int:
    """Items that have a category."""
    table = shop.table("items")
    return int((table["category"].list.len() > 0).sum()) if "category" in table.columns else 0


def _lifted(asked: tuple[Split, Task], model: str, run: Run) -> dict[str, Any]:
    """Whether pictures lift new items, split by time."""
    from wareloom.proof.cold_pictures import lift_of_neighbours
    from wareloom.rankers.content.image_knn import ImageKNN

    parts, task = asked
    ranker = ImageKNN(model=model).fit(parts.train, run)
    lift = lift_of_neighbours(ranker, task, run)
    return {**lift.data, "sentence": str(lift)}
