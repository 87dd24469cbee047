"""The base of measures of synthetic dialogues beside real ones."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.asked import Kind, a_run, of_class
from wareloom.core.family import METRICS, Algorithm, Family
from wareloom.metrics.likeness.dialogues.samples import DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Compares, CountedTexts, Figure, jackknifed


@dataclass(kw_only=True, eq=False)
class DialogueMeasure(Compares, Algorithm, ABC):
    """Base of the measures that compare samples of dialogues. Lower is better in all of them."""

    family: ClassVar[Family] = METRICS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "compare": {
            "trio": of_class(
                "a DialogueTrio: wl.compare(real, synthetic) makes one of shops", DialogueTrio
            ),
            "run": a_run,
        }
    }
    judges: ClassVar[str] = "dialogues"


@dataclass(kw_only=True, eq=False)
class CountedDialogues(CountedTexts, DialogueMeasure, ABC):
    """Base of the measures that are a distance between counts of dialogues."""

    empty: ClassVar[str] = "no dialogue of {side} has anything of it"


def difference(
    name: str,
    number: Callable[[DialogueSample], float],
    trio: DialogueTrio,
    unit: str,
    about: dict[str, Any] | None = None,
) -> Figure:
    """Make the figure of how far a number of the synthetic sample is from that of the real one.

    Intervals: the jackknife over groups, as those of counts.
    """
    values = [number(sample) for sample in trio.samples]
    left = []
    for sample in trio.samples:
        groups = sample.group
        parts = [sample.select(np.flatnonzero(groups != g)) for g in range(sample.groups)]
        left.append(np.array([number(part) for part in parts]))
    value, floor = abs(values[2] - values[0]), abs(values[1] - values[0])
    ends = jackknifed(value, np.abs(left[2] - left[0]))
    floor_ends = jackknifed(floor, np.abs(left[1] - left[0]))
    return Figure(
        name=name,
        value=value,
        low=max(0.0, min(ends[0], value)),
        high=max(ends[1], value),
        floor=floor,
        floor_low=max(0.0, min(floor_ends[0], floor)),
        floor_high=max(floor_ends[1], floor),
        unit=unit,
        real=values[0],
        synthetic=values[2],
        about=about or {},
    )
