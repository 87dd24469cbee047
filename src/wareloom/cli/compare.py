"""Compare a synthetic shop with a real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    free,
    run_of,
    settings,
    show,
)
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.evaluation.compare import Comparison


def main(
    real: Annotated[
        Path,
        typer.Argument(help="What the synthesizer was fitted on: a shop, or a folder of tables."),
    ],
    synthetic: Annotated[
        Path, typer.Argument(help="What it made: a shop, or any tool's folder of tables.")
    ],
    to: To,
    holdout: Annotated[
        list[Path] | None,
        typer.Option(
            help="Real users, queries or photos that it never saw; may be given again.",
            show_default=False,
        ),
    ] = None,
    measures: Annotated[
        str, typer.Option(help="Measures, with commas; all quick ones where none are named.")
    ] = "",
    gru: Annotated[
        bool, typer.Option("--gru", help="Let a small network read the sequences, too.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(help="Times the floor that a figure may be and stay within it.")
    ] = 1.25,
    set: Set = None,
    threads: Threads = 0,
    device: Device = "cpu",
    precision: Precision = "auto",
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how like real ones synthetic behaviour, queries or pictures are, each figure beside its floor.

    --set MEASURE.NAME=VALUE sets a setting of a measure.
    """
    from wareloom.evaluation.compare import CompareSettings, compare_paths
    from wareloom.report.comparison import save_comparison

    free(to, force, "compare.json")
    own: dict[str, dict[str, Any]] = {}
    for key, value in settings(set).items():
        whose, _, name = key.rpartition(".")
        own.setdefault(whose, {})[name] = value
    wanted = CompareSettings(
        measures=tuple(name.strip() for name in measures.split(",") if name.strip()),
        gru=gru,
        settings=own,
        tolerance=tolerance,
    )
    wanted.chosen()
    run = run_of(seed, quiet, threads=threads, device=device, precision=precision)
    found = compare_paths(real, synthetic, tuple(holdout or ()), wanted, run=run)
    save_comparison(found, to)
    first = str(found.data["figures"][0]["name"]) if found.data["figures"] else ""
    of = next((whom for begins, whom in OTHERS.items() if first.startswith(begins)), "USERS")
    after = f"wareloom attack {real} {synthetic} --holdout OTHER_{of}"
    show(found.data, as_json, _summary(found, to).next(after))


OTHERS: dict[tuple[str, ...], str] = {
    ("picture_", "kernel_distance"): "PHOTOS",
    ("dialogue_", "turn_disc", "act_pairs", "distinct_pairs", "self_bleu"): "DIALOGUES",
}
"""Whom an attack holds out, by how the names of what was measured begin"""


def _summary(found: Comparison, to: Path) -> Summary:
    """The measures, the farthest from their floors first, and what was not taken."""
    beyond = any(figure["verdict"] == "beyond" for figure in found.data["figures"])
    told = Summary(str(found), "warn" if beyond else "good")
    rows = found.table().sort("ratio", descending=True, nulls_last=True, maintain_order=True)
    wanted = ("measure", "value", "floor", "ratio", "verdict", "unit")
    heads = ("measure", "value", "floor", "times", "verdict", "unit")
    told.table(heads, rows.select(wanted).rows(), "measure")
    told.note(*found.data["notes"])
    told.note(*(f"without {name}: {why}" for name, why in sorted(found.data["left_out"].items())))
    return told.place(to / "compare.html", name="page")
