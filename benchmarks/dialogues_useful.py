"""Do synthetic dialogues teach intents, slots and replies? `prove --of dialogues`, every arm, paired, with a verdict.

    python benchmarks/dialogues_useful.py [--only PART …] [--draws N] [--json FILE]

Intents: Bitext (27) and MultiDoGO (telecom and software pooled, intents of 40 different texts or more), five or ten
real utterances of each; `told` is at five with beginnings of these utterances alone. Slots: MultiDoGO, 50 dialogues;
taggers on all-MiniLM-L6-v2 mark slots in other dialogues' turns, in `told` nothing but the 50 is said again.
Replies: JDDC, 1,000 dialogues, ten offered. Arms: the real turns; repeated; edited copies;
synthetic ones; these alone; and all-MiniLM-L6-v2, taught by others on other texts, of real, edited and synthetic turns
(English). Held-out real turns, intervals over draws and turns. With `--only` the other parts of the file stay as they
are. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.proof.dialogues import DialogueProofSettings
from wareloom.proof.prove import prove
from wareloom.readers import read
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop

FLOW = Generator(synthesizer="flow", screens=())
MARKED = Generator(synthesizer="utterances", settings={"pseudo_labels": "minilm"}, screens=())
REPLIES: dict[str, Any] = {
    "asks": "replies",
    "generator": FLOW,
    "ratios": (0.25, 1.0),
    "baselines": {"bm25": {}, "neighbours": {}},
}
PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "Bitext, 5": ("bitext_intents", {}),
    "Bitext, 10": ("bitext_intents", {"shots": 10}),
    "Bitext, 5, told": ("bitext_intents", {"unlabelled": False, "features": False}),
    "MultiDoGO, 5": ("multidogo", {}),
    "MultiDoGO, 10": ("multidogo", {"shots": 10}),
    "MultiDoGO, 5, told": ("multidogo", {"unlabelled": False, "features": False}),
    "MultiDoGO, slots": ("multidogo", {"asks": "slots", "generator": MARKED}),
    "MultiDoGO, slots, told": (
        "multidogo",
        {"asks": "slots", "unlabelled": False, "features": False},
    ),
    "JDDC, replies, 1,000": ("jddc_zh", REPLIES | {"shots": 1_000}),
}
ITEMS = 2_000


def shop_of(name: str, folder: Path) -> Shop:
    """The log; JDDC's with titles of Taobao to talk about, at prices that are invented."""
    shop = read(data(name), to=folder / name, on_error="reject")
    if name != "jddc_zh":
        return shop
    items = read(data("taobao_ner_zh"), to=folder / "titles", on_error="reject").table("items")
    items = items.filter(pl.col("title").is_not_null()).head(ITEMS).select("item_id", "title")
    price = np.random.default_rng(1).integers(200, 20_000, len(items)) / 100
    tables = {
        "items": items.with_columns(price=pl.Series(price)),
        "dialogues": shop.table("dialogues"),
    }
    return Shop(tables, {**shop.meta, "currency": "CNY"})


def proved(part: str, shop: Shop, run: Run, draws: int, most: int) -> dict[str, Any]:
    """One proof: its arms, comparisons and verdict."""
    given = {"seeds": draws, "most": most} | PARTS[part][1]
    start = time.process_time()
    found = prove(shop, DialogueProofSettings(**given), run)
    keep = ("arm", "against", "metric", "mean", "difference", "low", "high", "verdict")
    rows = {
        name: [
            {k: row[k] for k in keep if k in row}
            for row in found.data[name]
            if row["slice"] == "all"
        ]
        for name in ("arms", "comparisons")
    }
    beside = [row for row in found.data["baselines"] if row.get("slice") == "all"]
    return {
        "part": part,
        "asks": found.data["settings"]["asks"],
        "verdict": found.verdict,
        "sentence": found.data["sentence"],
        "metric": found.data["decisive"]["metric"],
        "draws": found.data["settings"]["seeds"],
        "task": found.data["modes"][0]["task"],
        "training": found.data["training"],
        "beside": beside,
        "cpu_seconds": round(time.process_time() - start),
        **rows,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=10, help="draws of the real turns")
    parser.add_argument("--most", type=int, default=1_000, help="requests of the test part")
    parser.add_argument("--only", choices=list(PARTS), nargs="+", default=list(PARTS))
    options = parser.parse_args()
    there = options.json is not None and options.json.exists()
    before = json.loads(options.json.read_text())["proofs"] if there else []
    done = {one["part"]: one for one in before if one.get("part") in PARTS}
    with tempfile.TemporaryDirectory() as place:
        run, shops = Run(seed=1, threads=1), dict[str, Shop]()
        for part in options.only:
            name = PARTS[part][0]
            if name not in shops:
                shops[name] = shop_of(name, Path(place))
            done[part] = proved(part, shops[name], run, options.draws, options.most)
            print(f"{part}: {done[part]['sentence']}", flush=True)
            proofs = [done[one] for one in PARTS if one in done]
            write(options.json, "dialogues_useful", machine(options.note), proofs=proofs)


if __name__ == "__main__":
    main()
