"""How the page of benchmarks shows the figures of each: lines of Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

VERDICTS = ("helps", "no evidence", "hurts")

Figures = dict[str, Any]


def table(head: str, rows: Iterable[Iterable[Any]]) -> list[str]:
    """Lines of a Markdown table; `head`: titles between bars, the first column to the left and all others right."""
    titles = [title.strip() for title in head.split("|")]
    lines = [
        titles,
        ["---", *["---:"] * (len(titles) - 1)],
        *([str(cell) for cell in row] for row in rows),
    ]
    return ["| " + " | ".join(line) + " |" for line in lines]


def scale(figures: Figures) -> list[str]:
    """Jobs of each log, then what became of the bar."""
    lines = []
    for log in figures["logs"]:
        rows = [
            (row["job"], f"{row['seconds']:.1f}", f"{row['gib']:.2f}")
            for row in log["jobs"]
            if "error" not in row
        ]
        lines += [f"{log['log']}:", "", *table("job | seconds | peak GiB", rows), ""]
        lines += [f"error in {row['job']}: {row['error']}" for row in log["jobs"] if "error" in row]
        peak, said = f"peak {log['peak_gib']:.2f} GiB", "held" if log["held"] else "**missed**"
        lines += [
            f"Read, clean and split: {log['seconds']:.1f} s, {peak}; bar {log['bar']}: {said}.",
            "",
        ]
    return lines[:-1]


def markov(figures: Figures) -> list[str]:
    """The limits, then the rates beside them."""
    limits = [
        (
            x["threads"],
            f"{x['copy_gb_s']:.1f}",
            *(f"{x[name] / 1e6:.0f}" for name in ("dependent_reads_s", "scattered_reads_s")),
            *(
                f"{x[name] / 1e6:.1f}"
                for name in ("events_s", "events_s_scattered", "events_s_written")
            ),
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
    fits = "; ".join(
        f"{x['threads']} thread(s) {x['fit_s']:.2f} s and {x['gib']:.2f} GiB"
        for x in figures["fits"]
    )
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


def compare(figures: Figures) -> list[str]:
    """Seconds of each measure, then the whole."""
    rows = [(row["measure"], f"{row['seconds']:.2f}") for row in figures["rows"]]
    rows.append(("**all, as the command does**", f"**{figures['seconds']:.1f}**"))
    said = "held" if figures["held"] else "**missed**"
    left = "".join(f" Left out: {name} ({why})." for name, why in figures["left_out"].items())
    return [
        *table("measure | seconds", rows),
        "",
        f"{figures['events']:,} events of each of three shops, {figures['threads']} thread(s); runs of "
        f"{', '.join(f'{seconds:.1f}' for seconds in figures['every'])} s; peak {figures['gib']:.2f} GiB. "
        f"Bar {said}.{left}",
    ]


def gate(figures: Figures) -> list[str]:
    """What was said how often."""
    rows = [
        (
            f"{row['ranker']}: {row['of'] if row['of'] == 'verdict' else 'against ' + row['of']}",
            row["runs"],
            *(row[name] for name in VERDICTS),
            *(
                f"{row[f'{side}_low']:.1%} – {row[f'{side}_high']:.1%}"
                for side in ("helps", "hurts")
            ),
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


def gate_kinds(figures: Figures) -> list[str]:
    """What was said how often of each kind of synthetic data, and of what was planted what was promised."""
    kinds = {"noise": "noise", "aa": "A/A", "planted": "an effect"}
    rows = [
        (
            kinds[row["data"]],
            f"{row['ranker']}: {row['of'] if row['of'] == 'verdict' else 'against ' + row['of']}",
            row["runs"],
            *(row[name] for name in VERDICTS),
            *(
                f"{row[f'{side}_low']:.1%} – {row[f'{side}_high']:.1%}"
                for side in ("helps", "hurts")
            ),
            f"{row['effect']:+.4f}" if "promised" in row else "",
            f"{row['promised']:.1%}" if "promised" in row else "",
        )
        for row in figures["rows"]
    ]
    of = "helps | no evidence | hurts | 95 % of helps | 95 % of hurts"
    head = f"synthetic data | proofs | runs | {of} | effect | power"
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
    best = ", ".join(
        f"{n} {v:.4f} (bar {figures['bars'][n]:.3f})" for n, v in figures["best"].items() if v
    )
    floor = figures["matrix_product_s"]
    return [
        *table("ranker | settings | Recall@10 | NDCG@10 | coverage@10 | fit s | rank s", rows),
        "",
        f"The bare product of vectors of 64 for all users and items takes {floor:.2f} s, the floor under `rank s` of "
        f"rankers by vectors. Best NDCG@10: {best}: {'held' if figures['held'] else '**missed**'}.",
    ]


def start(figures: Figures) -> list[str]:
    """Seconds of whole processes."""
    rows = [
        (
            row["name"],
            f"{row['s']:.3f} ({row['range'][0]:.3f} – {row['range'][1]:.3f})",
            row["bar"] or "",
        )
        for row in figures["rows"]
    ]
    return [
        *table("process | seconds (least – most) | bar", rows),
        "",
        f"Importing takes {figures['beyond']:.3f} s beyond the interpreter. "
        f"Bars {'held' if figures['held'] else '**missed**'}.",
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
        f"{row['ranker']}, {row['size']}: refused. {row['refused']}"
        for row in figures["growth"]
        if "refused" in row
    ]
    failed = [
        f"{row['ranker']}, {row['size']}: **failed**."
        for row in figures["growth"]
        if "error" in row
    ]
    lines = [
        *table(
            "work | seconds (least – most) | processor seconds | beside | ratio | of processor seconds | bar",
            beside,
        ),
        "",
        f"Bars {'held' if figures['held'] else '**missed**'}.",
    ]
    if grown:
        lines += ["", *table("ranker | log | fit s | rank s | peak GiB", grown)]
    return lines + [line for said in (*refused, *failed) for line in ("", said)]


def clicks(figures: Figures) -> list[str]:
    """Losses with intervals, and what a test of this size could have shown."""

    def told(found: Figures, digits: int = 4) -> str:
        return (
            f"{found['value']:.{digits}f} ({found['low']:.{digits}f} – {found['high']:.{digits}f})"
        )

    rows = [
        (
            row["name"],
            row["fit"],
            ", ".join(f"{k}={v:g}" for k, v in row.get("settings", {}).items()) or "defaults",
            told(row["log_loss"]),
            told(row["click_auc"], 3),
            told(row["calibration_error"]),
            f"{row['gain']['value']:+.1%} ({row['gain']['low']:+.1%} – {row['gain']['high']:+.1%})",
            f"±{row['detectable_gain']['gain']:.1%}",
        )
        for row in figures["rows"]
    ]
    head = "model | fitted | settings | log loss | AUC | calibration error | gain over the constant | detectable gain"
    return [
        *table(head, rows),
        "",
        f"{figures['clicks']} clicks among {figures['impressions']:,} test impressions. A gain whose interval holds 0 "
        "can be chance; *detectable* is the gain that a test of this size shows in four of five cases.",
    ]


def sasrec(figures: Figures) -> list[str]:
    """Processor seconds to each value, the best value, and how much slower the quickest peer came to its best."""
    values, rows = figures["values"], [row for row in figures["rows"] if row["points"]]
    own, peers = rows[0], rows[1:]
    words = {"wareloom": "Wareloom", "rectools": "RecTools", "recbole": "RecBole"}

    def named(row: Figures) -> str:
        first, comma, loss = row["name"].partition(", ")
        return words[first] + comma + loss

    cells = [
        (
            named(row) + (f" ({row['version']})" if row["version"] else ""),
            *("–" if seconds is None else f"{seconds:.0f}" for seconds in row["seconds"]),
            f"{row['best']:.4f}",
            f"{row['points'][-1]['seconds']:.0f}",
            len(row["points"]),
        )
        for row in rows
    ]
    columns = " | ".join(f"to {value:.2f}" for value in values)
    said = [
        *table(f"library, loss | {columns} | best NDCG@10 | seconds in all | evaluations", cells)
    ]
    came = [
        (n, row) for row in peers for n, value in enumerate(row["seconds"]) if value is not None
    ]
    if came:
        highest = max(n for n, _ in came)
        quickest = min(
            (row for n, row in came if n == highest), key=lambda r: r["seconds"][highest]
        )
        factor = quickest["seconds"][highest] / own["seconds"][highest]
        said += [
            "",
            f"The highest of these values that a peer came to is {values[highest]:.2f}: {named(quickest)}, after "
            f"{factor:.1f} times the seconds of Wareloom.",
        ]
    failed = [row for row in figures["rows"] if not row["points"]]
    return [*said, *(x for r in failed for x in ("", f"{named(r)}: **failed**. {r['error']}"))]


def mixers(figures: Figures) -> list[str]:
    """Means, and differences from real data alone and from plain concatenation."""

    def lift(row: Figures, name: str) -> str:
        found = row.get(f"against {name}, ndcg@10/all")
        return (
            f"{found['lift']:+.1%} ({found['lift_low']:+.1%} – {found['lift_high']:+.1%})"
            if found
            else ""
        )

    rows = [
        (
            row["synthesizer"],
            row["mixer"],
            f"{row['ratio']:g}" if row["ratio"] else "",
            len(row["seeds"]),
            *(f"{row[name]:.4f}" for name in ("validation", "recall@10/all", "ndcg@10/all")),
            *(f"{row[name]:.3f}" for name in ("recall@50/head", "recall@50/tail")),
            lift(row, "real"),
            lift(row, "plain"),
        )
        for row in figures["rows"]
        if "error" not in row
    ]
    head = (
        "synthesizer | mixer | ratio | seeds | validation NDCG@10 | Recall@10 | NDCG@10 | Recall@50 head | Recall@50 "
        "tail | NDCG@10 against real | against plain concatenation"
    )
    return table(head, rows)


SHARES = {"seen": "saw everything", "many": "none, eight times as many drawn"}
"""What is said of the rows of the leak screen that name no share"""


def leak(figures: Figures) -> list[str]:
    """How often each was refused, and what was counted."""
    rows = [
        (
            row["data"],
            row["generator"],
            SHARES.get(row["share"]) or f"{row['share']:.1%}",
            f"{row['refused']} of {row['draws']}",
            *(f"{row[of]['held']:.0f} / {row[of]['expected']:.1f}" for of in ("pairs", "runs")),
        )
        for row in figures["rows"]
    ]
    head = "data | generator | real users planted | refused | pairs held / explained | runs held / explained"
    return [*table(head, rows), "", f"Bars {'held' if figures['held'] else '**missed**'}."]


def leaderboards(figures: Figures) -> list[str]:
    """Every recipe's rankers, best first, for each order of ties."""
    lines: list[str] = []
    for name, board in figures["boards"].items():
        metrics, slices = board["metrics"], board["slices"]
        lines += [
            f"### {board['title']}",
            "",
            f"    wareloom run recipes/{name}.toml --to runs/{name}",
            "",
        ]
        for ties in dict.fromkeys(row["ties"] for row in board["rows"]):
            found = {
                (row["ranker"], row["metric"], row["slice"]): row
                for row in board["rows"]
                if row["ties"] == ties
            }
            rows = []
            for ranker in dict.fromkeys(
                row["ranker"] for row in board["rows"] if row["ties"] == ties
            ):
                first = found[ranker, metrics[0], "all"]
                cells = [
                    f"{(r := found[ranker, m, 'all'])['mean']:.4f} ± {(r['high'] - r['low']) / 2:.4f}"
                    for m in metrics
                ]
                lack = first.get("behind", {"difference": 0})
                behind = (
                    f"{lack['difference']:.4f} ({lack['low']:.4f} – {lack['high']:.4f})"
                    if lack["difference"]
                    else ""
                )
                cells += [
                    behind,
                    *(f"{found[ranker, metrics[0], part]['mean']:.4f}" for part in slices),
                ]
                rows.append((ranker, len(first["seeds"]), *cells))
            head = " | ".join(
                [
                    "ranker",
                    "seeds",
                    *metrics,
                    "lacks to the best",
                    *(f"{metrics[0]}, {s}" for s in slices),
                ]
            )
            lines += [
                f"Ties {'in file order' if ties == 'file' else ties}:",
                "",
                *table(head, rows),
                "",
            ]
    return lines[:-1]


def pictures(figures: Figures) -> list[str]:
    """Photos whose nearest are of their class."""
    head = "vectors | photos | same class among ten | by chance | photos a second"
    rows = [
        (
            r["model"] or "colours and edges",
            f"{r['photos']:,}",
            f"{r['alike']:.3f}",
            f"{r['chance']:.3f}",
            f"{r['photos_s']:,.0f}",
        )
        for r in figures["rows"]
    ]
    return table(head, rows)
