"""Options and output that all commands share."""

from __future__ import annotations

import contextlib
import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wareloom.cli._summary import Summary, say
from wareloom.cli._warnings import hush, hushed
from wareloom.core.parse import unfit
from wareloom.core.run import Run
from wareloom.errors import SettingError, near

if TYPE_CHECKING:
    from wareloom.recipe import Done

To = Annotated[Path, typer.Option("--to", help="Folder to write to.", show_default=False)]
Seed = Annotated[int, typer.Option(help="The one seed of all that is random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=hush, help="Say errors only; with --json the result, too."
    ),
]
Threads = Annotated[int, typer.Option(help="Threads to compute with; 0 takes the physical cores.")]
Device = Annotated[str, typer.Option(help='Where neural models run: "cpu", "cuda" or "cuda:1".')]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(
        help="Arithmetic of neural models; auto takes bf16 on a GPU. A CPU with AMX is quicker in bf16."
    ),
]
Track = Annotated[
    str,
    typer.Option(
        help="Where learning curves go while networks are trained: page:FOLDER (a page to look at), "
        "tensorboard:FOLDER, mlflow:FOLDER, wandb:FOLDER."
    ),
]
Cells = Annotated[
    str,
    typer.Option(
        "--cache",
        help="Keep finished cells here for good, in a folder or s3://bucket/prefix: more seeds, or others beside, "
        "redo none of them.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        help="Processes that work side by side and share the threads; each holds the data in memory."
    ),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        help='Where pieces of the work are computed: "local", "ray-local[2]" or "ray://host:port".',
    ),
]
AllowCode = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-code",
        metavar="PACKAGE",
        help="A package outside Wareloom whose algorithms the file or folder may name, and that is imported then; "
        "may be given again.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a result that is there already.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting; may be given again."),
]


def names(kind: str) -> Callable[[str], list[str]]:
    """Complete the names of a family on the command line."""

    def complete(incomplete: str) -> list[str]:
        from wareloom.core.family import FAMILIES

        return [name for name in FAMILIES[kind].names() if name.startswith(incomplete)]

    return complete


def run_of(seed: int, quiet: bool, **fields: Any) -> Run:
    """Make the run a command asks for; `fields` are others of `Run`, such as threads."""
    return Run(seed=seed, quiet=quiet, **fields)


def free(to: Path, force: bool, marker: str = "shop.json") -> None:
    """Look, before any work, whether a command may write its folder; see `free_folder`."""
    from wareloom.core.files import free_folder

    free_folder(to, marker, force=force)


def place_of(to: Path | None, force: bool) -> Path | None:
    """Where a command may write its file, looked at before any work; None where none is asked for."""
    from wareloom.core.files import free_file

    return None if to is None else free_file(to, force=force)


def cells_at(address: str) -> dict[str, Any]:
    """The fields of `Run` that say where finished cells are kept: a bucket, a folder, or nowhere for good."""
    if address.startswith("s3://"):
        return {"store": address}
    return {"cache": Path(address)} if address else {}


def pairs(given: Sequence[str] | None, option: str = "--set") -> dict[str, str]:
    """Read `name=value` pairs as text."""
    found: dict[str, str] = {}
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SettingError(f"{option} takes NAME=VALUE, not {pair!r}.")
        found[name.strip()] = value
    return found


def settings(given: Sequence[str] | None, option: str = "--set") -> dict[str, Any]:
    """Read `name=value` pairs; a value is TOML (0.5, true, [1, 2], {a = 1}) or JSON where it can be, else text."""
    found = {name: _value(text) for name, text in pairs(given, option).items()}
    for name, value in found.items():
        if why := unfit(value):
            raise SettingError(f"{option} {name} cannot be used: {why}.")
    return found


def _value(text: str) -> Any:
    # Other than their own errors: for numbers of too many digits, and for what is nested too deeply.
    with contextlib.suppress(ValueError, RecursionError):
        return tomllib.loads(f"value = {text}")["value"]
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    return text


