"""Compare a synthetic shop with a real one: every measure beside its floor."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from wareloom.core import frames, notebook
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.core.state import read_json
from wareloom.errors import InputError, MissingExtraError, SettingError, SourceError, near
from wareloom.metrics import metrics_of
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure
from wareloom.metrics.likeness.dialogues.samples import (
    DialogueTrio,
    gathered_dialogues,
    has_dialogues,
)
from wareloom.metrics.likeness.measure import BEYOND, CHANCE, WITHIN, Figure, Measure
from wareloom.metrics.likeness.pictures.measure import PictureMeasure
from wareloom.metrics.likeness.pictures.samples import (
    PictureTrio,
    gathered_pictures,
    pictures_apart,
)
from wareloom.metrics.likeness.queries.measure import QueryMeasure
from wareloom.metrics.likeness.queries.samples import QueryTrio, gathered_queries, has_queries
from wareloom.metrics.likeness.samples import Trio, gathered
from wareloom.readers import read
from wareloom.shop import Shop

SLOW = ("sequence_discriminator",)
"""Measures that are taken only where they are asked for."""
NO_QUERIES = "not both sides have searches or judgments: there are no queries to compare"
NO_PICTURES = "not both sides have pictures: there are none to compare"
NO_DIALOGUES = "not both sides have dialogues: there are none to compare"
NO_EVENTS = "not both sides have events: there is no behaviour to compare"


AnyMeasure = Measure | QueryMeasure | PictureMeasure | DialogueMeasure
AnyTrio = Trio | QueryTrio | PictureTrio | DialogueTrio
Side = TypeVar("Side")


@dataclass(frozen=True)
class Sides:
    """The samples of each kind, or why there are none of it."""

    users: Trio | str
    queries: QueryTrio | str
    pictures: PictureTrio | str
    dialogues: DialogueTrio | str

    def of(self, measure: AnyMeasure) -> AnyTrio | str:
        """What a measure compares, or why there is nothing for it."""
        if isinstance(measure, PictureMeasure):
            return self.pictures
        if isinstance(measure, DialogueMeasure):
            return self.dialogues
        return self.queries if isinstance(measure, QueryMeasure) else self.users

    def there(self) -> list[AnyTrio]:
        """The samples that there are."""
        every = (self.users, self.queries, self.pictures, self.dialogues)
        return [one for one in every if not isinstance(one, str)]


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Which measures are taken, and how they are judged."""

    measures: tuple[str, ...] = ()
    """Names of measures; all quick ones of what SYNTH has (events, queries, …) where none are named."""
    gru: bool = False
    """Whether the network that reads sequences, too, tells synthetic users from real ones."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of measures, by their names."""
    tolerance: float = 1.25
    """Times the floor up to which a figure is said to be within it."""
    groups: int = 20
    """Groups of users, or of queries, by which intervals and floors are found."""

    def chosen(self) -> dict[str, AnyMeasure]:
        """Make the measures; raises `SettingError` or `UnknownNameError` for what could not work."""
        if not 1 <= self.tolerance < float("inf") or not 5 <= self.groups <= 100:
            raise SettingError(
                f"compare: tolerance is {self.tolerance:g} and groups {self.groups}; give 1 or more, and 5 to 100."
            )
        known = measures() + query_measures() + picture_measures() + dialogue_measures()
        names = list(dict.fromkeys(self.measures or [name for name in known if name not in SLOW]))
        names += [name for name in SLOW if self.gru and name not in names]
        for name in (*names, *self.settings):
            if ":" not in name and name not in known:
                raise SettingError(
                    f"No measure of a comparison is called {name!r}.{near(name, known)} Known: {', '.join(known)}."
                )
        if stray := [name for name in self.settings if name not in names]:
            raise SettingError(
                f"compare: there are settings of {stray[0]}, which is not among the measures taken."
            )
        return {name: METRICS.make(name, **self.settings.get(name, {})) for name in names}


def picture_measures() -> list[str]:
    """Names of all measures of pictures, sorted."""
    return metrics_of("pictures")


def query_measures() -> list[str]:
    """Names of all measures of queries, sorted."""
    return metrics_of("queries")


def dialogue_measures() -> list[str]:
    """Names of all measures of dialogues, sorted."""
    return metrics_of("dialogues")


