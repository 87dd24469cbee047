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
)
from wareloom.cli._summary import Summary, brief, counted

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
    summary = Summary(
        f"best {metric} {found.value:.4f} on the validation part, of {counted(trials, 'trial')}",
        "good",
    )
    names_of = [one for one in found.trials.columns if one not in ("trial", "value", "outcome")]
    best = found.trials.sort("value", descending=True, nulls_last=True, maintain_order=True)
    summary.table(
        ("value", *names_of, "outcome"), best.select("value", *names_of, "outcome").rows(), "trial"
    )
    summary.fact(
        "settings", ", ".join(f"{name} = {brief(value)}" for name, value in found.best.items())
    )
    summary.place(to / "best.toml", name="recipe")
    summary.note(
        "The value is the best of many trials, and so too good: a proof judges on the test part."
    )
    told = {"ranker": ranker, "metric": metric, "value": found.value, "best": found.best}
    show(told | {"trials": found.trials.to_dicts()}, as_json, summary)
