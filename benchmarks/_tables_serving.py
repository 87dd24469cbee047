"""How the page shows what serving costs."""

from __future__ import annotations

from typing import Any

from _tables import Figures, table


def serving(figures: Figures) -> list[str]:
    """What is held against a limit of the same run, then what must not happen."""
    beside = [_beside(row) for row in figures["rows"] if "ratio" in row]
    counted = [_counted(row) for row in figures["rows"] if "ratio" not in row]
    return [
        *table("what | figure | its limit, same run | ratio | bar | ", beside),
        "",
        *table("what must hold | found | ", counted),
    ]


def _beside(row: dict[str, Any]) -> tuple[str, ...]:
    name = {"top": "one request of `{}`", "http": "`POST` {}"}.get(row["part"], "{}").format(
        row["name"]
    )
    if row["part"] == "top":
        own, limit = (
            f"{row['ms']:.3f} ms (`rank`: {row['rank_ms']:.2f})",
            f"{row['limit_ms']:.3f} ms",
        )
        bar = f"≤ {row['bar']}"
    elif row["part"] == "http":
        own = f"{row['ms']:.3f} ms, {row['per_cpu_second']:,.0f} a second"
        limit = f"{row['limit_ms']:.3f} ms (ASGI alone: {row['asgi_ms']:.3f})"
        bar = f"≥ {row['bar']}"
    elif row["part"] == "log":
        own = f"{row['per_second']:,.0f} events a second, {row['events_per_sync']:,.0f} a sync"
        limit, bar = f"{row['limit_per_second']:,.0f}", f"≥ {row['bar']}"
    else:
        own, limit, bar = f"{row['mb'][1]:.0f} MB", f"{row['mb'][0]:.0f} MB", f"≤ {row['bar']}"
    return name, own, limit, f"{row['ratio']:.2f}", bar, "held" if row["held"] else "**missed**"


def _counted(row: dict[str, Any]) -> tuple[str, ...]:
    told = {k: v for k, v in row.items() if k not in ("part", "name", "held", "bar")}
    figures = {
        k.replace("_", " "): f"{v:,.3g}" if isinstance(v, float) else f"{v:,}"
        for k, v in told.items()
    }
    said = ", ".join(f"{k} {v}" for k, v in figures.items())
    name = {"pairs": "event, then answer: {}"}.get(row["part"], "{}").format(row["name"])
    return name, said, "held" if row["held"] else "**missed**"


def replicas(figures: Figures) -> list[str]:
    """What must hold of two replicas, then what it costs."""
    counted = [_counted(row) for row in figures["rows"] if "held" in row]
    costs = [_cost(row) for row in figures["rows"] if row["part"] == "cost"]
    lines = [*table("what must hold | found | ", counted)]
    if costs:
        lines += ["", *table("what one process spends, what one thing takes | ", costs)]
    for row in figures["rows"]:
        if row["part"] == "ray":
            lines += [
                "",
                f"On Ray Serve a recommendation takes {row['ms']:.1f} ms of processor time over all of its processes, "
                f"{row['times']:.0f} times the {row['uvicorn_ms']:.2f} ms under uvicorn; median wait "
                f"{row['wall_p50_ms']:.0f} ms against {row['uvicorn_wall_p50_ms']:.0f} over 8 connections.",
            ]
    return lines


def _cost(row: dict[str, Any]) -> tuple[str, str]:
    said = f"{row['ms']:.2f} ms" if "ms" in row else f"{row['bytes']:,.0f} bytes"
    return row["name"], said
