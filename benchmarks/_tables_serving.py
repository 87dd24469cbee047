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


def loaded(figures: Figures) -> list[str]:
    """Latency at a constant rate, three times too much, and a search beside its parts."""
    rows = []
    for row in figures["rows"]:
        if row["part"] == "overload" and "grown_mb" in row:
            own = f"{row['grown_mb']:+.1f} MB, {row['recovered_after_s']:.1f} s"
            if "first_mb" in row:
                own += f" (a first burst over {row['connections']} connections, before: {row['first_mb']:+.1f} MB)"
            limit, ratio, bar = "–", "–", f"≤ {row['bar']}"
        elif row["part"] == "overload":
            own = (
                f"{row['per_cpu_second']:,.0f} answers a processor second, {row['wall_per_second']:,.0f} a second; "
                f"{row['sent_away']:,} sent away, {row['others']} otherwise"
            )
            limit = f"{row['limit_per_cpu_second']:,.0f}; {row['wall_limit']:,.0f}"
            ratio, bar = f"{row['ratio']:.2f}", f"≥ {row['bar']}"
        else:
            own, limit = f"{row['ms']:.3f} ms", f"{row['limit_ms']:.3f} ms"
            ratio, bar = f"{row['ratio']:.2f}", f"≤ {row['bar']}"
        rows.append((row["name"], own, limit, ratio, bar, "held" if row["held"] else "**missed**"))
    lines = table("what | figure | its limit, same run | ratio | bar | ", rows)
    for row in figures["rows"]:
        if row["part"] == "open":
            lines += [
                "",
                f"Constant rate: {row['rate']:,.0f} requests a second, {row['requests']:,} in {row['turns']} turns, "
                f"{row['refused']} of them not answered; p50 {row['p50_ms']:.2f} ms, of the bare route "
                f"{row['limit_p50_ms']:.2f} ms.",
            ]
        if row["part"] == "overload" and "offered_of_capacity" in row:
            lines += [
                "",
                f"Offered: {row['offered_of_capacity']:.1f} times the wall capacity, from the same core.",
            ]
    return lines


def realtime(figures: Figures) -> list[str]:
    """The lift of writing short sessions on over each of what it must beat, then what it costs."""
    lifts = [row for row in figures["rows"] if row["part"] == "lift"]
    limits = list(lifts[0]["beside"]) if lifts else []
    rows = []
    for row in lifts:
        beside = (row["beside"][name] for name in limits)
        rows.append(
            (
                row["data"],
                f"`{row['ranker']}`, `{row['generator']}` ({row['length']} × {row['share']})",
                f"{row['ndcg']:.4f}",
                *(f"{b['difference']:+.4f} ({b['low']:+.4f} to {b['high']:+.4f})" for b in beside),
                "yes" if row["beats_all"] else "no",
            )
        )
    head = "data | ranker, generator (events × share) | nDCG@10 | " + " | ".join(
        f"over {name}" for name in limits
    )
    costs = [
        (
            f"`{row['ranker']}`, `{row['generator']}`",
            f"{row['plain_ms']:.3f} ms",
            f"{row['fresh_ms']:.3f} ms",
            f"{row['kept_ms']:.3f} ms",
            f"{row['ratio']:.2f}",
            "held" if row["held"] else "**missed**",
        )
        for row in figures["rows"]
        if row["part"] == "cost"
    ]
    return [
        *table(f"{head} | beats all", rows),
        "",
        *table("cost | plain | new opening | kept opening | ratio of new | ≤ 5", costs),
    ]


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


LEAST = 0.98
"""Share of the exact ten that a graph must find"""
FILTERED = "filter | own | recall@10 | graph, filtered afterwards | bar | "


