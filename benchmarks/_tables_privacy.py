"""How the page of benchmarks shows what may leave the building."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def pictured_front(figures: Figures) -> list[str]:
    """Lift against the worst attack, and the picture of it."""
    PICTURE.write_text(drawn(figures), encoding="utf-8")
    head, *rest = front(figures)
    picture = "![Lift of another shop's system against the worst attack on the sample](../release-front.svg)"
    return [head, "", picture, *rest]


def front(figures: Figures) -> list[str]:
    """Lift against the worst attack."""
    rows = []
    for row in figures["rows"]:
        lift, low, high = row["lift"]
        area, below, above = row["area"]
        rows.append(
            (
                row["generator"],
                row["keeps"],
                f"{lift:+.0%} ({low:+.0%} to {high:+.0%})",
                f"{row['kept'][0]['share']:.0%}",
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
        *table(head, rows),
    ]


def generators(figures: Figures) -> list[str]:
    """Likeness, teaching and the worst attack of each generator, a table a log."""
    lines: list[str] = []
    for title in dict.fromkeys(r["data"] for r in figures["rows"]):
        mine = [r for r in figures["rows"] if r["data"] == title]
        floors = mine[0]["floors"]
        rows = [
            (
                r["generator"],
                r["keeps"],
                *(f"{r['areas'][name]:.3f}" for name in floors),
                f"{r['beyond']} of {r['measures']}",
                f"{r['teaches']:.0%}",
                r["worst"],
                f"{r['area'][0]:.3f}",
                f"{r['high']:.3f}" if r["high"] > BAR else f"**{r['high']:.3f}**",
            )
            for r in mine
        ]
        heads = {"discriminator": "judge of sequences", "item_discriminator": "judge of items"}
        judges = " | ".join(f"{heads[name]} (floor {value:.3f})" for name, value in floors.items())
        head = (
            f"sample of | keeps | {judges} | beyond | teaches | worst attack | its area | upper end"
        )
        lines += [f"{title}:", "", *table(head, rows), ""]
    return lines[:-1]


def audit(figures: Figures) -> list[str]:
    """What draws can show of the ε that is printed."""
    rows = [
        (
            r["mechanism"],
            f"{r['epsilon']:g}",
            f"{r['shown']:.3f}",
            *(
                f"{r[key]:.{digits}f}" if r.get(key) is not None else "–"
                for key, digits in (("can", 3), ("mu", 4), ("mu_shown", 4))
            ),
        )
        for r in figures["rows"]
    ]
    lines = table("mechanism | ε paid | shown | what draws can show | μ paid | μ shown", rows)
    planted = [
        (f"{r['epsilon']:g}" if r["epsilon"] is not None else "∞, no noise", f"{r['shown']:.3f}")
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


def pairs_by_size(figures: Figures) -> list[str]:
    """By size and ε: what a pair needs, what survives beside its forecasts, and what a sample with pairs teaches."""
    rows = []
    for row in figures["rows"]:
        for epsilon, own in row["by_epsilon"].items():
            (with_, error), (without, other) = own["with"], own["without"]
            surer = with_ - without > 2 * (error**2 + other**2) ** 0.5
            rows.append(
                (
                    f"{row['users']:,}",
                    epsilon,
                    f"{own['needed']:,}",
                    f"{own['pairs']:,}",
                    f"{own['share']:.1%}",
                    f"{own['forecast']['share']:.1%}",
                    f"{own['paid share']:.1%}",
                    f"{without:.4f}",
                    f"**{with_:.4f}**" if surer else f"{with_:.4f}",
                    f"{row['real'][0]:.4f}",
                )
            )
    heads = (
        "users | ε | a pair needs | pairs that survive | steps along them | forecast by size | paid forecast | "
        "ndcg@10 without pairs | with | real log"
    )
    return [*table(heads, rows), "", _from_where(figures)]


def _from_where(figures: Figures) -> str:
    """From which size on pairs hold a fiftieth of the steps, by ε."""
    said = []
    for epsilon in figures["rows"][0]["by_epsilon"]:
        enough = [
            r["users"] for r in figures["rows"] if r["by_epsilon"][epsilon]["share"] >= WORTH_IT
        ]
        where = f"from {enough[0]:,} users on" if enough else "at none of these sizes"
        said.append(f"at ε {epsilon} {where}")
    return f"Pairs hold {WORTH_IT:.0%} of the steps or more {', '.join(said)}."


WORTH_IT = 0.02
WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM = 720, 420, 64, 24, 24, 56
SERIES = {
    "outlines": ("#c4452d", "outlines of real users (the default inside)"),
    "chain": ("#2b6cb0", "chains; steps of at least so many users"),
    "learned": ("#8a4fbf", "learned structure; at least so many users"),
    "private_walk": ("#2f855a", "private_walk, at ε"),
    "independent": ("#8a8a8a", "popularity alone"),
}
MARKS = (0.5, 0.51, 0.53, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0)
STYLE = (
    "text{fill:#333}.axis{stroke:#888}.grid{stroke:#ddd}.safe{fill:#2f855a;opacity:.12}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}}"
)


def drawn(figures: Figures) -> str:
    """The front as SVG: to the left is safe, above is useful; readable on light and dark ground."""
    rows, limit = figures["rows"], figures["rows"][0]["limit"][0]
    above = 1.1 * max(limit, *(row["lift"][2] for row in rows))

    def x(area: float) -> float:
        # By the root: most samples that may leave lie close to guessing.
        return LEFT + ((max(area, 0.5) - 0.5) / 0.5) ** 0.5 * (WIDE - LEFT - RIGHT)

    def y(lift: float) -> float:
        return HIGH - BOTTOM - max(lift, 0.0) / above * (HIGH - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" font-family="sans-serif" '
        'font-size="12"><title>Lift of another shop&#39;s system against the worst attack on the sample</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="safe" x="{LEFT}" y="{TOP}" width="{x(BAR) - LEFT:.0f}" height="{HIGH - TOP - BOTTOM}"/>',
        *_axes(x, y, above, limit),
    ]
    for place, (name, (colour, said)) in enumerate(SERIES.items()):
        own = [row for row in rows if row["generator"].partition(",")[0] == name]
        at = [(x(row["high"]), y(row["lift"][0])) for row in own]
        line = " ".join(f"{across:.0f},{up:.0f}" for across, up in at)
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{line}"/>'
        )
        for row, (across, up) in zip(own, at, strict=True):
            low, high = (y(each) for each in row["lift"][1:])
            mark = "".join(c for c in row["generator"].partition(",")[2] if c.isdigit())
            below = name == "private_walk"
            parts.append(
                f'<line stroke="{colour}" opacity=".5" x1="{across:.0f}" x2="{across:.0f}" y1="{low:.0f}" '
                f'y2="{high:.0f}"/><circle fill="{colour}" cx="{across:.0f}" cy="{up:.0f}" r="4.5"/>'
                f'<text x="{across + 7:.0f}" y="{up + (15 if below else -6):.0f}">{mark}</text>'
            )
        at_y = HIGH - BOTTOM - 12 - 18 * (len(SERIES) - 1 - place)
        parts.append(
            f'<circle fill="{colour}" cx="{WIDE - 300}" cy="{at_y - 4}" r="4.5"/>'
            f'<text x="{WIDE - 288}" y="{at_y}">{said}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes(
    x: Callable[[float], float], y: Callable[[float], float], above: float, limit: float
) -> Iterator[str]:
    """Lines of the grid with their numbers, and the limit."""
    step = 0.2 if above > 0.5 else 0.1
    for k in range(int(above / step) + 1):
        at = y(k * step)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{at:.0f}" y2="{at:.0f}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.0f}" text-anchor="end">+{k * step:.0%}</text>'
    for mark in MARKS:
        yield f'<text x="{x(mark):.0f}" y="{HIGH - BOTTOM + 18}" text-anchor="middle">{mark:g}</text>'
    yield (
        f'<text x="{(LEFT + WIDE) / 2:.0f}" y="{HIGH - 14}" text-anchor="middle">upper end of the worst attack&#39;s '
        "area (.5: guessing; green: up to .55)</text>"
    )
    at = y(limit)
    yield (
        f'<line class="axis" stroke-dasharray="5 4" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{at:.0f}" y2="{at:.0f}"/>'
        f'<text x="{WIDE - RIGHT}" y="{at - 6:.0f}" text-anchor="end">the log itself, the limit</text>'
    )
