"""Do synthetic queries make search better that nobody labelled anything for? The proofs of recipes.

    python benchmarks/search_useful.py [--only RECIPE ...] [--runs DIR] [--json FILE] [--device cuda]
        [--precision bf16]

Runs `recipes/RECIPE.toml` into DIR/RECIPE, going on from what is finished there, and keeps of its proof what the page
shows: every arm and what stands beside, over the whole catalogue and on judged items, for the ranker and its members,
and the differences with their intervals. With `--only` the other proofs of the file stay, each with the day and the
machine of its own. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _common import arguments, machine, write
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED
from wareloom.experiment.result import Proof
from wareloom.recipe import Recipe, run_recipe

HERE = Path(__file__).resolve().parent
RECIPES = {
    "search-homedepot": "Home Depot, no query labelled",
    "search-homedepot-reader": "Home Depot, no query labelled, a cross-encoder behind the two stages",
    "search-homedepot-labelled": "Home Depot, 200 queries labelled",
}


def proved(name: str, runs: Path, run: Run) -> dict[str, Any]:
    """Run one recipe, or find its proof, and keep what is shown."""
    if not (runs / name / "proof" / "proof.json").exists():
        run_recipe(
            Recipe.load(HERE.parent / "recipes" / f"{name}.toml"), runs / name, run, resume=True
        )
    return {"title": RECIPES[name], **kept(Proof.open(runs / name / "proof").data)}


def kept(proof: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a proof."""
    arms: dict[str, dict[str, float]] = {}
    for row in proof["arms"]:
        if row["slice"] == "all":
            arms.setdefault(row["arm"], {})[row["metric"]] = row["mean"]
    beside: dict[str, dict[str, float]] = {}
    for row in proof["baselines"]:
        if row.get("slice") == "all":
            beside.setdefault(row["ranker"], {})[row["metric"]] = row["mean"]
    lifts = [
        {k: row[k] for k in ("metric", "against", "lift", "lift_low", "lift_high", "verdict")}
        for row in proof["comparisons"]
        if row["slice"] == "all" and row["arm"] == MIXED and row["metric"].startswith("ndcg")
    ]
    told = {key: proof[key] for key in ("sentence", "verdict")} | {
        "seeds": proof["settings"]["seeds"]
    }
    return {
        **told,
        "queries": proof["modes"][0]["task"]["requests"],
        "arms": arms,
        "beside": beside,
        "lifts": lifts,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision", default="auto", choices=["auto", "fp32", "bf16"], help="of the encoders"
    )
    parser.add_argument("--threads", type=int, default=0, help="0 takes the physical cores")
    chosen = parser.parse_args()
    run = Run(device=chosen.device, precision=chosen.precision, threads=chosen.threads, quiet=False)
    about = machine(chosen.note)
    proofs = {name: proved(name, chosen.runs, run) | {"about": about} for name in chosen.only}
    for name, one in proofs.items():
        print(f"\n{name}: {one['sentence']}")
        for arm, reached in {**one["arms"], **one["beside"]}.items():
            print(f"  {arm:<18} " + "  ".join(f"{m} {value:.4f}" for m, value in reached.items()))
    write(chosen.json, "search_useful", about, proofs=earlier(chosen.json) | proofs)


def earlier(path: Path | None) -> dict[str, Any]:
    """The proofs of a file that is there, in the order of the page, each with the machine and day of its own."""
    if path is None or not path.exists():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: {"about": found["about"], **found["proofs"][name]}
        for name in RECIPES
        if name in found["proofs"]
    }


if __name__ == "__main__":
    main()