def vectors(figures: Figures) -> list[str]:
    """What search costs beside its limit, what filters leave of it, and what else must hold."""
    rows = figures["rows"]
    beside = [_vectors_beside(row) for row in rows if "limit_ms" in row]
    filtered = [
        (
            row["name"],
            f"{row['ms']:.2f} ms",
            f"{row['recall']:.3f}",
            f"{row['control']:.3f}",
            f"≥ {row['bar']}",
            _said(row),
        )
        for row in rows
        if "control" in row
    ]
    rest = [_vectors_rest(row) for row in rows if "limit_ms" not in row and "control" not in row]
    return [
        *table("what | own | limit, same run | ratio | bar | recall@10 | ", beside),
        "",
        *([*table(FILTERED, filtered), ""] if filtered else []),
        *table("what must hold | found | bar | ", rest),
    ]


def _vectors_beside(row: dict[str, Any]) -> tuple[str, ...]:
    limit = f"{row['limit_ms']:.3f} ms ({row['limit']})"
    if "torch_ms" in row:
        limit += f"; torch {row['torch_ms']:.2f}"
    recall = f"{row['recall']:.3f}" if "recall" in row else "–"
    own, bar, said = f"{row['ms']:.3f} ms", f"≤ {row['bar']}", _said(row)
    if row["name"].endswith("graph"):
        # A graph that is quick and finds too little is none.
        bar += f", recall ≥ {LEAST}"
        said = said if row["recall"] >= LEAST else "**missed**"
    return row["name"], own, limit, f"{row['ratio']:.2f}", bar, recall, said


def _vectors_rest(row: dict[str, Any]) -> tuple[str, ...]:
    if "refused" in row:
        found = f"recall@10 {row['recall']:.3f}"
        if refused := row["refused"]:
            found += f"; a graph finds {refused['recall']:.3f} where {refused['where']}"
        return row["name"], found, f"≥ {row['bar']:g}", _said(row)
    if "mb" in row:
        found = f"{row['mb'][1]:,.0f} MB beside {row['mb'][0]:,.0f}: {row['ratio']:.2f}"
    elif "bytes" in row:
        found = f"{row['bytes']:,.0f} bytes"
    elif "s" in row:
        found = f"{row['s']:.2f} s of processor time"
        found += f", {row['wall_s']:.2f} s by the clock" if "wall_s" in row else ""
    elif "apart" in row:
        found = f"{row['apart']:.2g}"
    else:
        found = f"{row['ms']:.4f} ms"
    return row["name"], found, f"≤ {row['bar']:g}" if "bar" in row else "–", _said(row)


def compressed(figures: Figures) -> list[str]:
    """Each encoder beside the whole one, then the vectors."""
    whole = figures["encoders"][0]
    encoders = [
        (
            row["name"],
            f"{row['mebibytes']:.1f} MiB ({row['mebibytes'] / whole['mebibytes']:.2f})",
            f"{row['ms']:.2f} ms ({row['ms'] / whole['ms']:.2f})",
            f"{row['verdict']['after']:.4f}",
            "–" if row is whole else _ends(row["verdict"]["interval"]),
            "–" if row is whole else "yes" if row["verdict"]["holds"] else "no",
            row["note"] or " ",
        )
        for row in figures["encoders"]
    ]
    vectors_ = [
        (
            row["name"],
            f"{row['mebibytes']:.1f} MiB",
            "–" if row["ms"] is None else f"{row['ms']:.3f} ms",
            f"{row['recall']:.4f}",
        )
        for row in figures["vectors"]
    ]
    bars = [
        (f"int8 beside 32 bits: {name}", f"{one['value']:.2f}", f"≤ {one['bar']}", _said(one))
        for name, one in figures["bars"].items()
    ]
    return [
        *table("encoder | size | CPU, a query | nDCG@10 | difference | may serve | ", encoders),
        "",
        *table("vectors | size | CPU, a search | recall@10", vectors_),
        "",
        *table("bar | found | wanted | ", bars),
    ]


def _ends(interval: list[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:+.4f} to {interval[1]:+.4f}"


def _said(row: dict[str, Any]) -> str:
    return "held" if row["held"] else "**missed**"
