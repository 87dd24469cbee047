"""How far synthetic labels agree with people's, by how many queries people have labelled.

    python benchmarks/search_labels.py [--seeds N] [--judged QUERIES] [--cache DIR] [--json FILE]

Home Depot, split by query: the rules (no label), the distilled model given 50, 200 and 1,000 labelled queries, with and
without the text encoder's cosine, and the embedded language model's judgment (no label) of a few held-out queries,
beside the rules on the same ones. Quadratic kappa, Kendall's tau, accuracy, and the share within half a grade of
people's, on held-out queries, with intervals over queries and seeds. Data: `WARELOOM_DATA`, else `../shared/data`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.evaluation.agreement import AgreementSettings, agree
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.stats.agreement import MEASURES

GIVEN = (50, 200, 1_000)


def row(shop: Shop, run: Run, labels: str, labelled: int, **more: Any) -> dict[str, Any]:
    """The agreement of one synthesizer of labels."""
    start = time.perf_counter()
    found = agree(shop, AgreementSettings(labels=labels, labelled=labelled, **more), run)
    seconds = time.perf_counter() - start
    measures = {
        m["measure"]: {k: m[k] for k in ("mean", "low", "high")} for m in found.data["measures"]
    }
    told = ", ".join(f"{k}={v}" for k, v in more.get("settings", {}).items())
    print(
        f"{labels:<10}{labelled:>6}  {told:<28}"
        + "".join(f"{_said(measures[name]):>24}" for name in MEASURES),
        flush=True,
    )
    return {
        "labels": labels, "labelled": labelled, "settings": more.get("settings", {}), "seconds": seconds,
        "pairs": found.data["pairs"], "given": found.data["given"], "measures": measures,
        "reliability": found.data["reliability"],
    }  # fmt: skip


def _said(measure: dict[str, float]) -> str:
    return f"{measure['mean']:.3f} ({measure['low']:.3f}–{measure['high']:.3f})"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--judged",
        type=int,
        default=40,
        help="held-out queries that the language model judges; 0 none",
    )
    parser.add_argument(
        "--cache", type=Path, help="keep vectors and the language model's answers here"
    )
    asked = parser.parse_args()
    run = Run(seed=1, quiet=True, cache=asked.cache)
    with tempfile.TemporaryDirectory() as folder:
        shop = read(
            data("homedepot_search"), to=Path(folder) / "shop", as_="homedepot", run=run
        ).in_memory()
        print(" " * 46 + "".join(f"{name:>24}" for name in MEASURES))
        rows = [row(shop, run, "lexical", 0, seeds=1)]
        for labelled in GIVEN:
            for embedder in ("", "minilm"):
                rows.append(
                    row(
                        shop,
                        run,
                        "distilled",
                        labelled,
                        seeds=asked.seeds,
                        settings={"embedder": embedder},
                    )
                )
        if asked.judged:
            for labels in ("lexical", "judge"):
                rows.append(row(shop, run, labels, 0, seeds=1, most=asked.judged))
    write(asked.json, "search_labels", machine(asked.note), rows=rows)


if __name__ == "__main__":
    main()
