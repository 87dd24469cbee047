"""What of another shop's behaviour travels as a sample, while its log stays where it is? Proofs of transfer.

    python benchmarks/transfer.py [--only CASE ...] [--shares S ...] [--generators NAME ...] [--runs DIR] [--json FILE]

The users of a log are dealt to two shops of one catalogue. This one has a share of its own training users; a generator
fitted on the other's log draws shoppers, whose sample is added to what this shop's `stack` of rankers, with weights
learned on its own last events, is trained on. Leave-last-out, events of one time in random order, whole catalogue; the
limit is the other log itself. The ratio is chosen on the validation part. Finished cells are kept in DIR, so that the
same call goes on where it was stopped. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.result import Proof
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.prove import prove
from wareloom.proof.transfer import LIMIT, TransferProofSettings
from wareloom.readers import read
from wareloom.sampling.generator import Generator
from wareloom.screening import of_owners, owners
from wareloom.shop import Shop

METRIC = "ndcg@10"


class Case(NamedTuple):
    """A log, the members of the system, how often all is drawn anew, the generators and shares where none are named."""

    log: str
    title: str
    members: tuple[str, ...]
    seeds: int
    generators: tuple[str, ...]
    shares: tuple[float, ...] = (0.05, 0.2)
    updates: int = 0
    """Gradient updates of a network in it; 0 where there is none"""


BEAUTY = ("transitions", "item_knn", "text_knn", "attributes")
CASES = {
    "beauty": Case("amazon_beauty", "Amazon Beauty", BEAUTY, 3, ("chain",)),
    "beauty-network": Case(
        "amazon_beauty",
        "Amazon Beauty, SASRec a member",
        (*BEAUTY, "sasrec"),
        1,
        ("chain",),
        (0.05,),
        1_000,
    ),
    "yoochoose": Case(
        "yoochoose100k", "YooChoose", ("transitions", "session_knn"), 3, ("chain", "outlines")
    ),
}
GENERATORS = {
    "chain": Generator(settings={"structure": "chain"}),
    "outlines": Generator(settings={"structure": "outline"}),
}


def halves(shop: Shop) -> tuple[Shop, Shop]:
    """The same catalogue with half of the users each."""
    ids = owners(shop).sort()
    order = Run(seed=0).rng("two shops").permutation(len(ids))
    parts = np.array_split(order, 2)
    return of_owners(shop, ids.gather(np.sort(parts[0]))), of_owners(
        shop, ids.gather(np.sort(parts[1]))
    )


def row_of(proof: Proof) -> dict[str, Any]:
    """What the page shows of a proof."""
    arms = proof.arms().filter(pl.col("metric") == METRIC, pl.col("slice") == "all")
    keys = ("arm", "against", "lift", "lift_low", "lift_high")
    lifts = proof.headline().select(keys).rows(named=True)
    return {
        "alone": arms.filter(pl.col("arm") == REAL)["mean"].item(),
        "arms": dict(zip(arms["arm"], arms["mean"], strict=True)),
        "lifts": [row for row in lifts if row["against"] == REAL or row["arm"] == MIXED],
        "kept": proof.data["explored"]["kept"],
        "ratio": proof.choice["ratio"],
        "verdict": proof.verdict,
        "sentence": str(proof),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--shares", type=float, nargs="+")
    parser.add_argument("--generators", nargs="+", choices=list(GENERATORS))
    parser.add_argument("--draws", type=int, default=TransferProofSettings().draws)
    parser.add_argument("--runs", type=Path, help="where finished cells are kept")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only:
            case, runs = CASES[name], (chosen.runs or Path(folder)) / name
            here, there = halves(read(data(case.log), to=f"{folder}/{name}").in_memory())
            there.save(runs / "other")
            for generator in chosen.generators or case.generators:
                for share in chosen.shares or case.shares:
                    settings = TransferProofSettings(
                        others=(str(runs / "other"),),
                        own=share,
                        draws=chosen.draws,
                        generator=GENERATORS[generator],
                        ranker_settings={"members": case.members},
                        baselines={},
                        seeds=case.seeds,
                        updates=case.updates,
                        metrics=(METRIC,),
                        split=SplitSettings(by="leave-last-out"),
                    )
                    run = Run(seed=0, threads=1, cache=runs / "cells")
                    proof = prove(here, settings, run)
                    head = {"data": case.title, "generator": generator, "share": share}
                    rows.append(head | {"seeds": case.seeds, "draws": chosen.draws} | row_of(proof))
                    told(rows[-1])
    write(chosen.json, "transfer", machine(chosen.note), rows=rows)


def told(row: dict[str, Any]) -> None:
    """Print one proof in a line."""
    limit = next(r["lift"] for r in row["lifts"] if r["arm"] == LIMIT)
    ours = next(r for r in row["lifts"] if (r["arm"], r["against"]) == (MIXED, REAL))
    lift = f"{ours['lift']:+.1%} ({ours['lift_low']:+.1%} to {ours['lift_high']:+.1%})"
    print(f"{row['data']:<14} {row['generator']:<9} {row['share']:>4.0%} of its users: {row['alone']:.4f} alone, limit "
          f"{limit:+.1%}, sample {lift}, keeps {row['kept'][0]}: {row['verdict']}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
