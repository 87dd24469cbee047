"""Does synthetic data lift the best system there is, beyond what real data and direct labels give? A proof of systems.

    python benchmarks/best_system.py [--runs DIR] [--json FILE]

Runs `recipes/beauty-system.toml` into DIR/beauty-system, going on from what is finished there, and keeps of its proof
what the page shows: every system and its last network alone with intervals, the differences that decide, what each
member weighs, and the ratios that validation data chose. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _common import arguments, machine, write
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED
from wareloom.experiment.result import Proof
from wareloom.recipe import Recipe, run_recipe
from wareloom.recipe.freeze import beside

HERE = Path(__file__).resolve().parent
RECIPE = "beauty-system"
BAR, LIGHT, LIFT = 0.076, 0.0655, 0.03
"""NDCG@10 of the best system and of one network alone, and the lift of synthetic data over the best on real data"""
SHOWN = ("ndcg@10", "recall@50", "ndcg@10, alone", "recall@50, alone")


def kept(found: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a proof of systems."""
    ties = found["decisive"]["ties"]
    rows = [r for r in found["arms"] if r["ties"] == ties and r["metric"] in SHOWN]
    arms: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["slice"] in ("all", "tail"):
            name = row["metric"] + ("" if row["slice"] == "all" else "/tail")
            arms.setdefault(row["arm"], {})[name] = [row["mean"], row["low"], row["high"]]
    lifts = [
        {
            k: row[k]
            for k in ("arm", "against", "metric", "lift", "lift_low", "lift_high", "verdict")
        }
        for row in found["comparisons"]
        if row["ties"] == ties
        and row["slice"] == "all"
        and row["metric"] in ("ndcg@10", "ndcg@10, alone")
    ]
    trained = {r["arm"]: r for r in found["training"] if r["ties"] == ties}
    decisive = [r for r in lifts if r["arm"] == MIXED and r["metric"] == "ndcg@10"]
    controls = [r for r in decisive if r["against"] in found["decisive"]["controls"]]
    least = min(controls, key=lambda r: r["lift"])
    best = max(arms, key=lambda arm: arms[arm]["ndcg@10"][0])
    light = max(
        (arm for arm in arms if arm != "ensemble"), key=lambda arm: arms[arm]["ndcg@10, alone"][0]
    )
    return {
        "seeds": found["settings"]["seeds"],
        "verdict": found["verdict"],
        "sentence": found["sentence"],
        "story": found["story"]["references"],
        "arms": arms,
        "lifts": lifts,
        "weights": {arm: row.get("weights") for arm, row in trained.items()},
        "steps": {arm: row.get("steps") for arm, row in trained.items()},
        "choice": found["modes"][0]["choice"],
        "frozen": found.get("frozen"),
        "bars": {
            "best system": [best, arms[best]["ndcg@10"][0], BAR],
            "one network alone": [light, arms[light]["ndcg@10, alone"][0], LIGHT],
            "synthetic data over the best without": [least["against"], least["lift"], LIFT],
        },
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs")
    chosen = parser.parse_args()
    folder = chosen.runs / RECIPE
    if not (folder / "proof" / "proof.json").exists():
        path = HERE.parent / "recipes" / f"{RECIPE}.toml"
        frozen = beside(path) if beside(path).exists() else None
        run = Run(quiet=False, precision="bf16")
        run_recipe(Recipe.load(path), folder, run, resume=True, frozen=frozen)
    found = kept(dict(Proof.open(folder / "proof").data))
    print(found["sentence"])
    for arm, reached in found["arms"].items():
        print(f"  {arm:<28} " + "  ".join(f"{m} {v[0]:.4f}" for m, v in reached.items()))
    write(chosen.json, "best_system", machine(chosen.note), **found)


if __name__ == "__main__":
    main()
