"""What every figure of a comparison keeps to."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from wareloom.metrics.likeness.measure import Figure


def told_well(name: str, found: list[Figure]) -> None:
    """Hold figures to it: they bear the measure's name, are finite, from 0, within their intervals, and JSON."""
    assert len({figure.name for figure in found}) == len(found) >= 1
    for figure in found:
        assert figure.name.partition(".")[0] == name
        assert figure.unit
        ends = figure.low, figure.high, figure.floor_low, figure.floor_high
        numbers = (figure.value, figure.floor, *ends)
        assert all(math.isfinite(number) for number in numbers)
        assert 0 <= figure.low <= figure.value <= figure.high
        assert 0 <= figure.floor_low <= figure.floor_high
        assert max(numbers) <= 1 or not figure.bounded
        json.dumps(asdict(figure), allow_nan=False)
