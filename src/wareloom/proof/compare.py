"""Compare a synthetic shop with a real one: every measure beside its floor."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from wareloom.errors import MissingExtraError, OutputError, SettingError, near
from wareloom.family import METRICS
from wareloom.metrics._measure import BEYOND, CHANCE, WITHIN, Figure, Measure
from wareloom.metrics._samples import gathered
from wareloom.readers import read
from wareloom.run import Run
from wareloom.shop import Shop
from wareloom.state import read_json

SLOW = ("sequence_discriminator",)
"""Measures that are taken only where they are asked for."""


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Which measures are taken, and how they are judged."""

    measures: tuple[str, ...] = ()
    """Names of measures; all quick ones where none are named."""
    gru: bool = False
    """Whether the network that reads sequences, too, tells synthetic users from real ones."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of measures, by their names."""
    tolerance: float = 1.25
    """Times the floor up to which a figure is said to be within it."""
    groups: int = 20
    """Groups of users by which intervals and floors are found."""

    def chosen(self) -> dict[str, Measure]:
        """Make the measures; raises `SettingError` or `UnknownNameError` for what could not work."""
        if not 1 <= self.tolerance < float("inf") or not 5 <= self.groups <= 100:
            raise SettingError(
                f"compare: tolerance is {self.tolerance:g} and groups {self.groups}; give 1 or more, and 5 to 100."
            )
        known = measures()
        names = list(dict.fromkeys(self.measures or [name for name in known if name not in SLOW]))
        names += [name for name in SLOW if self.gru and name not in names]
        for name in (*names, *self.settings):
            if ":" not in name and name not in known:
                raise SettingError(
                    f"No measure of a comparison is called {name!r}.{near(name, known)} Known: {', '.join(known)}."
                )
        if stray := [name for name in self.settings if name not in names]:
            raise SettingError(f"compare: there are settings of {stray[0]}, which is not among the measures taken.")
        return {name: METRICS.make(name, **self.settings.get(name, {})) for name in names}


