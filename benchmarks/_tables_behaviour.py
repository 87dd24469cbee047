"""How the page of benchmarks shows the figures of behaviour synthesis: lines of Markdown."""

from __future__ import annotations

from typing import Any

from _tables import Figures, table


def behaviour_fidelity(figures: Figures) -> list[str]:
    """One table a data set: generators by measures, the floor in the first line."""
    lines: list[str] = []
    for name in dict.fromkeys(row["data"] for row in figures["rows"]):
        rows = [row for row in figures["rows"] if row["data"] == name and "figures" in row]
        if not rows:
            continue
        measures = list(rows[0]["figures"])
        head = " | ".join(
            ["generator", "seeds", *(m.replace("_", " ") for m in measures), "fit s", "events/s"]
        )
        floor = [rows[0]["figures"][m]["floor"] for m in measures]
        body = [["*floor*", "", *("" if f is None else f"{f:.3f}" for f in floor), "", ""]]
        for row in rows:
            cells = [
                f"**{f['value']:.3f}**" if m not in row["beyond"] else f"{f['value']:.3f}"
                for m, f in ((m, row["figures"][m]) for m in measures)
            ]
            body.append(
                [
                    row["generator"],
                    row["seeds"],
                    *cells,
                    f"{row['fit_s']:.1f}",
                    f"{row['events_s']:,.0f}",
                ]
            )
        best = min(rows, key=lambda row: row["auc"])
        lines += [f"{name}:", "", *table(head, body), ""]
        lines += [
            f"Lowest area: {best['generator']}, {best['auc']:.3f}. Betrayed most by {', '.join(best['betray'])}.",
            "",
        ]
    return lines[:-1]


def behaviour_speed(figures: Figures) -> list[str]:
    """A row a generator and size, then which bars were missed."""
    rows = [
        (
            row["generator"],
            row["size"],
            f"{row['fit_s']:.1f}",
            f"{row['events_s']:,.0f}",
            f"{row['gib']:.2f}",
            f"{row['shop_gib']:.2f}",
            f"{row['live_ms']:.1f}",
        )
        for row in figures["rows"]
        if "error" not in row
    ]
    failed = [
        f"{row['generator']}, {row['size']}: {row['error']}"
        for row in figures["rows"]
        if "error" in row
    ]
    head = "generator | log | fit s | events a second | peak GiB | before the fit GiB | live session ms"
    said = f"Bars missed by {', '.join(figures['missed'])}." if figures["missed"] else "Bars held."
    return [*table(head, rows), "", said, *(line for each in failed for line in ("", each))]


def behaviour_useful(figures: Figures) -> list[str]:
    """A recipe at a time: what every arm reached, the differences, and what came of the bars."""
    lines: list[str] = []
    for name, proof in figures["proofs"].items():
        reached = proof["arms"] | {
            f"*{one}, real data alone*": row for one, row in proof["beside"].items()
        }
        measures = list(dict.fromkeys(m for row in reached.values() for m in row))
        rows = [
            (arm, *(f"{row[m]:.4f}" if m in row else "" for m in measures))
            for arm, row in reached.items()
        ]
        lines += [
            f"### {proof['title']}",
            "",
            f"    wareloom run recipes/{name}.toml --to runs/{name}",
            "",
        ]
        lines += [proof["sentence"], "", proof["rows"], "", *table(" | ".join(["arm", *measures]), rows), ""]
        slices = list(dict.fromkeys(row["slice"] for row in proof["lifts"]))
        told = {(row["against"], row["slice"]): _lift(row) for row in proof["lifts"]}
        rows = [
            (against, *(told.get((against, part), "") for part in slices))
            for against in dict.fromkeys(a for a, _ in told)
        ]
        lines += [f"Lift of NDCG@10 of real + synthetic, {proof['seeds']} seeds:", ""]
        lines += [*table(" | ".join(["over", *slices]), rows), ""]
        warm = proof["warm"]
        said = "held" if warm["lift"] >= proof["bar"] and warm["lift_low"] > 0 else "**missed**"
        lines += [
            f"Warm answers, over {warm['against']}: {_lift(warm)}; bar {proof['bar']:.0%}: {said}.",
            "",
        ]
    return lines[:-1]


