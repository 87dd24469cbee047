"""Results that pages are laid out from in tests, kept as they were written: `python tests/page_samples.py` writes them.

They are small, of made-up shops (that of advice is one of the shops of known truth). They stay when the code that makes
results changes: pages of old results have to hold.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "samples"
PROOFS = ("recommendation", "clicks", "search", "system", "transfer")
NAMES = (*PROOFS, "comparison", "leaderboard", "attacks", "check", "curves", "advice", "gallery")


def sample(name: str) -> dict[str, Any]:
    """Return what the result's JSON file holds."""
    data: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return data


def page(name: str, language: str = "en", *, interactive: bool = False) -> str:
    """Return the page of a sample."""
    from wareloom.core.sentences import Say
    from wareloom.report.anything import page_of
    from wareloom.report.curves import trainings_of, view_of
    from wareloom.report.templating import filled

    if name == "gallery":
        return _gallery(language)
    if name == "curves":
        view = view_of(trainings_of(HERE), "samples", Say(language))
        return filled("curves.html.j2", view, language, interactive=interactive)
    return page_of(HERE / f"{name}.json", language, interactive=interactive)


def _gallery(language: str) -> str:
    """The gallery of drawn pictures, two of which were taken."""
    import polars as pl

    from wareloom.report.gallery import gallery_page
    from wareloom.shop import Shop
    from wareloom.testing.made_pictures import pictured

    real = pictured()
    said = {"origin": pl.lit("image_vae@0.2.0"), "purpose": pl.lit("training")}
    made = (
        real.table("images").head(9).with_columns(image_id=pl.format("{}-made", "item_id"), **said)
    )
    reasons = ["blank: one colour", "shows bar, not ball"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "made"
        real.with_tables(images=made).save(place)
        (place / "rejected").mkdir()
        taken = made.head(2).with_columns(reason=pl.Series(reasons))
        taken.write_parquet(place / "rejected" / "images.parquet")
        return gallery_page(real, [Shop.open(place)], "shapes", language)


def main() -> None:
    """Make every sample anew."""
    import wareloom as wl
    from attacked import renamed, wide
    from conftest import exposures, small_shop
    from lively import lively
    from search_shop import search_shop
    from unit.test_proof_system import SYSTEM
    from unit.test_proof_transfer import HERE as SHOP
    from unit.test_proof_transfer import asked, walks
    from wareloom.attacks import run_attacks
    from wareloom.core.run import Run
    from wareloom.preparing.statistics import statistics
    from wareloom.proof.leaderboard import LeaderboardSettings, leaderboard
    from wareloom.proof.prove import prove

    run = Run(seed=3, threads=1)
    few: dict[str, Any] = {"ratios": (0.5, 1.0), "seeds": 2, "run": run}
    shown, _ = exposures(1500)
    walks(300, 7, "a").save("other")
    trees = {"trees": 10, "min_rows": 5}
    measures = ("activity", "funnel", "hours", "popularity", "discriminator")
    how = {"discriminator": {"trees": 5, "folds": 2}}
    members = wide(120, 1, "m")
    attacks = run_attacks(
        members, renamed(members), wide(120, 2, "h"), run, names=["sets", "pairs", "dcr"]
    )
    board = LeaderboardSettings(rankers={"popularity": {}, "transitions": {}, "ease": {}}, seeds=1)
    found = {
        "recommendation": wl.prove(
            small_shop(users=80), shares=(0.5, 1.0), lift_by_ratio=True, **few
        ).data,
        "clicks": wl.prove(shown, of="clicks", baselines={}, **few).data,
        "search": wl.prove(
            search_shop(80),
            of="search",
            synthesizer="search_shop:TitleQueries",
            ranker_settings=trees,
            **few,
        ).data,
        "system": prove(small_shop(users=120, items=40), SYSTEM, run).data,
        "transfer": prove(SHOP, asked(Path("other")), run).data,
        "comparison": wl.compare(
            lively(60, 1, "r"), lively(50, 2, "f"), run=run, settings=how, measures=measures
        ).data,
        "leaderboard": leaderboard(small_shop(users=80), board, run).data,
        "check": statistics(lively(60, 1, "r")),
        "attacks": attacks.to_json() | {"most": 0.55, "passes": attacks.high <= 0.55},
    }
    HERE.mkdir(exist_ok=True)
    told = [
        {
            "training": str(seed),
            "name": "sasrec",
            "seed": seed,
            "step": step,
            "loss": 4 / step + seed,
        }
        | ({"value": 0.1 - 0.05 / step} if step % 2 == 0 else {})
        for seed in range(2)
        for step in range(1, 9)
    ]
    lines = "".join(json.dumps(line) + "\n" for line in told)
    (HERE / "curves.jsonl").write_text(lines, encoding="utf-8")
    for name, data in found.items():
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
        (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main()
