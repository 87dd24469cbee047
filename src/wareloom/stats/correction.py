"""p-values of many comparisons, adjusted for how many there are."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def adjust(rows: list[dict[str, Any]], correction: str = "") -> None:
    """Give one family its `p_adjusted`, in place: Holm's, or Benjamini and Hochberg's where there are many."""
    correction = correction or ("benjamini-hochberg" if len(rows) > MANY else "holm")
    p = np.array([row["p"] for row in rows], dtype=float)
    adjusted = {"none": lambda p: p, "holm": holm, "benjamini-hochberg": benjamini_hochberg}[
        correction
    ](p)
    for row, value in zip(rows, adjusted, strict=True):
        row["p_adjusted"], row["correction"] = float(value), correction
