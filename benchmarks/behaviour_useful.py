"""Does knowledge of the products' texts, synthesised as shoppers, lift a strong ranker by global time? A proof.

    python benchmarks/behaviour_useful.py [--only RECIPE ...] [--runs DIR] [--json FILE]

Runs `recipes/RECIPE.toml` into DIR/RECIPE, going on from what is finished there, and keeps of its proof what the page
shows: every arm and what stands beside on real data alone, on all answers and apart on warm ones and those that nobody
had bought before, and the differences with their intervals. Leave-last-out is proved by `best_system.py`.
Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _common import arguments, machine, write
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED
from wareloom.experiment.result import Proof
from wareloom.recipe import Recipe, run_recipe

HERE = Path(__file__).resolve().parent
RECIPES = {"beauty-teacher-by-time": "Amazon Beauty, by global time"}
BAR = 0.3
"""Lift in NDCG@10 on warm answers over the control that is ahead of the others there"""
MEASURES = tuple(
    f"{metric}{part}"
    for part in ("", "/warm", "/cold", "/head", "/tail")
    for metric in ("ndcg@10", "recall@50")
)


def proved(name: str, runs: Path, run: Run) -> dict[str, Any]:
    """Run one recipe, or find its proof, and keep what is shown."""
    if not (runs / name / "proof" / "proof.json").exists():
        run_recipe(
            Recipe.load(HERE.parent / "recipes" / f"{name}.toml"), runs / name, run, resume=True
        )
    found = Proof.open(runs / name / "proof").data
    decisive = found["decisive"]

    def kept(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {
            row["metric"] + ("" if row["slice"] == "all" else f"/{row['slice']}"): row
            for row in rows
            if row["ties"] == decisive["ties"]
        }

    arms = {
        arm: kept([row for row in found["arms"] if row["arm"] == arm])
        for arm in _names(found["arms"], "arm")
    }
    beside = [row for row in found["baselines"] if "refused" not in row]
    others = {
        one: kept([row for row in beside if row["ranker"] == one])
        for one in _names(beside, "ranker")
    }
    pairs = [
        row
        for row in found["comparisons"]
        if row["ties"] == decisive["ties"] and row["metric"] == "ndcg@10"
    ]
    warm = [r for r in pairs if r["arm"] == MIXED and r["slice"] == "warm"]
    least = min(
        (r for r in warm if r["against"] in decisive["controls"]), key=lambda r: float(r["lift"])
    )
    return {
        "title": RECIPES[name],
        "ties": decisive["ties"],
        "sentence": found["sentence"],
        "rows": found["rows"]["sentence"],
        "verdict": found["verdict"],
        "seeds": found["settings"]["seeds"],
        "arms": {
            arm: {m: rows[m]["mean"] for m in MEASURES if m in rows} for arm, rows in arms.items()
        },
        "beside": {
            one: {m: rows[m]["mean"] for m in MEASURES if m in rows} for one, rows in others.items()
        },
        "lifts": [
            {k: row[k] for k in ("arm", "against", "slice", "lift", "lift_low", "lift_high")}
            for row in pairs
            if row["slice"] in ("all", "warm", "cold", "head", "tail")
            and row["arm"] == MIXED
            and row["lift"] is not None
        ],
        "warm": {k: least[k] for k in ("against", "lift", "lift_low", "lift_high")},
        "bar": BAR,
    }


def _names(rows: list[dict[str, Any]], column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs")
    chosen = parser.parse_args()
    proofs = {name: proved(name, chosen.runs, Run(quiet=False)) for name in chosen.only}
    for name, one in proofs.items():
        print(f"\n{name}: {one['sentence']}")
        for arm, reached in one["arms"].items():
            print(f"  {arm:<18} " + "  ".join(f"{m} {value:.4f}" for m, value in reached.items()))
    write(chosen.json, "behaviour_useful", machine(chosen.note), proofs=proofs)


if __name__ == "__main__":
    main()
