"""Tables of benchmarks of what dialogues teach, and of suggested texts."""

from __future__ import annotations

from typing import Any

from _tables import Figures, table

MADE = "real + synthetic"
CALLED = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "token_f1": "token F1",
    "recall@1": "hard, recall@1",
    "mrr": "hard, MRR",
    "recall@1, random replies": "random, recall@1",
    "mrr, random replies": "random, MRR",
}


def dialogues_useful(figures: Figures) -> list[str]:
    """What is asked in turn: every arm, then what synthetic turns add to each; and the verdicts."""
    lines = ["| | verdict |", "| --- | --- |"]
    lines += [
        f"| {one['part']} ({one['draws']} draws) | {one['sentence']} |" for one in figures["proofs"]
    ]
    for asks in dict.fromkeys(one["asks"] for one in figures["proofs"]):
        own = [one for one in figures["proofs"] if one["asks"] == asks]
        lines += ["", f"### {asks.capitalize()}", "", *_arms(own), "", *_differences(own)]
    return lines


def _arms(proofs: list[dict[str, Any]]) -> list[str]:
    """Means of every arm, and of what stands beside."""
    metrics = list(dict.fromkeys(row["metric"] for row in proofs[0]["arms"]))
    rows = []
    for proof in proofs:
        means = {(row["arm"], row["metric"]): row["mean"] for row in proof["arms"]}
        means |= {(row["ranker"], row["metric"]): row["mean"] for row in proof["beside"]}
        for arm in dict.fromkeys(arm for arm, _ in means):
            name = f"**{arm}**" if arm == MADE else arm
            rows.append((proof["part"], name, *(f"{means[arm, m]:.3f}" for m in metrics)))
    return table(" | ".join(["log, real ones", "arm", *(CALLED[m] for m in metrics)]), rows)


def _differences(proofs: list[dict[str, Any]]) -> list[str]:
    """Points of the deciding metric by which arms with synthetic turns are ahead."""
    head = "log, real ones | arm | against | points | 95 % interval"
    rows = [
        (
            proof["part"],
            row["arm"],
            row["against"],
            f"{100 * row['difference']:+.1f}",
            f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
        )
        for proof in proofs
        for row in proof["comparisons"]
        if row["metric"] == proof["metric"] and "synthetic" in row["arm"]
    ]
    return table(head, rows)


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
            f"{one['lies_checked']:,}, {one['lies_read']:,} of {one['lies']:,}"
            if "lies" in one
            else "–",
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
    for part, found in ({"validation": search} if "arms" in search else search).items():
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
    if "keywords over twice, ndcg@10" in search["differences"]:
        over = (_signed(search, "keywords over twice", key) for key in keys)
        rows.append(("keywords over titles twice", *over))
    return table(" | ".join(["text", *keys]), rows)


def _signed(search: dict[str, Any], arm: str, key: str) -> str:
    mean, low, high = search["differences"][f"{arm}, {key}"]
    return f"{mean:+.4f}: {low:+.4f} to {high:+.4f}"


ARMS = {
    "titles": "titles",
    "keywords": "with keywords",
    "random": "with random words of the category",
    "twice": "titles twice",
}
