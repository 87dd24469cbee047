"""What a safer sample costs whom it teaches: lift of another shop's system against the worst attack on the sample.

    python benchmarks/release_front.py [--data NAME] [--own S] [--seeds N] [--only LABEL ...] [--runs DIR] [--json FILE]

The users of a log are dealt to two shops of one catalogue, as in `transfer.py`. Each generator is fitted on the other
shop's log, and draws as many users. This sample is added to what this shop's `stack` is trained on, which has a share
of its own training users; the lift is that of NDCG@10 on the test part, beside the other log itself, the limit. All
attacks that are not slow are then made on a sample of that size: members are the other shop's users, others are this
shop's. Goals with every attack's upper end at .55 at most: YooChoose at 5 % + 45 % by counts and + 30 % at ε 8.
Finished cells are kept in DIR. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from _common import arguments, data, machine, write
from transfer import CASES, halves, row_of
from wareloom.attacks import run_attacks
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED, REAL
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.prove import prove
from wareloom.proof.transfer import LIMIT, TransferProofSettings
from wareloom.readers import read
from wareloom.sampling.generator import Generator
from wareloom.shop import Log, Shop

METRIC, BAR = "ndcg@10", 0.55
ENOUGH = (2, 3, 5, 10)
EPSILONS = (8.0, 3.0, 1.0)
PUBLIC = ("items.item_id", "items.title", "items.category", "items.brand", "items.price")


def generators(shop: Shop) -> dict[str, Generator]:
    """What is compared, by label: from outlines, which hold people, to noise."""
    found = {
        "outlines": Generator(settings={"structure": "outline"}),
        "chain": Generator(settings={"structure": "chain"}),
    }
    for k in ENOUGH:
        found[f"chain, {k} users"] = Generator(settings={"structure": "chain", "min_users": k})
    for k in ENOUGH:
        found[f"learned, {k} users"] = Generator(settings={"structure": "learned", "min_users": k})
    known = tuple(f"items.{name}" for name in shop.columns("items"))
    public = tuple(name for name in PUBLIC if name in known)
    for epsilon in EPSILONS:
        # A rehearsal inside: noise that can be drawn again, of the same strength, and no budget is spent.
        own = {"epsilon": epsilon, "public": public, "noise_seed": 1}
        found[f"private_walk, ε {epsilon:g}"] = Generator(synthesizer="private_walk", settings=own)
    return found | {"independent": Generator(synthesizer="independent")}


def lift_of(row: dict[str, Any], arm: str) -> list[float]:
    """Lift over this shop's own log alone, with its interval."""
    found = next(r for r in row["lifts"] if (r["arm"], r["against"]) == (arm, REAL))
    return [found["lift"], found["lift_low"], found["lift_high"]]


def attacked(generator: Generator, there: Shop, here: Shop, run: Run) -> dict[str, Any]:
    """The worst attack on a sample of as many users as the generator was fitted on."""
    made = SYNTHESIZERS.make(generator.synthesizer, **generator.settings).fit(there, run)
    sample = made.sample(len(Log.of(there).users), run)
    report = run_attacks(there, sample, here, run)
    area = report.worst.area
    return {
        "keeps": made.holds(),
        "worst": report.worst.name,
        "area": [area.value, area.low, area.high],
        "high": report.high,
        "tpr high": report.tpr_high(),
        "areas": {one.name: one.area.value for one in report.evidence},
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", choices=list(CASES), default="yoochoose100k")
    parser.add_argument("--own", type=float, default=0.05, help="share of this shop's own users")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="LABEL")
    parser.add_argument("--runs", type=Path)
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        runs = chosen.runs or Path(folder) / "runs"
        here, there = halves(read(data(chosen.data), to=f"{folder}/shop").in_memory())
        there = there.save(runs / "other")
        for label, generator in generators(there).items():
            if chosen.only and label not in chosen.only:
                continue
            row = proved(chosen, generator, here, runs) | attacked(generator, there, here, Run())
            rows.append({"generator": label, **row})
            told(rows[-1])
    about = {"title": CASES[chosen.data].title, "own": chosen.own, "seeds": chosen.seeds}
    write(chosen.json, "release_front", machine(chosen.note), **about, rows=rows)


def proved(chosen: Any, generator: Generator, here: Shop, runs: Path) -> dict[str, Any]:
    """What the sample lifts."""
    settings = TransferProofSettings(
        others=(str(runs / "other"),),
        own=chosen.own,
        draws=1,
        generator=generator,
        ranker_settings={"members": CASES[chosen.data].members},
        baselines={},
        seeds=chosen.seeds,
        metrics=(METRIC,),
        split=SplitSettings(by="leave-last-out"),
    )
    row = row_of(prove(here, settings, Run(seed=0, threads=1, cache=runs / "cells")))
    limit, lift = lift_of(row, LIMIT), lift_of(row, MIXED)
    return {"alone": row["alone"], "limit": limit, "lift": lift, "kept": row["kept"]}


def told(row: dict[str, Any]) -> None:
    """Print one generator in a line."""
    (lift, low, high), limit = row["lift"], row["limit"][0]
    gain = f"lift {lift:+.1%} ({low:+.1%} to {high:+.1%}) of {limit:+.1%}"
    worst = f"worst attack {row['worst']} {row['area'][0]:.3f}, upper end {row['high']:.3f}"
    print(f"{row['generator']:<20} {row['keeps']:<8} {gain}; {worst}", flush=True)


if __name__ == "__main__":
    main()