def settings_of(
    names: Sequence[str], given: Sequence[str] | None, option: str = "--set"
) -> dict[str, dict[str, Any]]:
    """Read `whose.name=value` pairs: settings by name, by whose they are, which must be one of `names`."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in settings(given, option).items():
        # A name of one's own, package.module:Class, has points of its own.
        own = [one for one in names if key.startswith(f"{one}.")]
        whose = max(own, key=len) if own else key.partition(".")[0]
        name = key[len(whose) + 1 :]
        if whose not in names or not name:
            raise SettingError(
                f"{option} {key} must name one of {', '.join(names) or 'nothing'} before the setting, such as "
                f"{names[0] if names else 'WHOSE'}.NAME=VALUE.{near(whose, names)}"
            )
        found.setdefault(whose, {})[name] = value
    return found


def screens_of(text: str) -> list[str] | None:
    """Read the names of screens; "off" is none of them, and nothing said is None."""
    if text.strip().casefold() == "off":
        return []
    return listed(text) or None


def listed(text: str) -> list[str]:
    """Read names with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def show(value: Mapping[str, Any], as_json: bool, told: Summary | str | None = None) -> None:
    """End a command: JSON for machines, a summary or a text for people; with --quiet nothing but JSON."""
    if as_json:
        # A console in a narrow encoding shows letters that it lacks as JSON's own escapes.
        narrow = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
        typer.echo(json.dumps(value, indent=2, ensure_ascii=narrow, default=str))
    elif not hushed.get():
        if isinstance(told, str):
            typer.echo(told)
        else:
            say(told or plain(value))


def plain(value: Mapping[str, Any]) -> Summary:
    """The summary of a result that has none of its own: its values by name."""
    found = Summary("" if value else "Nothing yet.")
    for name, each in value.items():
        found.fact(str(name), each)
    return found


def show_job(done: Done, as_json: bool, track: str = "") -> None:
    """Print what a job came to: verdict, where report, learning curves and model lie, and what to do with it."""
    from wareloom.cli._proof import told as told_of

    proof, folder = done.proof, done.folder
    told: dict[str, Any] = {
        "verdict": proof.verdict if proof else None,
        "sentence": str(proof) if proof else "Done.",
        "seconds": done.seconds,
        "folder": str(folder),
    }
    if done.frozen:
        told["frozen"] = proof.data.get("frozen") if proof else None
    summary = told_of(proof) if proof else Summary("Done.", "good")
    summary.warn(done.frozen)
    report, bundle = folder / "proof" / "report.html", folder / "bundle"
    summary.place(report if proof else folder, name="report" if proof else "folder")
    summary.place(tracked(track), name="curves")
    if bundle.exists():
        told |= {"bundle": str(bundle), "note": done.note}
        summary.warn(done.note)
        summary.place(f"wareloom rank {bundle} --shop {folder / 'shop'}", name="model")
        store = folder / "store"
        served = f"wareloom publish {bundle} --to {store} && wareloom serve {store}"
        summary.place(served, name="serve")
    show(told, as_json, summary)


def tracked(track: str) -> Path | None:
    """Write the page of learning curves where `--track` names one; returns where it is, None without one."""
    kind, _, folder = track.partition(":")
    if kind != "page":
        return None
    from wareloom.report.curves import save_curves

    return save_curves(folder)


def kept_note(keeps: str | None, remedy: str) -> str:
    """What is said of a model, sample or bundle that keeps people, or does not say what it keeps; "" of others."""
    from wareloom.shop.keeping import HOLDS_PEOPLE

    if keeps in ("private", "counts"):
        return ""
    said = HOLDS_PEOPLE if keeps else "does not say what it keeps, so that it counts as real users"
    return f"{said}: keep it inside; for one that may be shown to others {remedy}"
