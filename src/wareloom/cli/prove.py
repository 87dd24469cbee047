"""Prove whether synthetic data helps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wareloom.cli._shared import AsJson, Quiet, Seed, Set, To, names, run_of, settings, show


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder, whole: the proof splits it itself.")],
    to: To,
    synthesizer: Annotated[
        str, typer.Option("--with", help="The synthesizer.", autocompletion=names("synthesizer"))
    ] = "markov",
    ranker: Annotated[
        str, typer.Option(help="The ranker that every arm trains.", autocompletion=names("ranker"))
    ] = "transitions",
    split: Annotated[str, typer.Option(help="time, leave-last-out or user.")] = "time",
    seeds: Annotated[int, typer.Option(help="How often everything random is drawn anew.")] = 3,
    ratios: Annotated[
        str, typer.Option(help="Synthetic events for each real one; the best on validation is taken.")
    ] = "0.5,1",
    metrics: Annotated[
        str, typer.Option(help="Metrics; the first decides.")
    ] = "ndcg@10,recall@10,recall@50,mrr,coverage@10",
    ties: Annotated[str, typer.Option(help="Order of events of one time; the first decides.")] = "shuffled,file",
    resume: Annotated[bool, typer.Option("--resume", help="Keep the cells of a proof that was stopped.")] = False,
    set: Set = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a ranker with and without synthetic data and judge it on real held-out data; exit code 1 where it hurts.

    --set takes settings of the synthesizer; those of the ranker are set as ranker.NAME=VALUE.
    """
    from wareloom.family import configure
    from wareloom.proof.arms import Generator
    from wareloom.proof.settings import ProofSettings
    from wareloom.report import prove_and_report
    from wareloom.shop import Shop
    from wareloom.shop.splits import SplitSettings

    given = settings(set)
    own = {name.removeprefix("ranker."): value for name, value in given.items() if name.startswith("ranker.")}
    rest = {name: value for name, value in given.items() if not name.startswith("ranker.")}
    asked = ProofSettings(
        generator=Generator(synthesizer=synthesizer, settings=rest),
        ranker=ranker,
        ranker_settings=own,
        split=configure(SplitSettings, {"by": split}),
        ratios=configure_ratios(ratios),
        seeds=seeds,
        metrics=tuple(metrics.split(",")),
        ties=tuple(ties.split(",")),
    )
    proof = prove_and_report(Shop.open(shop), asked, to, run_of(seed, quiet), resume=resume)
    lines = [
        f"  {row['arm']} against {row['against']}: {row['lift']:+.1%} "
        f"({row['lift_low']:+.1%} to {row['lift_high']:+.1%}), p = {row['p']:.2g}: {row['verdict']}"
        for row in proof.headline().iter_rows(named=True)
        if row["lift"] is not None
    ]
    show(proof.data, as_json, "\n".join([str(proof), *lines, str(to / "report.html")]))
    raise typer.Exit(1 if proof.verdict == "hurts" else 0)


def configure_ratios(text: str) -> tuple[float, ...]:
    """Read "0.5,1"."""
    from wareloom.errors import SettingError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingError(f"--ratios takes numbers with commas, such as 0.5,1, not {text!r}.") from None
