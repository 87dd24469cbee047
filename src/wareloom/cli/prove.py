"""Prove whether synthetic data helps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._proof import told
from wareloom.cli._shared import (
    AsJson,
    Cells,
    Device,
    Force,
    Jobs,
    On,
    Precision,
    Quiet,
    Seed,
    Threads,
    To,
    Track,
    cells_at,
    listed,
    names,
    run_of,
    screens_of,
    settings,
    settings_of,
    show,
    tracked,
)

if TYPE_CHECKING:
    from wareloom.core.run import Run
    from wareloom.experiment.result import Proof


Of = Annotated[
    str,
    typer.Option(
        help="What is proved: recommendation, system, clicks, search, transfer, pictures or dialogues."
    ),
]
From = Annotated[
    list[Path] | None,
    typer.Option(
        "--from",
        metavar="OTHER",
        help="The folder of another shop whose shoppers are synthesised for this one, a proof of transfer; may be "
        "given again.",
    ),
]
Synthesizer = Annotated[
    str,
    typer.Option(
        "--with",
        help="The synthesizer, or several with commas; markov, and exposures for clicks, where none is named.",
        autocompletion=names("synthesizer"),
    ),
]
Ranker = Annotated[
    str,
    typer.Option(
        help="The ranker that every arm trains: transitions, logistic or lambdamart where none is named.",
        autocompletion=names("ranker"),
    ),
]
Metrics = Annotated[
    str, typer.Option(help="Metrics, with commas; the first decides. Those of the kind where none.")
]
Split = Annotated[
    str, typer.Option(help="time, leave-last-out, user or query; for search query, else time.")
]
Ratios = Annotated[
    str, typer.Option(help="Synthetic events for each real one; the best on validation is taken.")
]
Ties = Annotated[
    str, typer.Option(help="Order of events of one time, shuffled,file; the first decides.")
]
Screens = Annotated[
    str,
    typer.Option(
        help="Screens of what is synthesised, with commas, or off for none of them; those of the kind where none is "
        "named."
    ),
]
Mixer = Annotated[
    str,
    typer.Option(
        help="The mixer of real and synthetic rows; ratio where none is named.",
        autocompletion=names("mixer"),
    ),
]
MixerSet = Annotated[
    list[str] | None,
    typer.Option(
        "--mixer-set", metavar="NAME=VALUE", help="A setting of the mixer; may be given again."
    ),
]
RankerSet = Annotated[
    list[str] | None,
    typer.Option(
        "--ranker-set",
        metavar="NAME=VALUE",
        help="A setting of the ranker, as --set ranker.NAME=VALUE; may be given again.",
    ),
]
ScreenSet = Annotated[
    list[str] | None,
    typer.Option(
        "--screen-set",
        metavar="SCREEN.NAME=VALUE",
        help="A setting of a screen; may be given again.",
    ),
]
Guard = Annotated[
    float, typer.Option(help="Largest relative fall of a slice beside which 'helps' is still said.")
]
Effect = Annotated[
    float | None, typer.Option(help="A relative lift, such as 0.02, of which the power is told.")
]
Shares = Annotated[
    str,
    typer.Option(help="Measure the lift at these shares of the training users: 0.1,0.5,1 or auto."),
]
ByRatio = Annotated[
    bool, typer.Option("--lift-by-ratio", help="Measure the lift of every ratio on validation.")
]
Longer = Annotated[
    float | None,
    typer.Option(
        help="Train the deciding arms once more with so many times the updates, such as 3."
    ),
]
System = Annotated[
    bool,
    typer.Option("--system", help="Prove the best system, an ensemble with networks: --of system."),
]
LeaveOut = Annotated[
    bool, typer.Option("--leave-out", help="Try several synthesizers without each of them.")
]
SetOf = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the synthesizer (WHOSE.NAME=VALUE where there are several), as ranker.NAME=VALUE one of the "
        "ranker, as proof.NAME=VALUE one that this kind of proof alone has; may be given again.",
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        help="How often everything random is drawn anew: 3 times where not said, of dialogues 5.",
        show_default=False,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the same proof where it was stopped.")
]


def main(
    shop: Annotated[
        Path, typer.Argument(help="The shop's folder, whole: the proof splits it itself.")
    ],
    to: To,
    of: Of = "",
    from_: From = None,
    synthesizer: Synthesizer = "",
    ranker: Ranker = "",
    ranker_set: RankerSet = None,
    mixer: Mixer = "",
    mixer_set: MixerSet = None,
    split: Split = "",
    seeds: Seeds = None,
    ratios: Ratios = "",
    metrics: Metrics = "",
    ties: Ties = "",
    screens: Screens = "",
    screen_set: ScreenSet = None,
    guard: Guard = 0.05,
    effect: Effect = None,
    shares: Shares = "",
    lift_by_ratio: ByRatio = False,
    leave_out: LeaveOut = False,
    longer: Longer = None,
    system: System = False,
    resume: Resume = False,
    cache: Cells = "",
    set: SetOf = None,
    threads: Threads = 0,
    jobs: Jobs = 1,
    on: On = "local",
    device: Device = "cpu",
    precision: Precision = "auto",
    track: Track = "",
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a ranker with and without synthetic data and judge it on real held-out data; exit code 1 where it hurts."""
    of_generator, of_ranker, of_proof = _parted(settings(set))
    asked = {"seeds": seeds, "metrics": metrics, "ties": ties} | {
        "ratios": _numbers(ratios, "--ratios"),
        "guard": guard,
        "effect": effect,
        "shares": shares if shares == "auto" else _numbers(shares, "--shares", " or auto"),
        "lift_by_ratio": lift_by_ratio,
        "leave_out": leave_out,
        "longer": longer,
    }
    made_by = _synthesize(synthesizer, of_generator, screens_of(screens), screen_set)
    trained = said({"name": ranker}) | {"set": of_ranker | settings(ranker_set, "--ranker-set")}
    mixed = said({"name": mixer}) | {"set": settings(mixer_set, "--mixer-set")}
    proved = _of(of, from_, system=system) | said(asked) | of_proof
    tables = {"prove": proved, "synthesize": made_by, "mix": mixed, "train": trained}
    how = {"threads": threads, "jobs": jobs, "on": on, "device": device, "precision": precision}
    own = run_of(seed, quiet, **how, track=track, **cells_at(cache))
    proof = _proved(tables | {"split": {"by": split}}, shop, to, own, resume=resume, force=force)
    _end(proof, to, track, as_json)


