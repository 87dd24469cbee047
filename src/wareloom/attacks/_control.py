"""An attack's success beyond what it has on people that the synthetic shop cannot know."""

from __future__ import annotations

import numpy as np

from wareloom.metrics.likeness.measure import wilson


def beyond_control(what: str, attack: np.ndarray, control: np.ndarray) -> dict[str, float]:
    """Success rates and the risk (attack - control) / (1 - control), at most 0 where the control does better.

    `attack` and `control`: whether each try succeeded, bool. The ends of the risk's interval come of Wilson's for both
    rates: Giomi, Boenisch, Wehmeyer and Tasnadi, “A unified framework for quantifying privacy risk in synthetic data”
    (PETS 2023).
    """
    a, c = (float(np.mean(side)) if len(side) else 0.0 for side in (attack, control))
    (a_low, a_high), (c_low, c_high) = (
        wilson(int(np.sum(side)), len(side)) if len(side) else (0.0, 1.0)
        for side in (attack, control)
    )
    ends = {"": (a, c), " low": (a_low, c_high), " high": (a_high, c_low)}
    risks = {f"risk{end}": (x - y) / (1 - y) if y < 1 else 0.0 for end, (x, y) in ends.items()}
    return {f"{what} of members": a, f"{what} of others": c, **risks}
