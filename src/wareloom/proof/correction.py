"""p-values of many comparisons, adjusted for how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wareloom.proof.arms import CONTROLS, MIXED

MANY = 20
"""Families larger than this are held to the share of false finds instead of the chance of a single one"""


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust so that the chance of one false find in the family is held (Holm 1979): float64 [tests]."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjust so that the expected share of false finds is held (Benjamini and Hochberg 1995): float64 [tests]."""
    order = np.argsort(p, kind="stable")[::-1]
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


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
        families.setdefault((row["ties"], row["arm"], row["against"], row["family"]), []).append(row)
    for key, members in families.items():
        adjust(members, "none" if key[-1] in ("decisive", "reference") else "")


def adjust(rows: list[dict[str, Any]], correction: str = "") -> None:
    """Give one family its `p_adjusted`, in place: Holm's, or Benjamini and Hochberg's where there are many."""
    correction = correction or ("benjamini-hochberg" if len(rows) > MANY else "holm")
    p = np.array([row["p"] for row in rows], dtype=float)
    adjusted = {"none": lambda p: p, "holm": holm, "benjamini-hochberg": benjamini_hochberg}[correction](p)
    for row, value in zip(rows, adjusted, strict=True):
        row["p_adjusted"], row["correction"] = float(value), correction
