"""How the page of benchmarks shows the figures of search: lines of Markdown."""

from __future__ import annotations

from typing import Any

from _tables import Figures, table

WHOLE, JUDGED = "ndcg@10, all items", "ndcg@10"
FIDELITY = {
    "query_discriminator.words": "discriminator, words (AUC)",
    "query_discriminator.form": "discriminator, form (AUC)",
    "query_length.words": "length, words",
    "query_length.characters": "length, characters",
    "word_frequency": "word frequency",
    "vocabulary_overlap.strange": "strange words",
    "head_noun_rate": "head nouns",
    "brand_rate": "brands",
    "query_duplicates": "duplicates",
    "query_copies": "near-copies",
}
"""Figures that are shown, where they are there, and what they are called"""


def search_useful(figures: Figures) -> list[str]:
    """Every arm and what stands beside, then the differences."""
    lines = []
    for proof in figures["proofs"].values():
        rows = []
        for name, reached in {
            **proof["arms"],
            **{f"{n} (untaught)": r for n, r in proof["beside"].items()},
        }.items():
            members = sorted({m.partition(" of ")[2] for m in reached if " of " in m})
            own = [
                _pair(reached, ""),
                *(f"{member} {_pair(reached, f' of {member}')}" for member in members),
            ]
            rows.append(
                (
                    name,
                    own[0],
                    f"{reached.get('recall@100', float('nan')):.3f}",
                    "; ".join(own[1:]) or "–",
                )
            )
        lines += [
            f"### {proof['title']}",
            "",
            f"{proof['queries']:,} test queries, {proof['seeds']} seeds. {proof['sentence']}",
            "",
            _measured(proof["about"]),
            "",
        ]
        lines += [
            *table(
                "arm | nDCG@10 whole catalogue / judged items | Recall@100 | members alone", rows
            ),
            "",
        ]
        lifts = [
            (
                row["metric"],
                row["against"],
                f"{row['lift']:+.1%}",
                f"{row['lift_low']:+.1%} to {row['lift_high']:+.1%}",
                row["verdict"],
            )
            for row in proof["lifts"]
        ]
        lines += [
            *table("metric | real + synthetic against | lift | 95 % interval | verdict", lifts),
            "",
        ]
    return lines[:-1]


def _measured(about: dict[str, Any]) -> str:
    note = f" {about['note'].rstrip('.')}." if about.get("note") else ""
    return f"Measured {about['date']} with version {about['versions']['wareloom']}.{note}"


def _pair(reached: dict[str, float], whose: str) -> str:
    return f"{reached[WHOLE + whose]:.3f} / {reached[JUDGED + whose]:.3f}"


def search_ablation(figures: Figures) -> list[str]:
    """One row a way to make judgments, and how far the encoder is from the one taught on `attributes`."""
    rows = [
        (
            row["row"],
            f"{row['queries']:,}",
            f"{row['judgments']:,}",
            f"{row['catalogue']:.3f} / {row['judged']:.3f}",
            f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
            if row["row"] != "attributes"
            else "",
        )
        for row in figures["rows"]
    ]
    seeds = figures["rows"][0]["seeds"]
    return [
        f"{figures['items']:,} products, {figures['test_queries']:,} test queries, {figures['updates']} updates of 128 "
        f"pairs, {seeds} seed{'s' * (seeds > 1)}:",
        "",
        *table(
            "taught on | queries | judgments | nDCG@10 catalogue / judged items | beside `attributes`",
            rows,
        ),
    ]


def search_safe(figures: Figures) -> list[str]:
    """What stands beside, of every shop; then the encoder and the two stages of those that were taught."""
    plain = ("BM25", "encoder 0", "fusion", "fusion, spelling", "fusion with runs")
    rows, taught = [], []
    for row in figures["rows"]:
        means, apart = row["means"], {}
        for each in row["differences"]:
            apart[each["system"], each["against"], each["view"]] = each
        shop = f"{row['shop']} ({row['use']})"
        cells = [shop, f"{row['products']:,} / {row['queries']}"]
        cells += [_views(means[name]) for name in plain]
        cells.append(_apart(apart, "fusion with runs", "fusion, spelling"))
        rows.append((*cells, f"{means[row['plain']]['judged']:.0%}"))
        encoders = [name for name in means if name.startswith("encoder ") and name != "encoder 0"]
        stages = [name for name in means if name.startswith("two stages ")]
        if encoders:
            heads = [*encoders, *stages]
            own = [_apart(apart, name, "encoder 0") for name in encoders]
            taught.append((shop, *own, *(_apart(apart, name, row["plain"]) for name in stages)))
    head = ["shop", "products / queries", "BM25", "encoder untaught", "fusion", "with the speller"]
    head += ["with runs, too", "runs beside the speller alone", "judged"]
    told = (
        "nDCG@10 over the whole catalogue / of condensed lists. Fusions are of BM25 and the encoder untaught by "
        "z-scores, with the speller, and with BM25 of runs of characters, too; differences ± half a 95 % interval "
        "over queries. Judged: the share of the best plain one's first ten."
    )
    lines = [told, "", *table(" | ".join(head), rows)]
    if not taught:
        return lines
    then = (
        f"Taught by {figures['updates']} updates of 64 pairs: encoders at a share of their way, and one held to "
        "the encoder as it comes, beside themselves untaught; the two stages beside the best plain one of that shop."
    )
    return [*lines, "", then, "", *table(" | ".join(["shop", *heads]), taught)]


def _views(means: dict[str, float]) -> str:
    return f"{means['whole']:.3f} / {means['condensed']:.3f}"


