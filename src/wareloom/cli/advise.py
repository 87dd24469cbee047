"""Advise: the best system of a shop, and what synthesis adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wareloom.cli._shared import AsJson, Force, Quiet, Seed, Threads, run_of, show
from wareloom.cli._summary import Summary

if TYPE_CHECKING:
    from wareloom.advising import Advice


def main(
    shop: Annotated[Path, typer.Argument(help="The shop's folder, whole: it is split here.")],
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write to.")] = None,
    minutes: Annotated[float, typer.Option(help="Minutes that all of it may take.")] = 30.0,
    for_: Annotated[
        Literal["recommendation", "search", "both"],
        typer.Option("--for", help="What the shop wants to be better at."),
    ] = "recommendation",
    from_: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="OTHER",
            help="The folder of another shop that may teach this one; may be given again.",
        ),
    ] = None,
    split: Annotated[
        Literal["auto", "time", "leave-last-out"],
        typer.Option(
            help="How events are held out; auto takes time where enough shoppers are asked."
        ),
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, with minutes and memory, and stop.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with advice that was stopped.")
    ] = False,
    threads: Threads = 0,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the best system in the minutes given, and prove what synthesis adds to it; exit code 1 where it hurts."""
    from wareloom.advising import AdviceSettings, advise, planned
    from wareloom.core.settings import configure
    from wareloom.errors import SettingError
    from wareloom.shop import Shop

    asked = {"minutes": minutes, "job": for_, "split": split}
    settings = configure(AdviceSettings, asked | {"other_shops": tuple(map(str, from_ or ()))})
    run = run_of(seed, quiet, threads=threads)
    if dry_run:
        plan = planned(Shop.open(shop), settings, run)
        show(plan, as_json, _plan(plan))
        return
    if to is None:
        raise SettingError("advise needs --to FOLDER for page, recipe and model, or --dry-run.")
    found = advise(Shop.open(shop), settings, to, run, resume=resume, force=force)
    show(found.data, as_json, told(found))
    raise typer.Exit(1 if found.answer == "leave it out" else 0)


def _plan(plan: dict[str, Any]) -> Summary:
    """The plan for who reads it on a terminal."""
    few = plan["power"]["too_few"]
    asked = f"{plan['power']['requests']:,} "
    asked += "shoppers can be asked" if "worked" in plan else "queries are judged"
    told = Summary(f"Too few to tell: {asked}." if few else f"The plan: {asked}.")
    rows = [(s["stage"], f"{s['seconds'] / 60:.1f}", s["does"]) for s in plan["stages"]]
    told.table(("stage", "minutes", "what it does"), rows, "stage")
    return told.fact("memory", f"about {plan['memory_gib']:.1f} GiB")


def told(found: Advice) -> Summary:
    """What matters, in ten lines at most."""
    data, folder, took = found.data, found.folder, found.data["took"]
    style: Literal["good", "bad", "strong"] = {
        "synthesis helps": "good",
        "leave it out": "bad",
    }.get(found.answer, "strong")  # type: ignore[assignment]
    told = Summary(str(found), style)
    minutes = f"{took['minutes']:.1f} of {data['settings']['minutes']:g} minutes"
    told.fact("took", f"{minutes}, {took['memory_gib']:.2f} GiB at most")
    told.fact("left out", ", ".join(data["left_out"]))
    told.place(folder / "advice.html", name="page").place(folder / "recipe.toml", name="recipe")
    return told.place(serving(found.bundle), name="serve").next(*data["next"][:1])


def serving(bundle: Path | None) -> str | None:
    """How a bundle is served; None where there is none."""
    if bundle is None:
        return None
    from wareloom.bundle import MANIFEST
    from wareloom.core.state import read_json

    proved = read_json(bundle / MANIFEST)["proof"] is not None
    flag = "" if proved else " --unproved"
    return f"wareloom publish {bundle}{flag} --to store && wareloom serve store"
