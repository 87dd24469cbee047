"""Run every benchmark with its defaults, one after the other, and write docs/benchmarks.md from what they found.

    python benchmarks/run.py [--only NAME ...] [--large] [--table] [--note TEXT]

Each is a process of its own that leaves benchmarks/results/NAME.json. `--table` runs none and writes the page from the
files that are there. `--large` adds a hundred million events: about ten minutes and 30 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"
INTRODUCTION = (
    "`make bench` runs all of these one after the other and writes this page from `benchmarks/results/*.json`; "
    "`python benchmarks/run.py --only NAME` runs one, `--large` adds the hundred million events. Each is one "
    "command, and measures the peer or the limit in the same run where there is one."
)
VERDICTS = ("helps", "no evidence", "hurts")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: how it is called and how the page shows it."""

    title: str
    call: tuple[str, ...]
    read: str
    """How to read the table, and the bar"""
    table: Callable[[Figures], Iterable[str]]
    large: bool = False


def table(head: str, rows: Iterable[Iterable[Any]]) -> list[str]:
    """Lines of a Markdown table; `head`: titles between bars, the first column to the left and all others right."""
    titles = [title.strip() for title in head.split("|")]
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *([str(cell) for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def scale(figures: Figures) -> list[str]:
    """Jobs of each log, then what became of the bar."""
    lines = []
    for log in figures["logs"]:
        rows = [(row["job"], f"{row['seconds']:.1f}", f"{row['gib']:.2f}") for row in log["jobs"] if "error" not in row]
        lines += [f"{log['log']}:", "", *table("job | seconds | peak GiB", rows), ""]
        lines += [f"error in {row['job']}: {row['error']}" for row in log["jobs"] if "error" in row]
        peak, said = f"peak {log['peak_gib']:.2f} GiB", "held" if log["held"] else "**missed**"
        lines += [f"Read, clean and split: {log['seconds']:.1f} s, {peak}; bar {log['bar']}: {said}.", ""]
    return lines[:-1]


def markov(figures: Figures) -> list[str]:
    """The limits, then the rates beside them."""
    limits = [
        (
            x["threads"],
            f"{x['copy_gb_s']:.1f}",
            *(f"{x[name] / 1e6:.0f}" for name in ("dependent_reads_s", "scattered_reads_s")),
            *(f"{x[name] / 1e6:.1f}" for name in ("events_s", "events_s_scattered", "events_s_written")),
        )
        for x in figures["limits"]
    ]
    names = ("walk", "clock", "kernel", "sample", "disk")
    rows = [
        (
            f"{row['users']:,}",
            f"{row['events']:,}",
            row["threads"],
            *(f"{row[f'{name}_events_s'] / 1e6:.2f}" for name in names),
            *(f"{row[f'{name}_to_limit']:.1%}" for name in ("walk", "kernel", "sample")),
            f"{row['gib']:.2f}",
        )
        for row in figures["rows"]
    ]
    fits = "; ".join(f"{x['threads']} thread(s) {x['fit_s']:.2f} s and {x['gib']:.2f} GiB" for x in figures["fits"])
    mb = figures["limits"][0]["table_mb"]
    return [
        f"The limits, in a table of {mb:.1f} MB (reads and events in millions a second):",
        "",
        *table(
            "threads | copy GB/s | dependent reads | scattered reads"
            " | **limit: events** | scattered | by bytes written",
            limits,
        ),
        "",
        f"Fit: {fits}. Samples, in millions of events a second:",
        "",
        *table(
            "users | events | threads | walk | clock | kernel (both) | `sample` | to disk | walk ÷ limit | kernel "
            "÷ limit | `sample` ÷ limit | peak GiB",
            rows,
        ),
    ]


def gate(figures: Figures) -> list[str]:
    """What was said how often."""
    rows = [
        (
            f"{row['ranker']}: {row['of'] if row['of'] == 'verdict' else 'against ' + row['of']}",
            row["runs"],
            *(row[name] for name in VERDICTS),
            *(f"{row[f'{side}_low']:.1%} – {row[f'{side}_high']:.1%}" for side in ("helps", "hurts")),
        )
        for row in figures["rows"]
    ]
    head = "proofs with the ranker | runs | helps | no evidence | hurts | 95 % of helps | 95 % of hurts"
    return [*table(head, rows), "", f"Bar {'held' if figures['held'] else '**missed**'}."]


def gate_planted(figures: Figures) -> list[str]:
    """What was found how often, beside what was promised."""
    rows = [
        (
            f"{row['ranker']}: against {row['of']}",
            row["runs"],
            f"{row['effect']:+.4f}",
            f"{row['promised']:.1%}",
            f"{row['found']:.1%}",
            f"{row['helps_low']:.1%} – {row['helps_high']:.1%}",
        )
        for row in figures["rows"]
        if "promised" in row
    ]
    head = "proofs with the ranker | runs | effect on nDCG@10 | power | found | 95 % of found"
    return [*table(head, rows), "", f"Bar {'held' if figures['held'] else '**missed**'}."]


def rankers(figures: Figures) -> list[str]:
    """Quality and seconds of each."""
    rows = [
        (
            row["name"],
            ", ".join(f"{k}={v:g}" for k, v in row["settings"].items()) or "defaults",
            *(f"{row[m]:.4f} ± {row[m + ' ±']:.4f}" for m in ("recall@10", "ndcg@10")),
            f"{row['coverage@10']:.3f}",
            f"{row['fit_s']:.2f}",
            f"{row['rank_s']:.2f}",
        )
        for row in figures["rows"]
    ]
    best = ", ".join(f"{n} {v:.4f} (bar {figures['bars'][n]:.3f})" for n, v in figures["best"].items() if v)
    floor = figures["matrix_product_s"]
    return [
        *table("ranker | settings | Recall@10 | NDCG@10 | coverage@10 | fit s | rank s", rows),
        "",
        f"The bare product of vectors of 64 for all users and items takes {floor:.2f} s, the floor under `rank s` of "
        f"rankers by vectors. Best NDCG@10: {best}: {'held' if figures['held'] else '**missed**'}.",
    ]


def speed(figures: Figures) -> list[str]:
    """Each beside its limit, then what growth costs."""
    beside = [
        (
            row["name"],
            f"{row['wall_s']:.2f} ({row['wall_range'][0]:.2f} – {row['wall_range'][1]:.2f})",
            f"{row['cpu_s']:.2f}",
            row.get("limit", ""),
            f"{row['wall_ratio']:.2f}" if "limit" in row else "",
            f"{row['cpu_ratio']:.2f}" if "limit" in row else "",
            f"{row['bar']:.2f}" if row.get("bar") else "",
        )
        for row in figures["rows"]
    ]
    grown = [
        (
            row["ranker"],
            row["size"],
            *(f"{row[name]:.{2 if name == 'gib' else 1}f}" for name in ("fit_s", "rank_s", "gib")),
        )
        for row in figures["growth"]
        if "gib" in row
    ]
    refused = [
        f"{row['ranker']}, {row['size']}: refused. {row['refused']}" for row in figures["growth"] if "refused" in row
    ]
    failed = [f"{row['ranker']}, {row['size']}: **failed**." for row in figures["growth"] if "error" in row]
    lines = [
        *table(
            "work | seconds (least – most) | processor seconds | beside | ratio | of processor seconds | bar", beside
        ),
        "",
        f"Bars {'held' if figures['held'] else '**missed**'}.",
    ]
    if grown:
        lines += ["", *table("ranker | log | fit s | rank s | peak GiB", grown)]
    return lines + [line for said in (*refused, *failed) for line in ("", said)]


BENCHMARKS = {
    "shop_scale": Benchmark(
        "Reading, cleaning and splitting real purchases",
        ("shop_scale.py",),
        "The 1.47 million purchases of the data set Complete Journey, through `wareloom.readers`; every job is a "
        "process of its own, whose peak resident memory is given. Bar: read, clean and split (by time) together "
        "below 10 s, each below 1 GiB.",
        scale,
    ),
    "shop_scale_large": Benchmark(
        "A hundred million events",
        ("shop_scale.py", "--events", "100000000"),
        "The same jobs on a generated log in Parquet. Bar: read, clean and split each below 4 GiB; none for time.",
        scale,
        large=True,
    ),
    "markov": Benchmark(
        "The synthesizer `markov` beside the memory's limit",
        ("markov.py",),
        "A walk is a chain of dependent random reads, at least three an event: the row of the last item, the "
        "acceptance of the place drawn, the item there. The limit is therefore random reads a second ÷ 3, where "
        "each read says where the next one is, in a table as large as the transition tables and on as many "
        "threads; what comes after the kernel, up to `sample`, is the making of tables. *Scattered* is the limit "
        "if reads did not wait for one another, *by bytes written* that of a stream copy at 13 bytes an event. No "
        "bar is set; the ratio is the figure.",
        markov,
    ),
    "gate": Benchmark(
        "The gate's calibration: noise",
        ("gate.py",),
        "Each run puts `shuffled`, which is noise, to the proof on a small shop generated anew. Bar: not one "
        "verdict says “helps”. The lines below each verdict show its three comparisons; “against real alone” is what "
        "would be said without the other controls. Where most runs say “hurts”, the bar is an easy one and shows "
        "little of what the controls add: the sharper test is the A/A below.",
        gate,
    ),
    "gate_aa": Benchmark(
        "The gate's calibration: A/A",
        ("gate.py", "--of", "aa"),
        "Here the synthetic data is a second draw of the naive control, so that the comparison “against naive” is "
        "of a thing with itself. Bar: “helps” and “hurts” each in 2.5 % of its runs or less, but for chance "
        "(missed where the 95 % interval lies above), and at most 5 of 100 verdicts. Other lines are no A/A "
        "comparisons.",
        gate,
    ),
    "gate_planted": Benchmark(
        "The gate's calibration: an effect that is there",
        ("gate.py", "--of", "planted"),
        "A share of the synthetic users walks as the real ones do, the others are naive. Only what is asked for and "
        "all that is random in the training are drawn anew, so that the true effect is the same in every run; *power* "
        "is the mean of the chances, computed in each run, that such an effect is found. Bar: the share of “helps”, "
        "but for chance, within .1 of it.",
        gate_planted,
    ),
    "rankers": Benchmark(
        "Rankers on Amazon Beauty",
        ("rankers.py",),
        "Leave-last-out on the 5-core data, whole catalogue, events of one time in file order as published tables "
        "have it, ± half a 95 % interval over users; `implicit` alone stands below. Bars: NDCG@10 of "
        "`transitions` at least .048, of recency-weighted EASE at least .042.",
        rankers,
    ),
    "speed": Benchmark(
        "Speed and memory beside what is possible",
        ("speed.py",),
        "Amazon Beauty; ours and the peer or limit by turns in one process, medians. Bars: `als` fits in 1.05 times "
        "the seconds of `implicit` alone, `ease` (as the paper has it) in 1.2 times the plain dense solve, and ranking "
        "by vectors of 64, seen items masked (`rank`, ten places; `rank_all`, the evaluation with fifty places), in "
        "1.5 times the bare product of matrices in its best blocks. The second table: logs of Beauty's size and ten "
        "times as many users and items, generated, each job in a process of its own; `sasrec` takes 100 updates and "
        "ranks 2,000 requests.",
        speed,
    ),
}


def result(name: str) -> Path:
    """Where a benchmark leaves its figures."""
    return RESULTS / f"{name}.json"


def measure(name: str, note: str) -> bool:
    """Run one benchmark; false where it failed."""
    script, *options = BENCHMARKS[name].call
    command = [sys.executable, str(HERE / script), *options, "--json", str(result(name)), "--note", note]
    print(f"\n== {name}: {' '.join(('python', f'benchmarks/{script}', *options))}", flush=True)
    return subprocess.run(command, check=False).returncode == 0


def section(benchmark: Benchmark, figures: Figures) -> list[str]:
    """Heading, command, machine, table."""
    about, script = figures["about"], benchmark.call
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    where = f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, {about['system']}"
    note = f" {about['note']}" if about.get("note") else ""
    command = " ".join(("python", f"benchmarks/{script[0]}", *script[1:]))
    head = [f"## {benchmark.title}", "", f"    {command}", "", textwrap.fill(benchmark.read, 120), ""]
    return [*head, *benchmark.table(figures), "", f"*{where}; {about['date']}; {versions}.{note}*", ""]


def page() -> None:
    """Write the page from the files that are there."""
    lines = ["# Benchmarks", "", textwrap.fill(INTRODUCTION, 120), ""]
    for name, benchmark in BENCHMARKS.items():
        if result(name).exists():
            lines += section(benchmark, json.loads(result(name).read_text(encoding="utf-8")))
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), help="run these alone")
    parser.add_argument("--large", action="store_true", help="run the hundred million events, too")
    parser.add_argument("--table", action="store_true", help="run none, only write the page")
    parser.add_argument("--note", default="", help="what to say of the circumstances")
    chosen = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    wanted = chosen.only or [name for name, entry in BENCHMARKS.items() if chosen.large or not entry.large]
    failed = [] if chosen.table else [name for name in wanted if not measure(name, chosen.note)]
    page()
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