def _apart(apart: dict[tuple[str, str, str], dict[str, float]], ours: str, theirs: str) -> str:
    said = []
    for view in ("whole", "condensed"):
        each = apart[ours, theirs, view]
        said.append(f"{each['difference']:+.3f} ± {(each['high'] - each['low']) / 2:.3f}")
    return " / ".join(said)


def search_labels(figures: Figures) -> list[str]:
    """One row a synthesizer of labels."""
    names = ("kappa", "tau", "accuracy", "within_half", "calibration_error")
    rows = []
    for row in figures["rows"]:
        told = (
            ""
            if row["labels"] != "distilled"
            else " with MiniLM"
            if row["settings"]["embedder"]
            else " words alone"
        )
        cells = [
            f"{m['mean']:.3f} ({m['low']:.3f} to {m['high']:.3f})"
            for m in (row["measures"][name] for name in names)
        ]
        rows.append((f"{row['labels']}{told}", f"{row['labelled']:,}", f"{row['pairs']:,}", *cells))
    return table(
        "labels | queries given | pairs | quadratic kappa | Kendall's tau | accuracy | within ½ | calibration error",
        rows,
    )


def query_fidelity(figures: Figures) -> list[str]:
    """Figures by synthesizer and data set, beside their floor."""
    lines = []
    for data in dict.fromkeys(row["data"] for row in figures["rows"]):
        own = [row for row in figures["rows"] if row["data"] == data]
        heads = [f"{row['synthesizer']}{', given' if row['given'] else ''}" for row in own]
        rows = []
        for figure, called in FIDELITY.items():
            cells = [row["figures"].get(figure) for row in own]
            floors = [cell["floor"] for cell in cells if cell]
            if floors:
                values = ["–" if cell is None else f"{cell['value']:.3f}" for cell in cells]
                rows.append((called, *values, f"{sum(floors) / len(floors):.3f}"))
        rows.append(
            (
                "queries a second",
                *(f"{row['queries_s']:,.{int(row['queries_s'] < 10)}f}" for row in own),
                "",
            )
        )
        lines += [
            f"`{data}`, {own[0]['seeds']} seed{'s' * (own[0]['seeds'] > 1)}:",
            "",
            *table(" | ".join(["figure", *heads, "floor"]), rows),
            "",
        ]
    return lines[:-1]


def search_speed(figures: Figures) -> list[str]:
    """Rates, each part beside its peer or limit."""
    lines: list[str] = []
    told = {
        "index_s": ("index s", ".1f"),
        "cosine": ("cosine", ".3f"),
        "ratio": ("times the limit", ".3f"),
    }
    for part in dict.fromkeys(row["part"] for row in figures["rows"]):
        rows = [row for row in figures["rows"] if row["part"] == part]
        shown = [key for key in told if any(key in row for row in rows)]
        unit = next(row["unit"] for row in rows if "unit" in row)
        body = [
            (
                row["name"],
                f"{row['rate']:,.0f}",
                *(format(row[k], told[k][1]) if k in row else "" for k in shown),
            )
            for row in rows
        ]
        lines += [*table(" | ".join([part, unit, *(told[k][0] for k in shown)]), body), ""]
    added = [row["ratio"] - 1 for row in figures["rows"] if row["name"] == "endpoint"]
    held = bool(added) and added[0] < figures["overhead"]
    return [
        *lines,
        f"The client adds {added[0]:.1%} to the server's own time: bar {'held' if held else '**missed**'}.",
    ]


def search_words(figures: Figures) -> list[str]:
    """One row a way to find products, beside the one it adds to."""
    rows = [
        (
            row["name"],
            f"{row['whole']:.4f} / {row['condensed']:.4f}",
            f"{row['figured']:.4f}",
            f"{row['judged']:.0%}",
            row["beside"],
            _differs(row) if row["beside"] else "",
            _differs(row["of_figured"]) if row["beside"] else "",
        )
        for row in figures["rows"]
    ]
    queries, figured = f"{figures['queries']:,}", f"{figures['figured']:,}"
    return [
        f"{queries} queries of the {figures['part']} part, {figured} of them with a figure.",
        "",
        *table(
            "what finds | nDCG@10 whole catalogue / condensed | with a figure | judged | beside | all | with a figure",
            rows,
        ),
        "",
        "Sizes, pairs and delta on shops unlike each other, in the plain fusion with runs:",
        "",
        *table(
            "shop | queries | none | sizes, pairs | and delta | by sizes, pairs | by delta | by all",
            [
                (
                    row["shop"],
                    f"{row['queries']:,}",
                    f"{row['without']:.3f}",
                    f"{row['sized']:.3f}",
                    f"{row['with']:.3f}",
                    _differs(row["of_sizes"]),
                    _differs(row["of_delta"]),
                    _differs(row["whole"]),
                )
                for row in figures["shops"]
            ],
        ),
    ]


def search_reader(figures: Figures) -> list[str]:
    """One row a system: what the cross-encoder adds to what it reads, and to what nobody taught."""
    rows = [
        (
            row["name"],
            f"{row['whole']:.4f} / {row['condensed']:.4f}",
            f"{row['judged']:.0%}",
            _differs(row["over"]) if "over" in row else "",
            _differs(row["over_untaught"]) if "over_untaught" in row else "",
            f"{row['ms_a_query']:.0f} ms",
        )
        for row in figures["rows"]
    ]
    return [
        f"{figures['queries']:,} test queries, one seed.",
        "",
        *table(
            "system | nDCG@10 whole catalogue / condensed | judged | beside none read | beside untaught | a query",
            rows,
        ),
    ]


def _differs(found: dict[str, float]) -> str:
    return f"{found['difference']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})"
