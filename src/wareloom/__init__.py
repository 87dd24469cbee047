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
    # By the same name again: to type checkers and editors that says that it is public.
    from wareloom.advising import Advice as Advice
    from wareloom.api import advise as advise
    from wareloom.api import agree as agree
    from wareloom.api import clean as clean
    from wareloom.api import compare as compare
    from wareloom.api import evaluate as evaluate
    from wareloom.api import leaderboard as leaderboard
    from wareloom.api import mix as mix
    from wareloom.api import pretrain as pretrain
    from wareloom.api import prove as prove
    from wareloom.api import sample as sample
    from wareloom.api import screen as screen
    from wareloom.api import segment as segment
    from wareloom.api import split as split
    from wareloom.bundle import Bundle as Bundle
    from wareloom.core.run import Run as Run
    from wareloom.errors import WareloomError as WareloomError
    from wareloom.evaluation.compare import Comparison as Comparison
    from wareloom.experiment.result import Proof as Proof
    from wareloom.makers import mixer as mixer
    from wareloom.makers import ranker as ranker
    from wareloom.makers import synthesizer as synthesizer
    from wareloom.opening import list as list
    from wareloom.opening import open as open
    from wareloom.preparing.features import features as features
    from wareloom.preparing.statistics import statistics as statistics
    from wareloom.readers import read as read
    from wareloom.recipe import Recipe as Recipe
    from wareloom.recipe import run_recipe as run_recipe
    from wareloom.recipe.freeze import freeze as freeze
    from wareloom.report import write_report as write_report
    from wareloom.shop import Log as Log
    from wareloom.shop import Requests as Requests
    from wareloom.shop import Shop as Shop
    from wareloom.synthesis import Given as Given
    from wareloom.synthesis import GivenItems as GivenItems
    from wareloom.synthesis import GivenQueries as GivenQueries


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wareloom' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> builtins.list[str]:
    return sorted([*__all__, *_BUILTINS])