def _end(proof: Proof, to: Path, track: str, as_json: bool) -> None:
    """Say what was found and where it lies; exit code 1 where synthetic data hurts."""
    summary = told(proof).place(to / "report.html", name="report")
    show(dict(proof.data), as_json, summary.place(tracked(track), name="curves"))
    raise typer.Exit(1 if proof.verdict == "hurts" else 0)


def _of(of: str, others: list[Path] | None, *, system: bool) -> dict[str, Any]:
    """What is proved: of transfer where other shops are named, else recommendation where nothing is said."""
    from wareloom.errors import SettingError

    of = "system" if system else of
    if not others:
        return {"of": of or "recommendation"}
    if of not in ("", "transfer"):
        raise SettingError(
            f"--from names other shops, which a proof of {of} does not learn from: leave --of out."
        )
    return {"of": "transfer", "others": tuple(map(str, others))}


def _proved(
    tables: dict[str, Any], shop: Path, to: Path, run: Run, *, resume: bool, force: bool
) -> Proof:
    """Prove what a recipe of these tables asks, and write the proof and its page."""
    from wareloom.recipe.load import Recipe
    from wareloom.report import prove_and_report
    from wareloom.shop import Shop

    named = {name: table for name, table in tables.items() if table != {"by": ""}}
    recipe = Recipe.of(named | {"stages": ("prove",), "seed": run.seed})
    return prove_and_report(Shop.open(shop), recipe.settings, to, run, resume=resume, force=force)


def said(values: dict[str, Any]) -> dict[str, Any]:
    """Those values that say something."""
    # Zero says something, though it equals False.
    return {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and value != ""
    }


def _numbers(text: str, option: str, else_: str = "") -> tuple[float, ...] | str:
    """Read "0.5,1"; "" says nothing. `else_`: what the option takes instead, for the message."""
    from wareloom.errors import SettingError

    try:
        return tuple(map(float, listed(text))) or text
    except ValueError:
        raise SettingError(
            f"{option} takes numbers with commas, such as 0.5,1{else_ and f',{else_}'}, not {text!r}."
        ) from None


def _synthesize(
    named: str, given: dict[str, Any], screens: list[str] | None, screen_set: list[str] | None
) -> dict[str, Any]:
    """The table [synthesize]: "" for the kind's own, "markov", or "markov,shuffled" with settings as markov.window."""
    from wareloom.errors import SettingError, near
    from wareloom.sampling.generator import SCREENS

    if screens == [] and screen_set:
        raise SettingError(
            f"--screen-set {screen_set[0]} sets a screen, and --screens off takes none: leave one of them out."
        )
    of_screens = settings_of(SCREENS if screens is None else screens, screen_set, "--screen-set")
    own: dict[str, Any] = {} if screens is None else {"screens": tuple(screens)}
    own |= {"screen_settings": of_screens}
    several = named.split(",")
    if len(several) == 1:
        return said({"name": named}) | {"set": given} | own
    of_each: dict[str, dict[str, Any]] = {name: {} for name in several}
    for key, value in given.items():
        whose, _, setting = key.rpartition(".")
        if whose not in of_each:
            raise SettingError(
                f"With several synthesizers --set {key} must say whose setting it is, such as {several[0]}.{setting}."
                f"{near(whose, of_each)}"
            )
        of_each[whose][setting] = value
    members = [{"synthesizer": name, "settings": of_each[name]} for name in several]
    return {"members": members} | own


def _parted(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Part the settings of the synthesizer from those that begin with "ranker." and with "proof."."""
    named = ("ranker.", "proof.")
    of_ranker, of_proof = (
        {k.removeprefix(n): v for k, v in given.items() if k.startswith(n)} for n in named
    )
    return {k: v for k, v in given.items() if not k.startswith(named)}, of_ranker, of_proof
