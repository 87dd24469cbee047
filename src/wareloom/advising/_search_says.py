"""What the page says of search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.advising._facts import lift
from wareloom.advising._says import HELPS, NOTHING, OUT
from wareloom.advising._search_tries import written_says
from wareloom.experiment.plan import MIXED

Data = Mapping[str, Any]
UNJUDGED = "not judged"


def answer(found: Data) -> str:
    """The one word of search."""
    if not found["judged"]:
        return UNJUDGED
    if not found["proof"]:
        return "not proved"
    verdict = found["proof"]["verdict"]
    return {"helps": HELPS, "helps, but": HELPS, "hurts": OUT}.get(verdict, NOTHING)


def headline(found: Data) -> str:
    """The first sentence."""
    label = found["label"]
    if not found["judged"]:
        return (
            f"Nobody judged enough queries to tell rankers of search apart: {found['queries']:,} are judged. "
            f"{label} is kept, which needs no judgment."
        )
    reached = (
        ""
        if found["test"] is None
        else f" It reaches nDCG@10 {found['test']:.4f} on held-out queries."
    )
    proof = found["proof"]
    if not proof:
        return f"Take {label} for search.{reached} What synthetic queries add to it was not proved."
    size = f"ndcg@10 {lift(proof['decisive'])} against {proof['decisive']['against']}"
    to = "it" if found["learner"] == label else f"{found['learner']}, the best ranker that learns"
    said = {
        HELPS: f"Synthetic queries help {to}: {size}.",
        OUT: f"Leave synthetic queries out: they take away from {to}, {size}.",
    }.get(answer(found), f"No evidence that synthetic queries add to {to}: {size}.")
    return f"Take {label} for search.{reached} {said}"


def sentences(found: Data) -> list[str]:
    """What else is said."""
    said = [headline(found)]
    if not found["judged"]:
        said.append(
            "Without judgments no ranker can be said to be better. Have people judge the first ten results of some 300 "
            "queries; then ask again."
        )
        said.append(
            "Queries can be written for the products (`wareloom synth attributes`), and teach a ranker; whether that "
            "helps takes judged queries, too."
        )
        return said
    if found["trials"]:
        shown = sorted(found["trials"], key=lambda t: -t["value"])
        each = ", ".join(f"{t['label']} {t['value']:.4f}" for t in shown)
        said.append(
            f"Chosen on queries before the test part, by nDCG@10 over the whole catalogue: {each}."
        )
    said += written_says(found.get("written"))
    if proof := found["proof"]:
        mixed = proof["means"].get(MIXED)
        said.append(
            f"With synthetic queries {found['learner']} reaches {mixed:.4f}; the decisive control is "
            f"{proof['decisive']['against']}. {proof['sentence']}"
        )
    return said


def steps(found: Data) -> list[str]:
    """What to do next."""
    said = ["Serve the model in `bundle-search`."]
    if found["judged"]:
        said.append("Run `recipe-search.toml` for the proof at full strength.")
    return said
