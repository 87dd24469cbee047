"""SASRec to the same validation NDCG: Wareloom beside RecTools and RecBole, each in a process of its own.

    python benchmarks/sasrec.py [--json FILE] [--peer-python PYTHON] [--only NAME ...] [--limit S] [--runs DIR]

All learn from the same events of Amazon Beauty, 64 wide, two layers, one head, at most 50 events of a history, and are
judged on the same held-back last events over the whole catalogue, what was had left out. Wareloom has its defaults;
peers have the sampled losses of their own (`PEERS`), the best also with histories of 20 events, as they pad all to one
length. The clock counts seconds of processor time of the process, all its threads together, since a shared machine
stretches the others; it stands while a model is judged. Each peer goes on for `--limit` seconds and ends the pass in
which they are over. Values to reach: `VALUES`, as far as somebody came. `--runs` keeps what each has done, so that a
stopped benchmark goes on. Peers want numpy 1: give the Python of an environment of their own that has
`rectools[torch]` and `recbole` (the extra `peers`). Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.rankers.sequence.data import SequenceData
from wareloom.rankers.sequence.sasrec import SASRec
from wareloom.readers import read
from wareloom.shop import Log

MANY = {"n_negatives": 128}
PEERS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "rectools, sampled softmax": ("rectools", 50, {"loss": "sampled_softmax"} | MANY),
    "rectools, sampled softmax, 20 events": ("rectools", 20, {"loss": "sampled_softmax"} | MANY),
    "rectools, gBCE": ("rectools", 50, {"loss": "gBCE", "gbce_t": 0.75} | MANY),
    "rectools, BCE": ("rectools", 50, {"loss": "BCE", "n_negatives": 1}),
    "recbole, BPR": ("recbole", 50, {"loss_type": "BPR"}),
    "recbole, BPR, 20 events": ("recbole", 20, {"loss_type": "BPR"}),
}
"""The library, the events of a history that it reads, and its loss"""
VALUES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06)
"""NDCG@10 that the seconds are told to"""
HERE = Path(__file__).resolve().parent


class Watched(SASRec):
    """SASRec with its defaults, which counts the seconds that judging takes."""

    judging = 0.0

    def _validate(self, net: Any, data: SequenceData) -> float:
        start = time.process_time()
        value = super()._validate(net, data)
        self.judging += time.process_time() - start
        return value


def prepare(folder: Path, seed: int) -> tuple[Log, int]:
    """Write what the peers learn from and are asked; returns the log and how many updates Wareloom plans."""
    whole = Log.of(read(data("amazon_beauty"), to=folder / "shop"))
    place = np.arange(len(whole)) - np.repeat(whole.offsets[:-1], whole.lengths())
    log = whole.keep(place < np.repeat(whole.lengths() - 2, whole.lengths()))
    held = SequenceData(log, SASRec().layout(), Run(seed=seed))
    np.savez(
        folder / "events.npz",
        user=held.log.user,
        item=held.log.item,
        items=len(log.items),
        asked=held.log.users.ids.is_in(held.histories.users.ids.implode()).to_numpy().nonzero()[0],
        answers=held.answers,
    )
    return log, held.updates


def ours(log: Log, seed: int, threads: int) -> list[dict[str, float]]:
    """Fit with the defaults; seconds and value of each evaluation."""
    points: list[dict[str, float]] = []
    start, ranker = time.process_time(), Watched()

    def watch(step: int, values: dict[str, float]) -> None:
        seconds = time.process_time() - start - ranker.judging
        points.append({"step": step, "seconds": seconds, "value": values["value"]})

    ranker.fit(log, Run(seed=seed, threads=threads, watch=watch))
    return points


def peer(name: str, folder: Path, python: str, limit: float, threads: int) -> dict[str, Any]:
    """Run one peer until its time is over; what it said on the way."""
    library, length, loss = PEERS[name]
    command = [
        python,
        str(HERE / "_peers.py"),
        library,
        str(folder / "events.npz"),
        str(limit),
        "1",
        json.dumps({"loss": loss, "length": length}),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    points, version = [], None
    with (folder / "peer.err").open("w+", encoding="utf-8") as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder, env=environment
        ) as job:
            assert job.stdout is not None
            for line in job.stdout:
                if line.startswith("POINT "):
                    points.append(json.loads(line[6:]))
                    seconds, value = points[-1]["seconds"], points[-1]["value"]
                    print(f"  {name}: {seconds:.0f} s, {value:.4f}", flush=True)
                elif line.startswith("VERSION "):
                    version = line[8:].strip()
        errors.seek(0)
        failed = "" if points else (errors.read().strip().splitlines() or ["said nothing"])[-1]
    return {"version": version, "points": points, "error": failed, "limit": limit}


def reached(points: list[dict[str, float]], target: float) -> float | None:
    """Seconds to the first value that is high enough."""
    return next((p["seconds"] for p in points if p["value"] >= target), None)


def summed_up(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """A row of the page: the best value, and the seconds to each of `VALUES`."""
    points = found["points"]
    best = max((p["value"] for p in points), default=None)
    return {"name": name, "best": best, "seconds": [reached(points, v) for v in VALUES], **found}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--limit", type=float, default=240.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, updates = prepare(folder, args.seed)
        rows = []
        for number, who in enumerate(["wareloom", *args.only]):
            kept = (args.runs or folder) / f"sasrec-{who.replace(', ', '-').replace(' ', '-')}.json"
            if not kept.exists():
                found = (
                    peer(who, folder, args.peer_python, args.limit, args.threads)
                    if number
                    else {
                        "version": None,
                        "points": ours(log, args.seed, args.threads),
                        "error": "",
                    }
                )
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(found), encoding="utf-8")
            rows.append(summed_up(who, json.loads(kept.read_text(encoding="utf-8"))))
            print(f"{who}: best {rows[-1]['best']}, seconds {rows[-1]['seconds']}", flush=True)
    figures = {"values": VALUES, "updates": updates, "threads": args.threads}
    write(args.json, "sasrec", machine(args.note), **figures, rows=rows)


if __name__ == "__main__":
    main()
