"""How the page of benchmarks shows what advice says, reaches and takes."""

from __future__ import annotations

from _tables import Figures, table


def advise(figures: Figures) -> list[str]:
    """Shops of known truth, noise, real shops, and ten million events; what was not measured is left out."""
    lines: list[str] = []
    if found := figures.get("truths"):
        rows = [
            (
                row["shop"],
                row["answer"],
                "; ".join(row["wrong"]) or "right",
                f"{row['seconds']:.1f}",
            )
            for row in found["rows"]
        ]
        lines += [*table("shop | answer | so it is | CPU seconds", rows), ""]
        held = found["right"] >= found["bar"]
        lines += [f"{found['right']} of {len(rows)} right; bar {found['bar']}: {_said(held)}.", ""]
    if found := figures.get("noise"):
        each = ", ".join(f"{n} {answer}" for answer, n in sorted(found["answers"].items()))
        held = found["false"] <= found["bar"]
        lines += [
            f"Of {found['shops']} shops of noise: {each}. False “helps”: {found['false']}; bar 0: {_said(held)}.",
            "",
        ]
    rows = []
    for name in ("beauty", "homedepot"):
        if found := figures.get(name):
            share = None if found["reached"] is None else found["reached"] / found["full"]
            near = "–" if share is None else f"{share:.1%}"
            held = share is not None and share >= found["bar"]
            time = f"{found['minutes']:.1f} of {found['given']:g}"
            reached = "–" if found["reached"] is None else f"{found['reached']:.4f}"
            rows.append(
                (
                    name,
                    found["system"],
                    reached,
                    near,
                    time,
                    f"{found['peak_gib']:.2f}",
                    found.get("proves") or "–",
                    _said(held),
                    _said(found.get("in_time", True)),
                )
            )
    if rows:
        heads = "shop | system | NDCG@10 | of the full recipe's | minutes | peak GiB | proof of | 95 % | in time"
        lines += [*table(heads, rows), ""]
    if found := figures.get("events"):
        held = found["peak_gib"] <= found["bar"]
        lines += [
            f"{found['events']:,} events, of {found['share']:.1%} of the users: {found['minutes']:.1f} minutes, peak "
            f"{found['peak_gib']:.2f} GiB; bar {found['bar']:g}: {_said(held)}. Bar of the minutes, 110 %: "
            f"{_said(found.get('in_time', True))}.",
            "",
        ]
    return lines[:-1]


def _said(held: bool) -> str:
    return "held" if held else "**missed**"
