"""Does knowledge of the products' texts, synthesised as shoppers, lift a strong ranker? The proofs of two recipes.

    python benchmarks/behaviour_useful.py [--only RECIPE ...] [--runs DIR] [--json FILE]

Runs `recipes/RECIPE.toml` into DIR/RECIPE, going on from what is finished there, and keeps of its proof what the page
shows: every arm, what stands beside on real data alone, the differences with their intervals, and the lift with a part
of the users. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _common import arguments, machine, write
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.result import Proof
from wareloom.recipe import Recipe, run_recipe

HERE = Path(__file__).resolve().parent
RECIPES = {
    "beauty-teacher": ("Amazon Beauty, leave-last-out", 0.15, 0.08),
    "beauty-teacher-by-time": ("Amazon Beauty, by global time", 0.70, 0.0),
}
"""Recipe: its title, the bar of the lift in NDCG@10, and that of its interval's lower end"""
MEASURES = ("recall@10", "ndcg@10", "ndcg@10/head", "recall@50", "recall@50/tail", "recall@50/cold")


def proved(name: str, runs: Path, run: Run) -> dict[str, Any]:
    """Run one recipe, or find its proof, and keep what is shown."""
    title, bar, low = RECIPES[name]
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
    lift = next(r for r in pairs if (r["arm"], r["against"], r["slice"]) == (MIXED, REAL, "all"))
    return {
        "title": title,
        "ties": decisive["ties"],
        "sentence": found["sentence"],
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
            if row["slice"] in ("all", "head", "tail", "cold")
            and row["arm"] == MIXED
            and row["lift"] is not None
        ],
        "shares": found["explored"].get("shares", []),
        "held": lift["lift"] >= bar and lift["lift_low"] > low,
        "bar": bar,
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
