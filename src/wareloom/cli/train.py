"""Train a ranker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Device,
    Force,
    Precision,
    Quiet,
    Seed,
    Set,
    Threads,
    To,
    Track,
    free,
    kept_note,
    names,
    run_of,
    settings,
    show,
    tracked,
)
from wareloom.cli._summary import Summary, counted, learned

if TYPE_CHECKING:
    from wareloom.rankers import Ranker


def main(
    name: Annotated[
        str,
        typer.Argument(
            help="The ranker; 'wareloom list ranker' shows all.", autocompletion=names("ranker")
        ),
    ],
    shop: Annotated[Path, typer.Argument(help="The training shop's folder.")],
    to: To,
    set: Set = None,
    threads: Threads = 0,
    device: Device = "cpu",
    precision: Precision = "auto",
    track: Track = "",
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            help="Keep the state of training here: the same call goes on where it stopped.",
        ),
    ] = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a ranker on a shop and save it."""
    from wareloom.core.family import RANKERS
    from wareloom.core.files import replacing
    from wareloom.rankers.search.base import SearchRanker
    from wareloom.shop import Shop

    free(to, force, "algorithm.json")
    run = run_of(
        seed, quiet, threads=threads, device=device, precision=precision, track=track, cache=cache
    )
    with run.task(f"{name}: fit"):
        ranker = RANKERS.make(name, **settings(set)).fit(Shop.open(shop), run)
    with replacing(to, marker="algorithm.json") as partial:
        ranker.save(partial)
    told = {
        "model": str(to),
        "ranker": name,
        "settings": ranker.settings(),
        "items": len(ranker.items_),
        "keeps": ranker.kept(),
    }
    note = kept_note(
        ranker.kept(), "train one that keeps counts: wareloom list ranker says which do"
    )
    summary = _summary(ranker, name, shop).warn(note).place(to).place(tracked(track), name="curves")
    asks = " --query QUERY" if isinstance(ranker, SearchRanker) else ""
    summary.next(f"wareloom evaluate {to} PARTS", f"wareloom rank {to} --shop {shop}{asks}")
    show(told | ({"note": note} if note else {}), as_json, summary)


def _summary(ranker: Ranker, name: str, shop: Path) -> Summary:
    """What was fitted with which settings, what it keeps, and how a network learned."""
    found = Summary(
        f"Fitted {name} on {shop}: it ranks {counted(len(ranker.items_), 'item')}.", "good"
    )
    usual = type(ranker)().settings()
    given = {key: value for key, value in ranker.settings().items() if value != usual.get(key)}
    found.fact("settings", given or f"as they come: wareloom show {name}")
    found.fact("keeps", ranker.kept())
    history = getattr(ranker, "training_", None) or []
    for told_of in ("loss", "value"):
        found.fact(told_of, learned([entry[told_of] for entry in history if told_of in entry]))
    return found