def measures() -> list[str]:
    """Names of all measures of users, sorted."""
    return metrics_of("users")


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; `data` is what `compare.json` holds."""

    data: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Comparison:
        """Read `compare.json` in a folder; raises `SourceError` where that is damaged."""
        path = Path(folder) / "compare.json"
        data = read_json(path)
        if not isinstance(data, dict) or not {"figures", "sentence", "left_out"} <= data.keys():
            raise SourceError(f"{path} is no comparison: was it edited? Compare anew.")
        return cls(data)

    def table(self) -> pl.DataFrame:
        """Columns measure, value, low, high, floor, floor_low, floor_high, ratio, verdict, unit."""
        numbers = ("value", "low", "high", "floor", "floor_low", "floor_high", "ratio")
        types = {
            "measure": pl.String(),
            **dict.fromkeys(numbers, pl.Float64()),
            "verdict": pl.String(),
        }
        rows = [{"measure": figure["name"], **figure} for figure in self.data["figures"]]
        return pl.DataFrame(rows, schema=types | {"unit": pl.String()})

    def to_polars(self) -> pl.DataFrame:
        """Return the figures as a frame of polars, as `table` does."""
        return self.table()

    def to_pandas(self) -> Any:
        """Return the figures as a frame of pandas; raises `MissingExtraError` where pandas is not installed."""
        return frames.to_pandas(self.table())

    def figure(self, name: str) -> dict[str, Any]:
        """Return one figure by its name; raises `SettingError` where there is none of it."""
        for figure in self.data["figures"]:
            if figure["name"] == name:
                return dict(figure)
        known = [figure["name"] for figure in self.data["figures"]]
        why = self.data["left_out"].get(name)
        raise SettingError(
            f"The comparison has no figure {name!r}{f': {why}' if why else ''}.{near(name, known)}"
        )

    def __str__(self) -> str:
        return str(self.data["sentence"])

    def __repr__(self) -> str:
        return notebook.line("Comparison", str(self))

    def _repr_html_(self) -> str:
        shops = {side: one["meta"].get("name") for side, one in self.data["shops"].items()}
        columns = ("measure", "value", "low", "high", "floor", "ratio", "verdict")
        table = self.table().select(columns)
        figures = notebook.Table("Figures beside their floor", columns, table.iter_rows())
        left_out = self.data["left_out"]
        note = f"Left out: {', '.join(left_out)}." if left_out else ""
        facts = {side: name for side, name in shops.items() if name}
        return notebook.card("Comparison", str(self), facts, [figures], note)


def compare(
    real: Shop,
    synthetic: Shop,
    holdout: Shop | None = None,
    settings: CompareSettings | None = None,
    *,
    run: Run,
) -> Comparison:
    """Take every measure of `synthetic` beside `real`, and of real users and queries beside other real ones.

    `real` is what the synthesizer was fitted on, `holdout` real users or queries that it never saw. Behaviour is
    compared where there are events, queries where there are searches or judgments; each figure between as many of both
    sides, drawn by the run's seed. A measure that has nothing to work on is left out, and why is said. Raises
    `InputError` where there are too few users or queries, or no item in common.
    """
    settings = settings or CompareSettings()
    chosen = settings.chosen()
    with run.limits():
        with run.task("read"):
            sides = _read(real, synthetic, holdout, settings, run)
        silent = (NO_EVENTS, NO_QUERIES, NO_PICTURES, NO_DIALOGUES)
        taken = {
            name: measure
            for name, measure in chosen.items()
            if name in settings.measures or sides.of(measure) not in silent
        }
        figures, left_out = _figures(taken, sides, settings, run)
    judged = [_verdict(figure, settings.tolerance) for figure in figures]
    data = {
        "version": 1,
        "seed": run.seed,
        "settings": asdict(settings) | {"measures": list(taken)},
        "shops": {
            name: {"meta": shop.meta, "events": shop.rows("events")}
            for name, shop in (("real", real), ("synthetic", synthetic), ("holdout", holdout))
            if shop is not None
        },
        "users": None if isinstance(sides.users, str) else _users(sides.users),
        "queries": None if isinstance(sides.queries, str) else _queries(sides.queries),
        "pictures": None if isinstance(sides.pictures, str) else _pictures(sides.pictures),
        "dialogues": None if isinstance(sides.dialogues, str) else _dialogues(sides.dialogues),
        "figures": judged,
        "left_out": left_out,
        "notes": [note for side in sides.there() for note in side.notes],
        "sentence": _sentence(judged, settings.tolerance),
    }
    return Comparison(data)


def _read(
    real: Shop, synthetic: Shop, holdout: Shop | None, settings: CompareSettings, run: Run
) -> Sides:
    """The samples of users, queries, pictures and dialogues, or why there are none.

    What cannot be compared stops nothing where there is something else; alone it raises its own error.
    """
    parts, groups = (real, synthetic, holdout), settings.groups
    behaved = bool(synthetic.rows("events") and real.rows("events"))
    asked = has_queries(synthetic)
    talked = has_dialogues(real) and has_dialogues(synthetic)
    bare = not (synthetic.rows("events") or asked or has_dialogues(synthetic))
    pictured = pictures_apart(real, synthetic, alone=bare)
    others = behaved or pictured or talked
    alone = behaved + asked + pictured + talked == 1

    def side(there: bool, none: str, gather: Callable[[], Side]) -> Side | str:
        if not there:
            return none
        try:
            return gather()
        except (InputError, MissingExtraError) as error:
            if alone:
                raise
            return str(error)

    users: Trio | str = NO_EVENTS
    if behaved or not (asked or pictured or talked):
        users = gathered(*parts, groups, run)
    both = asked and any(has_queries(shop) for shop in (real, holdout) if shop is not None)
    return Sides(
        users,
        side(
            both or (asked and not others),
            NO_QUERIES,
            lambda: gathered_queries(*parts, groups, run),
        ),
        side(pictured, NO_PICTURES, lambda: gathered_pictures(*parts, run)),
        side(talked, NO_DIALOGUES, lambda: gathered_dialogues(*parts, groups, run)),
    )


def _figures(
    chosen: dict[str, AnyMeasure], sides: Sides, settings: CompareSettings, run: Run
) -> tuple[list[Figure], dict[str, str]]:
    """The figures of all measures, and by measure why there are none."""
    figures, left_out = list[Figure](), dict[str, str]()
    with run.task("measures", len(chosen)) as advance:
        for name, measure in chosen.items():
            found: list[Figure] | str
            of = sides.of(measure)
            try:
                with run.task(name):
                    found = of if isinstance(of, str) else measure.compare(of, run)  # type: ignore[arg-type]
            except MissingExtraError as error:
                if name in settings.measures:
                    raise
                found = str(error)
            if isinstance(found, str):
                left_out[name] = found
            else:
                figures += found
            advance()
    return figures, left_out


def _users(trio: Trio) -> dict[str, Any]:
    """Which users were compared, as JSON has it."""
    return {
        "compared": len(trio.real),
        "real": len(trio.training),
        "reference": "halves of real" if trio.own is not None else "held out",
        "events": {
            name: len(s.log)
            for name, s in zip(("real", "again", "synthetic"), trio.samples, strict=True)
        },
    }


def _queries(trio: QueryTrio) -> dict[str, Any]:
    """Which queries were compared, as JSON has it."""
    names = {"REAL": "real", "SYNTH": "synthetic", "the holdout": "holdout"}
    return {
        "compared": len(trio.real),
        "reference": trio.reference,
        "shops": {names[name]: number for name, number in trio.sizes.items()},
    }


def _pictures(trio: PictureTrio) -> dict[str, Any]:
    """Which pictures were compared, as JSON has it."""
    return {
        "compared": trio.size,
        "reference": "held out" if trio.held_out else "halves of real",
        "shops": trio.sizes,
    }


def _dialogues(trio: DialogueTrio) -> dict[str, Any]:
    """Which dialogues were compared, as JSON has it."""
    return {"compared": len(trio.real), "reference": trio.reference, "shops": trio.sizes}


def _verdict(figure: Figure, tolerance: float) -> dict[str, Any]:
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
    worst = sorted(
        (f for f in figures if f["verdict"] == BEYOND), key=lambda f: -(f["ratio"] or float("inf"))
    )[:3]
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
    from wareloom.preparing.splits import together

    with tempfile.TemporaryDirectory(prefix="wareloom-") as place:
        folder = Path(place)
        sides = [
            shop_at(source, folder / str(i), run)
            for i, source in enumerate((real, synthetic, *holdout))
        ]
        held = together(sides[2:]) if holdout else None
        return compare(sides[0], sides[1], held, settings, run=run)
