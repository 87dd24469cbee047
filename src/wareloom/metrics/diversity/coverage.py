"""Catalogue coverage@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wareloom.metrics import ListMetric, Ranked, exposure


@dataclass(kw_only=True, eq=False)
class Coverage(ListMetric):
    """Share of the catalogue that stands in at least one list.

    Ge, Delgado-Battenfeld and Jannach (2010).
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def measure(self, ranked: Ranked) -> float:
        shown = exposure(ranked, self.k)
        return float((shown > 0).mean()) if len(shown) else float("nan")
