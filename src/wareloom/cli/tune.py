"""Search for a ranker's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Set,
    To,
    names,
    run_of,
    settings,
    show,
    table,
)

Ranker = Annotated[
    str, typer.Option(help="The ranker whose settings are tried.", autocompletion=names("ranker"))
]
Space = Annotated[
    list[str],
    typer.Option(
        "--space",
        metavar="NAME=RANGE",
        help="What is tried: LOW..HIGH, LOW..HIGH:log or A|B; may be given again.",
    ),
]
Prune = Annotated[bool, typer.Option("--no-prune", help="Cut no training short.")]


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder, whole: it is split here.")],
    to: To,
    ranker: Ranker,
    space: Space,
    trials: Annotated[int, typer.Option("--trials", help="Settings that are tried.")] = 20,
    metric: Annotated[
        str, typer.Option("--metric", help="What is to be high on the validation part.")
    ] = "ndcg@10",
    split: Annotated[str, typer.Option("--split", help="time, leave-last-out or user.")] = "time",
    no_prune: Prune = False,
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Try settings of a ranker and judge them on the validation part; the test part is never read.

    The same call goes on with a search that was stopped.
    """
    from wareloom.core.settings import configure
    from wareloom.evaluation.tuning import SearchSettings, parse_space, search
    from wareloom.preparing.splits import SplitSettings
    from wareloom.shop import Shop

    asked = SearchSettings(
        trials=trials,
        metric=metric,
        split=configure(SplitSettings, {"by": split}),
        fixed=settings(set),
        prune=not no_prune,
    )
    found = search(
        Shop.open(shop),
        ranker,
        parse_space(ranker, space),
        asked,
        to=to,
        run=run_of(seed, quiet),
        force=force,
    )
    best = f"best {metric} {found.value:.4f} on the validation part\n\n{found.toml()}"
    told = {"ranker": ranker, "metric": metric, "value": found.value, "best": found.best}
    show(
        told | {"trials": found.trials.to_dicts()},
        as_json,
        f"{table(found.trials)}\n\n{best}\n{to / 'best.toml'}",
    )
