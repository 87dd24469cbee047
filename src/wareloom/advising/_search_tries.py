"""What is tried for search beside rankers that anyone can fit: a reader behind two stages, and what writes queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wareloom.advising._desk import Desk
from wareloom.core.run import Run
from wareloom.errors import WareloomError
from wareloom.experiment.engine import Bench, address_of
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.study import Cell
from wareloom.proof.search import QueryProofSettings, Search
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop

READS, LISTED = 20, 8
"""Items of a query that the reader orders, and that it is taught on"""
PAIR, TAUGHT = 2.0, 3.0
"""How many times longer than reading a title reading it with a query takes, and being taught by it than reading it"""
QUERIES, FEWEST = 3_000, 400
"""Queries that the reader is taught on, at most, and below which it is not worth it"""
FITS = 2
"""Times that it is taught: once to be chosen, once to be kept"""
SHARE = 0.5
"""Share of the seconds that are left which the reader may take"""
KINDS = ("attributes", "edits")
"""Synthesizers of queries"""
CONTROL = "spans"
"""Runs of words cut out of titles: what the others have to beat"""


def reader_queries(title: float, answered: int, seconds: float) -> tuple[int, float]:
    """How many queries a reader can be taught on, 0 where it does not fit, and the seconds that it takes.

    `title`: seconds in which the encoder reads one; `answered`: queries that are asked of it in all.
    """
    pair = PAIR * title
    asking, each = pair * READS * answered, FITS * TAUGHT * pair * LISTED
    queries = min(QUERIES, int(max(0.0, SHARE * seconds - asking) / max(each, 1e-9)))
    if queries < FEWEST:
        return 0, asking + each * FEWEST
    return queries, asking + each * queries


@dataclass(frozen=True)
class Written:
    """Which synthesizer of queries is worth a proof, for one ranker."""

    shop: Shop
    desk: Desk
    settings: Callable[[Generator], QueryProofSettings]
    ranker: str
    seconds: float
    """What the ranker took"""

    def run(self, left: Callable[[], float]) -> dict[str, Any]:
        """Try each on queries before the test part; `left`: seconds that are left for it.

        Returns "label", "" where none was tried, "ranker", "real" and "tried": pairs of label and value.
        """
        tried: dict[str, float] = {}
        real = self._value("", REAL, left())
        for name in (*KINDS, CONTROL):
            if real is None or 2 * self.seconds > left():
                self.desk.left_out[f"queries of {name}"] = (
                    f"it would take about {2 * self.seconds:.0f} s"
                )
                continue
            self.desk.say(f"search: queries of {name} for {self.ranker}")
            if (value := self._value(name, MIXED, left())) is not None:
                tried[name] = value
        label = max((n for n in KINDS if n in tried), key=lambda n: tried[n], default="")
        return {"label": label, "ranker": self.ranker, "real": real, "tried": tried}

    def _value(self, name: str, arm: str, seconds: float) -> float | None:
        """What the ranker reaches on the validation part with the queries of a synthesizer, or without."""
        generator = Generator(synthesizer=name or KINDS[0], screens=())
        label = f"queries of {name}" if name else f"{self.ranker} without synthetic queries"
        work = partial(valued, self.shop, self.settings(generator), arm, self.desk.cells)
        try:
            found: float | None = self.desk.tried(label, seconds, work)
        except WareloomError as error:
            self.desk.left_out[label] = str(error)
            return None
        return found


def valued(shop: Shop, settings: QueryProofSettings, arm: str, run: Run) -> float:
    """What a ranker reaches on the validation part by one arm of a proof."""
    study = Search(shop, settings, run)
    bench = Bench(study, study.modes[0], address_of(run))
    found = bench.get(Cell(arm=arm, seed=0, part="validation"))
    return float(found.overall[settings.headline])


def written_says(found: Mapping[str, Any] | None) -> list[str]:
    """What is said of synthesizers of queries."""
    if not found or not found["tried"]:
        return []
    tried: Mapping[str, float] = found["tried"]
    each = ", ".join(f"{name} {value:.4f}" for name, value in best_first(tried))
    said = [
        f"Queries of several synthesizers were tried with {found['ranker']} before the test part, once each: "
        f"{each}; real data alone {found['real']:.4f}."
    ]
    if CONTROL in tried and tried[CONTROL] >= max(
        (v for n, v in tried.items() if n != CONTROL), default=0.0
    ):
        said.append(
            f"None is ahead of {CONTROL}, runs of words cut out of titles: what they teach is the words of titles."
        )
    return said


def best_first(values: Mapping[str, float]) -> Sequence[tuple[str, float]]:
    """Pairs of name and value, the highest first."""
    return sorted(values.items(), key=lambda pair: -pair[1])
