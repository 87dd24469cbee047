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

from wareloom.core.parse import unfit
from wareloom.core.run import Run
from wareloom.errors import SettingError, near

if TYPE_CHECKING:
    import polars as pl

    from wareloom.recipe import Done

To = Annotated[Path, typer.Option("--to", help="Folder to write to.", show_default=False)]
Seed = Annotated[int, typer.Option(help="The one seed of all that is random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
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
        help="Where losses go while a network is trained: tensorboard:FOLDER, mlflow:FOLDER, wandb:FOLDER."
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


def settings(given: Sequence[str] | None) -> dict[str, Any]:
    """Read `name=value` pairs; a value is TOML (0.5, true, [1, 2], {a = 1}) or JSON where it can be, else text."""
    return {name: _fit(name, _value(text)) for name, text in pairs(given).items()}


def _value(text: str) -> Any:
    # Other than their own errors: for numbers of too many digits, and for what is nested too deeply.
    with contextlib.suppress(ValueError, RecursionError):
        return tomllib.loads(f"value = {text}")["value"]
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    return text


def _fit(name: str, value: Any) -> Any:
    if why := unfit(value):
        raise SettingError(f"--set {name} cannot be used: {why}.")
    return value


def settings_of(
    names: Sequence[str], given: Sequence[str] | None, option: str = "--set"
) -> dict[str, dict[str, Any]]:
    """Read `whose.name=value` pairs: settings by name, by whose they are, which must be one of `names`."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in settings(given).items():
        whose, _, name = key.partition(".")
        if whose not in names or not name:
            raise SettingError(
                f"{option} {key} must name one of {', '.join(names) or 'nothing'} before the setting, such as "
                f"{names[0] if names else 'WHOSE'}.NAME=VALUE.{near(whose, names)}"
            )
        found.setdefault(whose, {})[name] = value
    return found


def listed(text: str) -> list[str]:
    """Read names with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def show(value: Mapping[str, Any], as_json: bool, text: str | None = None) -> None:
    """Print a result: JSON for machines, `text` or an indented outline for people."""
    if as_json:
        # A console in a narrow encoding shows letters that it lacks as JSON's own escapes.
        narrow = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
        typer.echo(json.dumps(value, indent=2, ensure_ascii=narrow, default=str))
    else:
        typer.echo(text if text is not None else "\n".join(outline(value)))


def show_job(done: Done, as_json: bool) -> None:
    """Print what a job came to: verdict, where report and model lie, and what to do with the model."""
    proof, folder = done.proof, done.folder
    told: dict[str, Any] = {
        "verdict": proof.verdict if proof else None,
        "sentence": str(proof) if proof else "Done.",
        "seconds": done.seconds,
        "folder": str(folder),
    }
    if done.frozen:
        told["frozen"] = proof.data.get("frozen") if proof else None
    lines = [told["sentence"], *filter(None, [done.frozen])]
    lines.append(f"{sum(done.seconds.values()):.0f} s; everything lies in {folder}")
    if proof:
        lines.append(f"Report: {folder / 'proof' / 'report.html'}")
    if (folder / "bundle").exists():
        told |= {"bundle": str(folder / "bundle"), "note": done.note}
        lines.append(f"Model:  {folder / 'bundle'}")
        lines.append(f"Try it: wareloom rank {folder / 'bundle'} --shop {folder / 'shop'}")
        store = folder / "store"
        lines.append(
            f"Serve:  wareloom publish {folder / 'bundle'} --to {store} && wareloom serve {store}"
        )
    show(told, as_json, "\n".join([*lines, *filter(None, [done.note])]))


def kept_note(keeps: str | None, remedy: str) -> str:
    """What is said of a model, sample or bundle that keeps people, or does not say what it keeps; "" of others."""
    from wareloom.shop.keeping import HOLDS_PEOPLE

    if keeps in ("private", "counts"):
        return ""
    said = HOLDS_PEOPLE if keeps else "does not say what it keeps, so that it counts as real users"
    return f"{said}: keep it inside; for one that may be shown to others {remedy}"


def outline(value: Mapping[str, Any], depth: int = 0) -> list[str]:
    """Lay nested values out as indented lines."""
    lines = []
    for key, entry in value.items():
        if isinstance(entry, Mapping):
            lines += [f"{'  ' * depth}{key}", *outline(entry, depth + 1)]
        elif isinstance(entry, list) and any(
            isinstance(part, str) and " " in part for part in entry
        ):
            lines += [f"{'  ' * depth}{key}", *(f"{'  ' * depth}  {part}" for part in entry)]
        else:
            lines.append(f"{'  ' * depth}{key}: {_brief(entry)}")
    return lines


def table(frame: pl.DataFrame) -> str:
    """Lay a frame out as aligned columns."""
    rows = [list(frame.columns), *([_brief(cell) for cell in row] for row in frame.iter_rows())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(frame.columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _brief(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "-" if value is None else str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(_brief(entry) for entry in value)
    return str(value)
