"""Attack a synthetic shop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Threads,
    listed,
    names,
    place_of,
    run_of,
    settings_of,
    show,
)
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.attacks import AttackReport

MOST = 0.55


Real = Annotated[
    Path, typer.Argument(help="What the generator was fitted on: a shop, or a folder of tables.")
]
Synthetic = Annotated[
    Path, typer.Argument(help="What it made: a shop, or any tool's folder of tables.")
]
Holdout = Annotated[
    list[Path],
    typer.Option(
        help="Other users of the same draw, whom it never saw; may be given again.",
        show_default=False,
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(help="The folder of the saved generator, for attacks that look into it."),
]
Generator = Annotated[
    str,
    typer.Option(
        help="The synthesizer that made SYNTH, for attacks that fit it anew (shadow, canaries).",
        autocompletion=names("synthesizer"),
    ),
]
Only = Annotated[
    str,
    typer.Option(
        help="Attacks, with commas; all that are not slow where none are named.",
        autocompletion=names("attack"),
    ),
]
Most = Annotated[
    float,
    typer.Option(min=0.5, max=1.0, help="Area up to which the upper end of every attack passes."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="WHOSE.NAME=VALUE",
        help="A setting of an attack, or of the generator; may be given again.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(help="Keep what shadow made here, so that the same call goes on."),
]
To = Annotated[Path | None, typer.Option("--to", help="Also write the report to this JSON file.")]


def main(
    real: Real,
    synthetic: Synthetic,
    holdout: Holdout,
    model: Model = None,
    generator: Generator = "",
    only: Only = "",
    most: Most = MOST,
    set: Set = None,
    cache: Cache = None,
    to: To = None,
    threads: Threads = 0,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Try to tell whom a synthetic shop was made of; exit code 1 where an attack may pass the bar."""
    import tempfile

    from wareloom.attacks import Maker, chosen, run_attacks
    from wareloom.core.family import ATTACKS, SYNTHESIZERS
    from wareloom.core.state import write_whole
    from wareloom.evaluation.compare import shop_at
    from wareloom.preparing.splits import together

    place, wanted = place_of(to, force), listed(only)
    own = settings_of([*(wanted or ATTACKS.names()), *([generator] if generator else [])], set)
    maker = Maker(generator, own.pop(generator, {})) if generator else None
    chosen(wanted, own)
    if maker is not None:
        SYNTHESIZERS.make(maker.name, **maker.settings)
    run = run_of(seed, quiet, threads=threads, cache=cache)
    with tempfile.TemporaryDirectory(prefix="wareloom-") as folder:
        shops = [
            shop_at(source, Path(folder) / str(i), run)
            for i, source in enumerate((real, synthetic, *holdout))
        ]
        report = run_attacks(
            *(shops[0], shops[1], together(shops[2:]), run),
            names=wanted,
            settings=own,
            model=model,
            generator=maker,
        )
    found = report.to_json() | {"most": most, "passes": report.high <= most}
    if place is not None:
        write_whole(place, found)
    show(found, as_json, _summary(report, most).place(place, name="file"))
    raise typer.Exit(0 if found["passes"] else 1)


def _summary(report: AttackReport, most: float) -> Summary:
    """The worst attacks, and whether the bar holds."""
    over = [one.name for one in report.evidence if one.area.high > most]
    bad = bool(over) or not report.evidence
    found = Summary(str(report), "bad" if bad else "good")
    columns = ("attack", "area", "low", "high", "tpr .1 %", "p", "caught")
    found.table(columns, report.table().select(columns).rows(), "attack")
    if not report.evidence:
        said = "No attack could be made: that says nothing of privacy."
    elif over:
        said = f"The upper end is above {most:g} for {', '.join(over)}: this may not leave."
    else:
        said = f"The upper end of no attack is above {most:g}. Attacks are no proof of privacy."
    found.ends.append(("bar", said))
    found.warn(*report.notes)
    return found.warn(*(f"without {name}: {why}" for name, why in sorted(report.left_out.items())))
