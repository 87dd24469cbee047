"""Tables of benchmarks of utterances and of suggested texts."""

from __future__ import annotations

from typing import Any

from _tables import Figures, table

MADE = "real + synthetic"
CALLED = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def dialogues_useful(figures: Figures) -> list[str]:
    """Every arm, then what synthetic utterances add to each, and the verdicts."""
    head = "log, real utterances an intent | arm | accuracy | macro-F1"
    rows = []
    for proof in figures["proofs"]:
        means = {(r["shots"], r["arm"], r["measure"]): r["mean"] for r in proof["arms"]}
        for shots, arm in dict.fromkeys((r["shots"], r["arm"]) for r in proof["arms"]):
            said = [f"{means[shots, arm, measure]:.3f}" for measure in CALLED]
            rows.append((_named(proof, shots), f"**{arm}**" if arm == MADE else arm, *said))
    lines = [
        *table(head, rows),
        "",
        "Arms with synthetic utterances beside others, points of macro-F1:",
        "",
    ]
    head = "log, real utterances an intent | arm | against | difference | 95 % interval | verdict of all"
    rows = [
        (
            _named(proof, one["shots"]),
            one["of"],
            one["against"],
            f"{100 * one['mean']:+.1f}",
            f"{100 * one['low']:+.1f} to {100 * one['high']:+.1f}",
            proof["verdicts"][str(one["shots"])],
        )
        for proof in figures["proofs"]
        for one in proof["differences"]
        if one["measure"] == "macro_f1"
    ]
    return [*lines, *table(head, rows)]


def _named(proof: dict[str, Any], shots: int) -> str:
    variant = ", own beginnings" if proof["variant"] else ""
    return f"{proof['data']} ({proof['about']['intents']} intents), {shots}{variant}"


def suggest(figures: Figures) -> list[str]:
    """Claims without a field, coverage, the planted liar, and search with keywords."""
    head = (
        "catalogue | texts | claims | unsupported | texts the oracle objects to | lies found by check, oracle "
        "| fields that descriptions say"
    )
    rows = [
        (
            one["data"],
            f"{one['texts']:,}",
            f"{one['claims']:,}",
            one["unsupported"],
            one["oracle_unsupported"],
            f"{one['lies_checked']:,}, {one['lies_read']:,} of {one['lies']:,}",
            f"{one['coverage']['description en']:.1%}",
        )
        for one in figures["claims"]
    ]
    liar, search = figures["liar"], figures["search"]
    told = ", ".join(f"{kind} {n:,}" for kind, n in liar["caught"].items())
    lines = [
        *table(head, rows),
        "",
        f"The planted liar, {liar['asked']:,} texts, lies refused: {told}. "
        f"Its truth was kept {liar['truth_kept']:,} times.",
        "",
    ]
    for part, found in search.items():
        lines += ["", f"BM25 on {found['queries']:,} {part} queries of Home Depot:", ""]
        lines += _searched(found)
    return lines


def _searched(search: dict[str, Any]) -> list[str]:
    """The arms of one part, with their differences to titles alone."""
    keys, rows = list(search["arms"]["titles"]), []
    for arm, own in search["arms"].items():
        cells = [f"{own[key]:.4f}" for key in keys]
        if arm != "titles":
            cells = [
                f"{cell} ({_signed(search, arm, key)})"
                for cell, key in zip(cells, keys, strict=True)
            ]
        rows.append((ARMS[arm], *cells))
    twice = (
        "keywords over titles twice",
        *(_signed(search, "keywords over twice", k) for k in keys),
    )
    return table(" | ".join(["text", *keys]), [*rows, twice])


def _signed(search: dict[str, Any], arm: str, key: str) -> str:
    mean, low, high = search["differences"][f"{arm}, {key}"]
    return f"{mean:+.4f}: {low:+.4f} to {high:+.4f}"


ARMS = {
    "titles": "titles",
    "keywords": "with keywords",
    "random": "with random words of the category",
    "twice": "titles twice",
}
