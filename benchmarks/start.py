"""How long until the command line answers: whole processes that import the package or print its help.

    python benchmarks/start.py [--json FILE] [--repeats N]

Each beside a bare interpreter in the same run, taking turns; given are medians, with the least and the most.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from _common import arguments, machine, write

BARE = "bare Python"
STARTS = {
    BARE: ("-c", "pass"),
    "import wareloom": ("-c", "import wareloom"),
    "wareloom --help": ("-m", "wareloom", "--help"),
}
BARS = {"import wareloom": 0.1, "wareloom --help": 0.3}
"""Seconds each may take: an import beyond what the interpreter takes, the help from start to end"""


def once(said: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *said], check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    chosen = parser.parse_args()
    for said in STARTS.values():
        once(said)
    turns = [{name: once(said) for name, said in STARTS.items()} for _ in range(chosen.repeats)]
    found = {name: [turn[name] for turn in turns] for name in STARTS}
    rows = [
        {"name": name, "s": statistics.median(s), "range": [min(s), max(s)], "bar": BARS.get(name)}
        for name, s in found.items()
    ]
    for row in rows:
        print(
            f"{row['name']:<18} {row['s']:.3f} s ({row['range'][0]:.3f} to {row['range'][1]:.3f})"
        )
    beyond = statistics.median(turn["import wareloom"] - turn[BARE] for turn in turns)
    held = beyond <= BARS["import wareloom"] and rows[2]["s"] <= BARS["wareloom --help"]
    write(chosen.json, "start", machine(chosen.note), rows=rows, beyond=beyond, held=held)


if __name__ == "__main__":
    main()
