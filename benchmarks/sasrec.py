"""SASRec to the same validation NDCG: Wareloom beside RecTools and RecBole, each in a process of its own.

    python benchmarks/sasrec.py [--json FILE] [--peer-python PYTHON] [--only NAME ...] [--share S] [--patience P]

All learn from the same events of Amazon Beauty, 64 wide, two layers, one head, at most 50 events of a history, and are
judged on the same held-back last events over the whole catalogue, what was had left out. The clock counts seconds of
processor time of the process, all its threads together, since a shared machine stretches the others; it stands while a
model is judged. The value to reach is `--share` of the best that Wareloom comes to; a peer is stopped at `--patience`
times Wareloom's time. Peers want numpy 1: give the Python of an environment of their own that has `rectools[torch]` and
`recbole` (the extra `peers`). Data: `WARELOOM_DATA`, else `../shared/data`.
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

PEERS = ("rectools", "recbole")
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


def peer(
    name: str, folder: Path, python: str, limit: float, target: float, threads: int
) -> dict[str, Any]:
    """Run one peer until it comes to `target` or its time is over; what it said on the way."""
    command = [
        python,
        str(HERE / "_peers.py"),
        name,
        str(folder / "events.npz"),
        str(limit),
        str(target),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    points, said = [], []
    with (folder / f"{name}.err").open("w+", encoding="utf-8") as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder, env=environment
        ) as job:
            assert job.stdout is not None
            for line in job.stdout:
                if line.startswith("POINT "):
                    points.append(json.loads(line[6:]))
                    print(
                        f"  {name}: {points[-1]['seconds']:.0f} s, {points[-1]['value']:.4f}",
                        flush=True,
                    )
                elif line.startswith("VERSION "):
                    said.append(line[8:].strip())
        errors.seek(0)
        failed = "" if points else (errors.read().strip().splitlines() or ["said nothing"])[-1]
    return {"name": name, "version": said[0] if said else None, "points": points, "error": failed}


def reached(points: list[dict[str, float]], target: float) -> float | None:
    """Seconds to the first value that is high enough."""
    return next((p["seconds"] for p in points if p["value"] >= target), None)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--share", type=float, default=0.9)
    parser.add_argument("--patience", type=float, default=2.5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, updates = prepare(folder, args.seed)
        points = ours(log, args.seed, args.threads)
        best = max(p["value"] for p in points)
        target = args.share * best
        own = reached(points, target)
        assert own is not None
        rows = [
            {
                "name": "wareloom",
                "version": None,
                "seconds": own,
                "best": best,
                "points": points,
                "error": "",
            }
        ]
        print(
            f"wareloom: {updates} updates planned, best {best:.4f}; {target:.4f} after {own:.0f} s",
            flush=True,
        )
        for name in args.only:
            found = peer(name, folder, args.peer_python, args.patience * own, target, args.threads)
            seconds, values = (
                reached(found["points"], target),
                [p["value"] for p in found["points"]],
            )
            rows.append({**found, "seconds": seconds, "best": max(values, default=None)})
            said = (
                found["error"]
                or f"best {max(values):.4f}; target after {seconds} s of {args.patience * own:.0f}"
            )
            print(f"{name} {found['version']}: {said}", flush=True)
    figures = {
        "target": target,
        "limit": args.patience * own,
        "threads": args.threads,
        "rows": rows,
    }
    write(args.json, "sasrec", machine(args.note), **figures)


if __name__ == "__main__":
    main()
