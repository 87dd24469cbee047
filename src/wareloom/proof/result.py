"""What a proof says, as one JSON value: arms, comparisons, verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.state import read_json, write_json
from wareloom.errors import SourceError
from wareloom.proof.arms import MIXED, Plan
from wareloom.proof.decide import decide
from wareloom.proof.families import correct
from wareloom.proof.settings import ProofSettings
from wareloom.proof.story import story
from wareloom.proof.table import Table
from wareloom.shop import Shop

VERSION = 2
"""Of what `proof.json` holds"""


@dataclass(frozen=True)
class Proof:
    """The outcome of an experiment; `data` is what `proof.json` holds."""

    data: dict[str, Any]

    @property
    def verdict(self) -> str:
        """ "helps", "helps, but" (a slice falls beyond the guard), "no evidence" or "hurts"."""
        return str(self.data["verdict"])

    def arms(self) -> pl.DataFrame:
        """Columns ties, arm, slice, metric, mean, low, high, requests."""
        return pl.DataFrame(self.data["arms"], infer_schema_length=None)

    def comparisons(self) -> pl.DataFrame:
        """Columns ties, arm, against, slice, metric, difference, low, high, lift, lift_low, lift_high, p, verdict.

        And `family`, `p_adjusted` for the number of comparisons of that family, and the `correction` used.
        """
        return pl.DataFrame(self.data["comparisons"], infer_schema_length=None)

    def power(self) -> pl.DataFrame:
        """What could have been found against each control, and how many users or seeds it would take to find more."""
        return pl.DataFrame(self.data["power"], infer_schema_length=None)

    def headline(self) -> pl.DataFrame:
        """The comparisons on the deciding metric: columns arm, against, lift, lift_low, lift_high, p, verdict."""
        decisive = self.data["decisive"]
        rows = self.comparisons().filter(
            (pl.col("ties") == decisive["ties"])
            & (pl.col("metric") == decisive["metric"])
            & (pl.col("slice") == "all")
        )
        return rows.select("arm", "against", "lift", "lift_low", "lift_high", "p", "verdict")

    def save(self, folder: str | Path) -> None:
        """Write `proof.json` into `folder`, which is made; an older proof there is replaced."""
        with replacing(Path(folder), marker="proof.json") as partial:
            write_json(partial / "proof.json", self.data)

    @classmethod
    def open(cls, folder: str | Path) -> Proof:
        """Read what `save` wrote; raises `SourceError` where another version of Wareloom wrote it."""
        data = read_json(Path(folder) / "proof.json")
        if data.get("version") != VERSION:
            raise SourceError(
                f"{folder} holds a proof of another version of Wareloom: prove it again, or use that one."
            )
        return cls(data)

    def __str__(self) -> str:
        return f"{self.data['sentence']}"


def summarise(
    shop: Shop, settings: ProofSettings, seed: int, plan: Plan, modes: list[dict[str, Any]]
) -> Proof:
    """Turn the cells of all modes into arms, comparisons and one verdict; the first mode decides."""
    headline = settings.metrics[0]
    run = Run(seed=seed)
    tables = [
        Table(mode, settings.seeds, plan, run.rng("bootstrap", mode["ties"])) for mode in modes
    ]
    comparisons = [row for table in tables for row in table.comparisons()]
    correct(comparisons, headline, plan.controls)
    data: dict[str, Any] = {
        "version": VERSION,
        "shop": {
            "meta": shop.meta,
            "fingerprint": shop.fingerprint,
            **{t: shop.rows(t) for t in shop.names},
        },
        "settings": asdict(settings),
        "seed": seed,
        "modes": [
            {k: v for k, v in mode.items() if k not in ("cells", "baselines", "explored")}
            for mode in modes
        ],
        "arms": [row for table in tables for row in table.arms()],
        "arms_left_out": plan.left_out,
        "training": [row for table in tables for row in table.training()],
        "comparisons": comparisons,
        "baselines": [row for table in tables for row in table.baselines()],
        "power": tables[0].power(headline, MIXED, settings.effect),
        "explored": modes[0]["explored"],
        **decide(comparisons, modes[0]["ties"], headline, plan.controls, settings.guard),
    }
    data["story"] = story(data)
    return Proof(_rounded(data))


def _rounded(value: Any) -> Any:
    """Keep eight significant digits of every float: more would only differ between processors."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.8g}") if np.isfinite(value) else None
    return value
