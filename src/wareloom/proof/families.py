"""The families of comparisons of a proof, each corrected by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wareloom.experiment.plan import CONTROLS, MIXED
from wareloom.stats.correction import adjust


def family(row: dict[str, Any], metric: str, controls: Sequence[str]) -> str:
    """Say which questions a comparison is one of.

    "decisive", or "reference" where its pair of arms decides nothing; "slices", "metrics" or "slices of other metrics".
    """
    if row["slice"] != "all":
        return "slices" if row["metric"] == metric else "slices of other metrics"
    if row["metric"] != metric:
        return "metrics"
    return "decisive" if row["arm"] == MIXED and row["against"] in controls else "reference"


def correct(rows: list[dict[str, Any]], metric: str, controls: Sequence[str] = CONTROLS) -> None:
    """Give every comparison its `family`, `p_adjusted` and the `correction` that was used, in place.

    A family is one pair of arms, one way to order ties and one kind of question. The deciding metric over all requests
    is one question a control, and all of them have to be answered yes: to find that by chance, the one control that is
    truly not beaten has to be beaten by chance, at most the level of a single test (intersection-union, Berger 1982).
    So its p-value stays as it is.
    """
    families: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        row["family"] = family(row, metric, controls)
        families.setdefault((row["ties"], row["arm"], row["against"], row["family"]), []).append(
            row
        )
    for key, members in families.items():
        adjust(members, "none" if key[-1] in ("decisive", "reference") else "")
