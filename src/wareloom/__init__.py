"""Wareloom: synthesise what a shop's data lacks, and prove on real held-out data whether it helped.

    import wareloom as wl

    shop = wl.read("export/", to="shop/")
    train, validation, test = wl.split(shop, last="14d")
    synthetic = wl.synthesizer("markov").fit(train, wl.Run(seed=7)).sample(10_000, wl.Run(seed=8))
    proof = wl.prove(shop, synthesizer="markov", ranker="transitions", seeds=3)

Names are loaded on first use; importing the package alone imports nothing heavy.
"""

from __future__ import annotations

import builtins
import importlib
from typing import TYPE_CHECKING, Any

from wareloom._version import __version__

_HOMES = {
    "Bundle": "wareloom.bundle",
    "Given": "wareloom.synthesis",
    "GivenItems": "wareloom.synthesis",
    "GivenQueries": "wareloom.synthesis",
    "Log": "wareloom.shop",
    "Proof": "wareloom.experiment.result",
    "Recipe": "wareloom.recipe",
    "Requests": "wareloom.shop",
    "Run": "wareloom.core.run",
    "Shop": "wareloom.shop",
    "WareloomError": "wareloom.errors",
    "Comparison": "wareloom.evaluation.compare",
    "Advice": "wareloom.advising",
    "advise": "wareloom.api",
    "agree": "wareloom.api",
    "clean": "wareloom.api",
    "compare": "wareloom.api",
    "evaluate": "wareloom.api",
    "features": "wareloom.preparing.features",
    "freeze": "wareloom.recipe.freeze",
    "mix": "wareloom.api",
    "mixer": "wareloom.makers",
    "leaderboard": "wareloom.api",
    "list": "wareloom.opening",
    "open": "wareloom.opening",
    "pretrain": "wareloom.api",
    "prove": "wareloom.api",
    "ranker": "wareloom.makers",
    "read": "wareloom.readers",
    "write_report": "wareloom.report",
    "run_recipe": "wareloom.recipe",
    "sample": "wareloom.api",
    "screen": "wareloom.api",
    "segment": "wareloom.api",
    "split": "wareloom.api",
    "statistics": "wareloom.preparing.statistics",
    "synthesizer": "wareloom.makers",
}
"""Where each public name lives."""

_BUILTINS = ("list", "open")
"""Names that `from wareloom import *` leaves out: Python has its own"""

__all__ = sorted({*_HOMES, "__version__"} - {*_BUILTINS})

if TYPE_CHECKING:
    from wareloom.advising import Advice
    from wareloom.api import (
        advise,
        agree,
        clean,
        compare,
        evaluate,
        leaderboard,
        mix,
        pretrain,
        prove,
        sample,
        screen,
        segment,
        split,
    )
    from wareloom.bundle import Bundle
    from wareloom.core.run import Run
    from wareloom.errors import WareloomError
    from wareloom.evaluation.compare import Comparison
    from wareloom.experiment.result import Proof
    from wareloom.makers import mixer, ranker, synthesizer
    from wareloom.opening import list, open
    from wareloom.preparing.features import features
    from wareloom.preparing.statistics import statistics
    from wareloom.readers import read
    from wareloom.recipe import Recipe, run_recipe
    from wareloom.recipe.freeze import freeze
    from wareloom.report import write_report
    from wareloom.shop import Log, Requests, Shop
    from wareloom.synthesis import Given, GivenItems, GivenQueries


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wareloom' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> builtins.list[str]:
    return sorted([*__all__, *_BUILTINS])
