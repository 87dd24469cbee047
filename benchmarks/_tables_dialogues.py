"""How the page of benchmarks shows the figures of dialogues: lines of Markdown."""

from __future__ import annotations

from _tables import Figures, table

SHOWN = {
    "turn_discriminator.customer": "customers' turns told apart (AUC)",
    "turn_discriminator.agent": "agents' turns told apart (AUC)",
    "dialogue_discriminator": "whole dialogues told apart (AUC)",
    "act_pairs": "pairs of acts (total variation)",
    "dialogue_length.turns_customer": "turns of a customer",
    "dialogue_length.words_customer": "words of a customer's turn",
    "dialogue_length.turns_agent": "turns of an agent",
    "dialogue_length.words_agent": "words of an agent's turn",
    "distinct_pairs.customer": "distinct-2, customers",
    "distinct_pairs.agent": "distinct-2, agents",
    "self_bleu.customer": "self-BLEU, customers",
    "self_bleu.agent": "self-BLEU, agents",
    "dialogue_copies.near": "long turns near a real one",
    "dialogue_copies.runs": "turns with a run of 12 of a real one",
    "dialogue_copies.whole": "customers that repeat a real one whole",
    "dialogue_facts": "agents' turns with a wrong fact",
}
"""Figures that are shown, where they are there, and what they are called"""


def dialogues(figures: Figures) -> list[str]:
    """Likeness beside floors and controls, then rates, facts and speed, then the assistant's check."""
    lines = []
    for side in figures["sides"]:
        lines += [f"### {side['data']}", "", _said(side), ""]
        own = {name: {f["name"]: f for f in made} for name, made in side["generators"].items()}
        beside = {
            "bag": "bag of real turns",
            "copies": "copies",
            "whole": "`flow`, whole dialogues",
        }
        beside = {name: label for name, label in beside.items() if name in own}
        rows = []
        for name, label in SHOWN.items():
            if name not in own["flow"]:
                continue
            one = own["flow"][name]
            cells = [_pair(one), *(_value(own[c].get(name)) for c in beside)]
            rows.append((label, *cells, f"{one['floor']:.3f}"))
        head = " | ".join(["figure", "`flow` (95 %)", *beside.values(), "floor"])
        lines += [*table(head, rows), ""]
        permuted = own["flow"]["dialogue_discriminator"]["about"]["permuted"]
        lines += [
            f"Real dialogues with each role's turns in random order have an area of {permuted:.3f}.",
            "",
        ]
        real, made = side["rates"]["real"], side["rates"]["flow"]
        shown = [
            (n, f"{v:.1%}", f"{made[n]:.1%}", f"{made[n] / v - 1:+.0%}")
            for n, v in real.items()
            if n != "dialogues"
        ]
        head = "rate | held-out dialogues | `flow` | difference"
        lines += [*table(head, shown), "", *_attacked(side), ""]
    lines += ["### An assistant's check", ""]
    lines += [f"- {one['language']}: {one['said']}" for one in figures["assistant"]]
    return lines


def _attacked(side: Figures) -> list[str]:
    """What an attack on membership tells of each sample."""
    rows = [
        (
            name,
            _pair({"value": one["area"], "low": one["low"], "high": one["high"]}),
            f"{one['dialogues of members with a copied run']:.1%}",
            f"{one['dialogues of others with a copied run']:.1%}",
        )
        for name, one in side["attack"].items()
    ]
    head = "sample | members told by their words (area, 95 %) | members with a copied run | others"
    return table(head, rows)


def _said(side: Figures) -> str:
    facts = side["facts"]
    refused = ", ".join(f"{why} {n:,}" for why, n in side["refused"].items()) or "none"
    return (
        f"{side['dialogues']:,} dialogues, {side['per_second']:.0f} a second on one thread; fitted in "
        f"{side['fit_seconds']:.0f} s; drafts refused: {refused}. Of {side['spans']:,} slots {side['spans_right']:,} "
        f"are what stands at their spans. Of {facts['planted']:,} planted wrong figures the measure of facts "
        f"finds {facts['found']:,}; without any it objects to {facts['wrong unplanted']:,} of "
        f"{facts['dialogues']:,} dialogues."
    )


def _pair(figure: Figures) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _value(figure: Figures | None) -> str:
    return "–" if figure is None else f"{figure['value']:.3f}"
