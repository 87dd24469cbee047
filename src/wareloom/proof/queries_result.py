"""What a proof of search says, in the form of every proof; its requests are queries."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wareloom.core.run import Run
from wareloom.proof.arms import MIXED, Plan
from wareloom.proof.decide import decide
from wareloom.proof.families import correct
from wareloom.proof.result import VERSION, Proof, _rounded
from wareloom.proof.story import story
from wareloom.proof.table import Table
from wareloom.shop import Shop

if TYPE_CHECKING:
    from wareloom.proof.queries import QueryProofSettings


def summarise_queries(
    shop: Shop, settings: QueryProofSettings, seed: int, plan: Plan, mode: dict[str, Any]
) -> Proof:
    """Turn the cells into arms, comparisons, power and one verdict."""
    headline = settings.headline
    table = Table(mode, settings.seeds, plan, Run(seed=seed).rng("bootstrap", "search"))
    comparisons = table.comparisons()
    correct(comparisons, headline, plan.controls)
    data: dict[str, Any] = {
        "version": VERSION,
        "kind": "search",
        "shop": {
            "meta": shop.meta,
            "fingerprint": shop.fingerprint,
            **{t: shop.rows(t) for t in shop.names},
        },
        "settings": asdict(settings),
        "seed": seed,
        "modes": [{k: v for k, v in mode.items() if k not in ("cells", "baselines")}],
        "arms": table.arms(),
        "arms_left_out": plan.left_out,
        "training": table.training(),
        "comparisons": comparisons,
        "baselines": table.baselines(),
        "power": table.power(headline, MIXED, settings.effect),
        "explored": {},
        **decide(comparisons, mode["ties"], headline, plan.controls, settings.guard),
    }
    data["story"] = story(data)
    return Proof(_rounded(data))
