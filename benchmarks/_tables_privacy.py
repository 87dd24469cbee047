"""How the page of benchmarks shows what may leave the building."""

from __future__ import annotations

from pathlib import Path

from _tables import Figures, table

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "release-front.svg"
BAR = 0.55
"""Upper end of the worst attack's area at which a sample may leave to a partner"""


def attacks(figures: Figures) -> list[str]:
    """Each attack on each generator, then what a large shop costs."""
    rows = [r for r in figures["rows"] if r["caught"] in ("yes", "no")]
    data = list(dict.fromkeys(r["data"] for r in rows))
    names = list(dict.fromkeys(r["attack"] for r in rows))
    areas = {(r["data"], r["attack"]): f"{r['area']:.3f}" for r in rows}
    lines = table(
        "attack | " + " | ".join(data),
        ((name, *(areas.get((each, name), "–") for each in data)) for name in names),
    )
    if cost := figures.get("cost"):
        held = cost["seconds"] <= 300 and cost["peak_gib"] <= 2
        lines += [
            "",
            f"{cost['users']:,} users, all attacks but the slow ones: {cost['seconds']:.0f} s, "
            f"{cost['cpu_seconds']:.0f} of a processor, {cost['peak_gib']:.2f} GiB; bar 300 s and 2 GiB: "
            f"{'held' if held else '**missed**'}.",
        ]
    return lines


def front(figures: Figures) -> list[str]:
    """Lift against the worst attack, and the picture of it."""
    PICTURE.write_text(drawn(figures), encoding="utf-8")
    rows = []
    for row in figures["rows"]:
        lift, low, high = row["lift"]
        area, below, above = row["area"]
        rows.append(
            (
                row["generator"],
                row["keeps"],
                f"{lift:+.0%} ({low:+.0%} to {high:+.0%})",
                f"{row['kept'][0]:.0%}",
                row["worst"],
                f"{area:.3f} ({below:.3f} to {above:.3f})",
                f"{row['high']:.3f}",
                f"{row['tpr high']:.1%}",
            )
        )
    limit, low, high = figures["rows"][0]["limit"]
    head = "sample of | keeps | lift | of the limit | worst attack | its area | upper end | at .1 %, upper end"
    return [
        f"{figures['title']}, {figures['own']:.0%} of own users, {figures['seeds']} seeds. The other log itself: "
        f"{limit:+.0%} ({low:+.0%} to {high:+.0%}).",
        "",
        "![Lift of another shop's system against the worst attack on the sample](release-front.svg)",
        "",
        *table(head, rows),
    ]


def audit(figures: Figures) -> list[str]:
    """What draws can show of the ε that is printed."""
    rows = [
        (
            r["mechanism"],
            f"{r['epsilon']:g}",
            f"{r['shown']:.3f}",
            f"{r['can']:.3f}",
            f"{r['mu']:.4f}" if r.get("mu") else "–",
            f"{r['mu_shown']:.4f}" if r.get("mu_shown") else "–",
        )
        for r in figures["rows"]
    ]
    lines = table("mechanism | ε paid | shown | what draws can show | μ paid | μ shown", rows)
    planted = [
        (f"{r['epsilon']:g}" if r["epsilon"] != float("inf") else "∞", f"{r['shown']:.3f}")
        for r in figures["one_run"]
    ]
    lines += ["", "One release with planted users, each in by a coin:", ""]
    lines += table("ε paid | shown", planted)
    said = "held" if figures["held"] else "**missed**"
    return [*lines, "", f"No ε shown is above the one that was paid: {said}."]


def private_walk(figures: Figures) -> list[str]:
    """What a private sample teaches and how it looks, by ε."""

    def cell(row: Figures, name: str) -> str:
        return f"{row[name]:.4f}" if name in row else "–"

    rows = [
        (name, *(cell(row, key) for key in ("ndcg@10", "items", "category_steps")))
        for name, row in figures["rows"].items()
    ]
    return table("trained on | ndcg@10 | items apart | category steps apart", rows)


WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM = 720, 420, 64, 24, 24, 56
COLOURS = {"people": "#c4452d", "counts": "#2b6cb0", "private": "#2f855a"}


def drawn(figures: Figures) -> str:
    """The front as SVG: to the left is safe, above is useful; readable on light and dark ground."""
    rows, limit = figures["rows"], figures["rows"][0]["limit"][0]
    right = max(0.75, *(row["high"] for row in rows)) + 0.02
    above = 1.1 * max(limit, *(row["lift"][0] for row in rows))

    def x(area: float) -> float:
        return LEFT + (area - 0.5) / (right - 0.5) * (WIDE - LEFT - RIGHT)

    def y(lift: float) -> float:
        return HIGH - BOTTOM - max(lift, 0.0) / above * (HIGH - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" font-family="sans-serif" '
        f'font-size="12"><title>Lift of another shop&#39;s system against the worst attack on the sample</title>',
        "<style>text{fill:#333}.axis{stroke:#888}.grid{stroke:#ddd}.safe{fill:#2f855a;opacity:.12}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}}</style>",
        f'<rect class="safe" x="{x(0.5):.0f}" y="{TOP}" width="{x(BAR) - x(0.5):.0f}" '
        f'height="{HIGH - TOP - BOTTOM}"/>',
    ]
    step = 0.2 if above > 0.5 else 0.1
    for k in range(int(above / step) + 1):
        at = y(k * step)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{at:.0f}" y2="{at:.0f}"/>'
        )
        parts.append(
            f'<text x="{LEFT - 8}" y="{at + 4:.0f}" text-anchor="end">+{k * step:.0%}</text>'
        )
    for tenth in range(5, int(right * 10) + 1):
        parts.append(
            f'<text x="{x(tenth / 10):.0f}" y="{HIGH - BOTTOM + 18}" text-anchor="middle">{tenth / 10:g}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDE) / 2:.0f}" y="{HIGH - 14}" text-anchor="middle">upper end of the worst attack&#39;s '
        "area (.5: guessing; green: up to .55)</text>"
    )
    at = y(limit)
    parts.append(
        f'<line class="axis" stroke-dasharray="5 4" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{at:.0f}" y2="{at:.0f}"/>'
        f'<text x="{WIDE - RIGHT}" y="{at - 6:.0f}" text-anchor="end">the log itself, the limit</text>'
    )
    taken: list[tuple[float, float]] = []
    for row in sorted(rows, key=lambda one: -one["lift"][0]):
        across, up = x(row["high"]), y(row["lift"][0])
        colour = COLOURS["private"] if "private" in row["generator"] else COLOURS[row["keeps"]]
        low, high = y(row["lift"][1]), y(row["lift"][2])
        label = up + 4
        while any(abs(label - b) < 13 and abs(across - a) < 150 for a, b in taken):
            label += 13
        taken.append((across, label))
        to_left = across > WIDE - 170
        place = across - 9 if to_left else across + 9
        parts.append(
            f'<line stroke="{colour}" x1="{across:.0f}" x2="{across:.0f}" y1="{low:.0f}" y2="{high:.0f}"/>'
            f'<circle fill="{colour}" cx="{across:.0f}" cy="{up:.0f}" r="4.5"/>'
            f'<text x="{place:.0f}" y="{label:.0f}" text-anchor="{"end" if to_left else "start"}">'
            f"{row['generator']}</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
