"""The page of a report of attacks: whether anybody can be told, by which attack, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say
from wareloom.report.charts import Axis, Dots, Mark, Row
from wareloom.report.templating import filled
from wareloom.report.views import Table, table

GUESSING = 0.5
"""The area of who guesses"""
Outcomes = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class AttacksPage:
    """What the page of a report of attacks says."""

    title: str
    tone: str
    badge: str
    lead: str
    bar: str
    chart: Dots | None
    table: Table | None
    lengths: Table | None
    worst: str
    left_out: Table | None
    notes: tuple[str, ...]
    who: str
    seed: int


def attacks_page(data: Mapping[str, Any], language: str = "", *, interactive: bool = False) -> str:
    """Return the page of what `wareloom attack --to` wrote: one HTML file that needs no network."""
    view = attacks_of(data, Say.of(language))
    return filled("attacks.html.j2", view, language, interactive=interactive)


def attacks_of(data: Mapping[str, Any], say: Say) -> AttacksPage:
    """Return what the page of a report of attacks says, in plain text and charts."""
    told = sorted(data["outcomes"], key=lambda one: (not one["evidence"], -one["area"]["value"]))
    evidence = [one for one in told if one["evidence"]]
    most = data.get("most")
    passes = bool(evidence) and (data["high"] <= most if most is not None else not data["caught"])
    verdict = "none" if not evidence else "passes" if passes else "fails"
    users = data["users"]
    return AttacksPage(
        title=_title(data, verdict, most, say),
        tone={"none": "none", "passes": "helps", "fails": "hurts"}[verdict],
        badge=say(f"attacks.badge_{verdict}"),
        lead=_lead(evidence, data, say),
        bar=""
        if most is None
        else say("attacks.bar", most=f"{most:g}", high=f"{data['high']:.3f}"),
        chart=_chart(told, most, say) if told else None,
        table=_table(told, say) if told else None,
        lengths=_lengths(evidence[0], say) if evidence and evidence[0]["by_length"] else None,
        worst=evidence[0]["name"] if evidence else "",
        left_out=table((say("head.attack"), say("head.why")), sorted(data["left_out"].items()))
        if data["left_out"]
        else None,
        notes=tuple(say.retold("note", note) for note in data["notes"]),
        who=say(
            "attacks.who",
            **{name: f"{users.get(name, 0):,}" for name in ("real", "holdout", "synthetic")},
            blind=f"{data['blind']['area']['value']:.3f}",
        ),
        seed=data["seed"],
    )


def _title(data: Mapping[str, Any], verdict: str, most: float | None, say: Say) -> str:
    if verdict != "fails":
        return say(f"attacks.title_{verdict}")
    over = [
        one["name"]
        for one in data["outcomes"]
        if one["evidence"] and (one["area"]["high"] > most if most is not None else one["caught"])
    ]
    return say.counted("attacks.title_fails", len(over))


def _lead(evidence: Outcomes, data: Mapping[str, Any], say: Say) -> str:
    if not evidence:
        return say("attacks.none")
    worst = evidence[0]
    area = worst["area"]
    said = say(
        "attacks.worst",
        count=len(evidence),
        name=worst["name"],
        area=f"{area['value']:.3f}",
        low=f"{area['low']:.3f}",
        high=f"{area['high']:.3f}",
        rate=f"{worst['alarms']['0.001']['value']:.1%}",
    )
    caught = list(data["caught"])
    key = say("attacks.caught", names=say.listed(caught)) if caught else say("attacks.not_caught")
    return say.sentences([said, key])


def _chart(told: Outcomes, most: float | None, say: Say) -> Dots:
    rows = tuple(
        Row(
            one["name"],
            (
                Mark(
                    one["area"]["value"], one["area"]["low"], one["area"]["high"], _tone(one, most)
                ),
            ),
            f"{one['area']['value']:.3f}",
            say(
                "figure.ends",
                ends=say(
                    "figure.to",
                    low=f"{one['area']['low']:.3f}",
                    high=f"{one['area']['high']:.3f}",
                ),
            ),
        )
        for one in told
    )
    series = (
        ("hurts", say("attacks.over")),
        ("none", say("attacks.under")),
        ("s4", say("attacks.no_evidence")),
    )
    return Dots(
        say("attacks.chart"),
        rows,
        Axis(say("attacks.axis")),
        line=GUESSING,
        band=None if most is None else (GUESSING, most),
        series=series,
    )


def _tone(one: Mapping[str, Any], most: float | None) -> str:
    if not one["evidence"]:
        return "s4"
    over = one["area"]["high"] > most if most is not None else one["caught"]
    return "hurts" if over else "none"


def _table(told: Outcomes, say: Say) -> Table:
    head = (
        "attack",
        "area",
        "interval",
        "tpr_01",
        "tpr_01_high",
        "tpr_1",
        "advantage",
        "p",
        "caught",
    )
    body = [
        (
            one["name"],
            f"{one['area']['value']:.3f}",
            say("figure.to", low=f"{one['area']['low']:.3f}", high=f"{one['area']['high']:.3f}"),
            f"{one['alarms']['0.001']['value']:.2%}",
            f"{one['alarms']['0.001']['high']:.2%}",
            f"{one['alarms']['0.01']['value']:.2%}",
            f"{one['advantage']:.3f}".replace("-", "−"),
            f"{one['p_adjusted']:.2g}" if one["evidence"] else "–",
            say("attacks.yes" if one["caught"] else "attacks.no")
            if one["evidence"]
            else say("attacks.no_evidence"),
        )
        for one in told
    ]
    return table([say(f"head.{name}") for name in head], body)


def _lengths(worst: Mapping[str, Any], say: Say) -> Table:
    head = ("events_of", "members", "strangers", "area", "interval")
    body = [
        (
            say("figure.to", low=span["first"], high=span["last"]),
            span["members"],
            span["others"],
            f"{span['area']:.3f}",
            say("figure.to", low=f"{span['low']:.3f}", high=f"{span['high']:.3f}"),
        )
        for span in worst["by_length"]
    ]
    return table([say(f"head.{name}") for name in head], body)