def other_shop(figures: Figures) -> list[str]:
    """A row by kind of other shop and share of the own users."""
    rows = [
        (
            row["kind"],
            f"{row['share']:.0%}",
            *(f"{row[one][m]:.4f}" for m in ("ndcg@10", "recall@50") for one in ("alone", "with")),
            _lift(row),
        )
        for row in figures["rows"]
    ]
    head = "the other shop sells | own users | NDCG@10 alone | with it | Recall@50 alone | with it | lift of NDCG@10"
    return table(head, rows)


def transfer(figures: Figures) -> list[str]:
    """A row by log, generator and share of the own users."""
    rows = []
    for row in figures["rows"]:
        base = row["alone"]
        lifts = {(r["arm"], r["against"]): r for r in row["lifts"]}
        ours = lifts["real + synthetic", "real"]
        beside = ("real + other shops' logs", "real + naive", "real + placebo", "synthetic only")
        arms = [row["arms"].get(arm) for arm in beside]
        limit, *others = ("–" if mean is None else f"{mean / base - 1:+.0%}" for mean in arms)
        kept = {r["arm"]: r for r in row["kept"]}["real + synthetic"]
        share = (
            f"{kept['share']:.0%} ({kept['low']:.0%} – {kept['high']:.0%})"
            if kept["share"]
            else "–"
        )
        own = f"{row['share']:.0%}"
        shown = (
            row["data"],
            row["generator"],
            own,
            f"{base:.4f}",
            limit,
            _lift(ours),
            share,
            *others,
        )
        rows.append((*shown, f"{row['ratio']:g}", row["seeds"]))
    head = (
        "log | generator | own users | NDCG@10 alone | + the other log (the limit) | + its sample | "
        "keeps of the limit | + its popularity | + a walk of texts | the sample alone | ratio | seeds"
    )
    return table(head, rows)


def _lift(row: dict[str, Any]) -> str:
    return f"{row['lift']:+.1%} ({row['lift_low']:+.1%} – {row['lift_high']:+.1%})"


def best_system(figures: Figures) -> list[str]:
    """Systems by measures with intervals, then the differences that decide, and what members weigh."""
    measures = ("ndcg@10", "recall@50", "ndcg@10/tail", "ndcg@10, alone", "recall@50, alone")
    rows = []
    for arm, reached in figures["arms"].items():
        cells = [
            f"{value:.4f} ({low:.4f} – {high:.4f})" if m == "ndcg@10" else f"{value:.4f}"
            for m in measures
            if m in reached
            for value, low, high in [reached[m]]
        ]
        weights = (figures["weights"].get(arm) or [{}])[0]
        networks = [f"{weight:.2f}" for name, weight in weights.items() if name.endswith(")")]
        rows.append([arm, *cells, ", ".join(networks) or "–"])
    head = " | ".join(["system", *measures, "weights of its networks, first seed"])
    lifts = [
        (
            f"{row['arm']} over {row['against']}",
            f"{row['lift']:+.1%}",
            f"{row['lift_low']:+.1%} – {row['lift_high']:+.1%}",
            row["verdict"],
        )
        for row in figures["lifts"]
        if row["metric"] == "ndcg@10"
    ]
    bars = [
        f"{what}: {which}, {value:.4f}; bar {bar}: {'held' if value >= bar else '**missed**'}."
        for what, (which, value, bar) in figures["bars"].items()
    ]
    return [
        *table(head, rows),
        "",
        *table("difference in NDCG@10 | lift | 95 % interval | verdict", lifts),
        "",
        f"{figures['seeds']} seeds. {figures['sentence']} {' '.join(figures['story'])}",
        "",
        *bars,
    ]