def measures() -> list[str]:
    """Names of all measures of comparisons, sorted."""
    rooms = {name: path.parent.name for name, path in sorted(METRICS.files.items())}
    return [
        name
        for name, room in rooms.items()
        if room == "fidelity" or (room == "diversity" and issubclass(METRICS.load(name), Measure))
    ]


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; `data` is what `compare.json` holds."""

    data: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Comparison:
        """Read `compare.json` in a folder."""
        return cls(read_json(Path(folder) / "compare.json"))

    def table(self) -> pl.DataFrame:
        """Columns measure, value, low, high, floor, floor_low, floor_high, ratio, verdict, unit."""
        numbers = ("value", "low", "high", "floor", "floor_low", "floor_high", "ratio")
        types = {"measure": pl.String(), **dict.fromkeys(numbers, pl.Float64()), "verdict": pl.String()}
        rows = [{"measure": figure["name"], **figure} for figure in self.data["figures"]]
        return pl.DataFrame(rows, schema=types | {"unit": pl.String()})

    def figure(self, name: str) -> dict[str, Any]:
        """Return one figure by its name; raises `SettingError` where there is none of it."""
        for figure in self.data["figures"]:
            if figure["name"] == name:
                return dict(figure)
        known = [figure["name"] for figure in self.data["figures"]]
        why = self.data["left_out"].get(name)
        raise SettingError(f"The comparison has no figure {name!r}{f': {why}' if why else ''}.{near(name, known)}")

    def __str__(self) -> str:
        return str(self.data["sentence"])


def compare(
    real: Shop, synthetic: Shop, holdout: Shop | None = None, settings: CompareSettings | None = None, *, run: Run
) -> Comparison:
    """Take every measure of `synthetic` beside `real`, and of real users beside other real users.

    `real` is what the synthesizer was fitted on, `holdout` real users that it never saw. Each figure is taken between
    as many users of both sides, drawn by the run's seed. A measure that has nothing to work on is left out, and why is
    said. Raises `InputError` where there are too few users, or no item in common.
    """
    settings = settings or CompareSettings()
    chosen = settings.chosen()
    figures: list[Figure] = []
    left_out: dict[str, str] = {}
    with run.limits():
        with run.task("read"):
            trio = gathered(real, synthetic, holdout, settings.groups, run)
        for name, measure in chosen.items():
            try:
                with run.task(name):
                    found = measure.compare(trio, run)
            except MissingExtraError as error:
                if name in settings.measures:
                    raise
                found = str(error)
            if isinstance(found, str):
                left_out[name] = found
            else:
                figures += found
    judged = [_judged(figure, settings.tolerance) for figure in figures]
    data = {
        "version": 1,
        "seed": run.seed,
        "settings": asdict(settings) | {"measures": list(chosen)},
        "shops": {
            name: {"meta": shop.meta, "events": shop.rows("events")}
            for name, shop in (("real", real), ("synthetic", synthetic), ("holdout", holdout))
            if shop is not None
        },
        "users": {
            "compared": len(trio.real),
            "real": len(trio.training),
            "reference": "halves of real" if trio.own is not None else "held out",
            "events": {name: len(s.log) for name, s in zip(("real", "again", "synthetic"), trio.samples, strict=True)},
        },
        "figures": judged,
        "left_out": left_out,
        "notes": trio.notes,
        "sentence": _sentence(judged, settings.tolerance),
    }
    return Comparison(data)


def _judged(figure: Figure, tolerance: float) -> dict[str, Any]:
    """A figure as JSON has it."""
    return asdict(figure) | {"ratio": figure.ratio, "verdict": figure.verdict(tolerance)}


def _sentence(figures: Sequence[dict[str, Any]], tolerance: float) -> str:
    """Say how many figures are where, and which are worst."""
    if not figures:
        return "Nothing could be compared."
    number = Counter(figure["verdict"] for figure in figures)
    said = (
        f"Of {len(figures)} figures {number[WITHIN]} are within {tolerance:g} times the floor, {number[CHANCE]} above "
        f"that by no more than chance, {number[BEYOND]} beyond."
    )
    worst = sorted((f for f in figures if f["verdict"] == BEYOND), key=lambda f: -(f["ratio"] or float("inf")))[:3]
    return said + (f" Furthest: {', '.join(_times(f) for f in worst)}." if worst else "")


def _times(figure: dict[str, Any]) -> str:
    ratio = figure["ratio"]
    without = "the floor is 0" if figure["floor"] == 0 else "nothing in common"
    return f"{figure['name']} ({without if ratio is None else f'{ratio:.2g} times the floor'})"


def shop_at(source: str | Path, folder: str | Path, run: Run) -> Shop:
    """Open the shop at `source`; anything else is read, as `wareloom read` does, into `folder`."""
    if (Path(source) / "shop.json").exists():
        return Shop.open(source)
    return read(source, to=folder, run=run)


def compare_paths(
    real: str | Path,
    synthetic: str | Path,
    holdout: Sequence[str | Path] = (),
    settings: CompareSettings | None = None,
    *,
    run: Run,
) -> Comparison:
    """Compare what lies at some paths: shops, or tables of any tool, which are read to a temporary folder."""
    from wareloom.shop.splits import together

    with tempfile.TemporaryDirectory(prefix="wareloom-") as place:
        folder = Path(place)
        sides = [shop_at(source, folder / str(i), run) for i, source in enumerate((real, synthetic, *holdout))]
        held = together(sides[2:]) if holdout else None
        return compare(sides[0], sides[1], held, settings, run=run)


def must_be_free(folder: Path) -> None:
    """Raise `OutputError` before anything is computed where the result could not be written to `folder`."""
    if folder.is_file():
        raise OutputError(f"{folder} is a file; choose a folder for --to.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "compare.json").exists():
        raise OutputError(f"{folder} holds something that is no comparison; choose another folder for --to.")
