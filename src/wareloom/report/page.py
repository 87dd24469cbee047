"""The page of a proof: one HTML file with everything in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from plotly.offline import get_plotlyjs

from wareloom.experiment.plan import MIXED, REAL
from wareloom.proof.decide import listed
from wareloom.proof.story import askers
from wareloom.report import figures
from wareloom.report.beyond import compared, explored
from wareloom.report.markup import HEAD, STYLE, drawn, faint, percent, section, table
from wareloom.report.summary import summary


def render(data: Mapping[str, Any], cleaned: Mapping[str, Any] | None = None) -> str:
    """Return the page of `proof.json`'s `data`; `cleaned` is `clean.json`'s."""
    metric = data["decisive"]["metric"]
    parts = [
        summary(data),
        "<h2 class='part'>The details</h2>",
        section("What was asked", _asked(data)),
        section("Every arm on the same held-out requests", _arms(data, metric)),
        section("The comparisons", _comparisons(data, metric)),
        section("What could have been found", _power(data)),
        section("Where it helps and where it hurts", _slices(data, metric)),
        *explored(data["explored"], metric),
        section("What the synthetic data looks like", _synthetic(data)),
        section("How the ratio was chosen", _choice(data)),
        section("What was cleaned", _cleaned(cleaned)) if cleaned else "",
        section("Settings", _settings(data)),
    ]
    head = HEAD.format(
        title=f"Wareloom proof: {escape(data['verdict'])}", style=STYLE, plotly=get_plotlyjs()
    )
    return f"{head}<body><main>{''.join(parts)}</main></body></html>\n"


def _asked(data: Mapping[str, Any]) -> str:
    """What was asked, of what, and by which rule it was decided."""
    shop, settings, mode = data["shop"], data["settings"], data["modes"][0]
    name = shop["meta"].get("name", "This shop")
    ties = f", {figures.TIES[mode['ties']]}" if len(data["modes"]) > 1 else ""
    task = mode["task"]
    seen = "items of the history included" if task["repeats"] else "items of the history left out"
    judged = f"{task['requests']:,} held-out requests over the whole catalogue, {seen}"
    if data.get("kind") == "clicks":
        judged = f"{task['impressions']:,} held-out impressions of {task['requests']:,} shoppers"
    rows = f"{shop.get('events', 0):,} events"
    if data.get("kind") == "search":
        judged = (
            f"{task['requests']:,} held-out queries: their {task['answers']:,} judged items put in order, and the "
            "whole catalogue ranked"
        )
        rows = f"{shop['judgments']:,} judgments"
    asked = (
        f"{name}: {rows} on {shop['items']:,} items. The ranker {settings['ranker']} was "
        f"trained with and without data from {mode['synthetic']['origin']}, {settings['seeds']} times, and judged on "
        f"{judged} (split: {mode['split']['settings']['by']}{ties})."
    )
    rule = (
        "“Helps” is said only where the lower end of the 95 % interval is above zero against each of: "
        f"{'; '.join(data['decisive']['controls'])}; and where no slice falls by more than "
        f"{data['guard']['guard']:.0%}. The synthesizer saw the training part alone."
    )
    return f"<p>{escape(data['sentence'])}</p><p>{escape(asked)}</p>{faint(rule)}"


def _arms(data: Mapping[str, Any], metric: str) -> str:
    """The arms for the deciding metric, and the others folded away."""
    body = drawn(figures.arms(data["arms"], data["baselines"], metric), "arms-0")
    refused = dict.fromkeys(
        (r["ranker"], r["refused"]) for r in data["baselines"] if "refused" in r
    )
    body += "".join(faint(f"{name} is not shown: {why}") for name, why in refused)
    for number, other in enumerate(data["settings"]["metrics"][1:], 1):
        figure = drawn(figures.arms(data["arms"], data["baselines"], other), f"arms-{number}")
        body += f"<details><summary>{escape(other)}</summary>{figure}</details>"
    return body + _trained(data)


def _trained(data: Mapping[str, Any]) -> str:
    """What each arm was trained on, and which arms there are not."""
    said = []
    left_out = data["arms_left_out"]
    for reason in dict.fromkeys(left_out.values()):
        said.append(
            f"No arm {listed([f'“{arm}”' for arm in left_out if left_out[arm] == reason])}: {reason}."
        )
    rows = [row for row in data["training"] if row["ties"] == data["decisive"]["ties"]]
    header, note = (
        ["arm", f"{_rows(data)} trained on, mean of seeds"],
        f"{data['settings']['ranker']} takes no gradient updates.",
    )
    shown = [
        [row["arm"], round(sum(row["events"]) / len(row["events"])) if "events" in row else None]
        for row in rows
    ]
    if any("updates" in row for row in rows):
        header.append("gradient updates, by seed")
        note = "Every arm of a seed takes as many gradient updates as the real one took."
        for cells, row in zip(shown, rows, strict=True):
            cells.append(
                ", ".join(f"{count:,}" for count in row["updates"]) if "updates" in row else None
            )
    body = table(header, shown) + faint(note)
    return (
        "".join(map(faint, said))
        + f"<details><summary>What each arm was trained on</summary>{body}</details>"
    )


def _comparisons(data: Mapping[str, Any], metric: str) -> str:
    """Every pair of arms on the deciding metric; the other metrics of the decisive pairs folded away."""
    whole = [r for r in data["comparisons"] if r["slice"] == "all"]
    ties = ("ties",) if len(data["modes"]) > 1 else ()
    body = compared([r for r in whole if r["metric"] == metric], (*ties, "arm", "against"))
    body += faint(
        "Intervals join a paired bootstrap over requests with the spread between seeds (Student's t, "
        "Welch–Satterthwaite). The lift is the difference over the control's mean. Nothing is corrected here: to help, "
        "all controls have to be beaten, which is a test of the same level (intersection-union)."
    )
    others = [r for r in whole if r["metric"] != metric and r["ties"] == data["decisive"]["ties"]]
    if others:
        inner = compared(others, ("metric", "arm", "against")) + faint(_corrected(others))
        body += f"<details><summary>Other metrics</summary>{inner}</details>"
    return body


def _corrected(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say how the p-values were adjusted."""
    how = {"holm": "Holm", "benjamini-hochberg": "Benjamini and Hochberg"}
    names = dict.fromkeys(how[row["correction"]] for row in rows if row["correction"] in how)
    return f"Adjusted: for the number of questions asked of each pair of arms, by {' or '.join(names)}."


def _power(data: Mapping[str, Any]) -> str:
    """What could have been found against each control and what it would take to find more."""
    rows = [
        (
            row["against"],
            percent(row["detectable_lift"]),
            percent(row["effect_lift"]),
            *(("–" if row["power"] is None else f"{row['power']:.0%}",) if row["named"] else ()),
            _count(row["requests_needed"], row["effect"]),
            _count(row["seeds_needed"], row["effect"]),
        )
        for row in data["power"]
    ]
    named = any(row["named"] for row in data["power"])
    lift = "named lift" if named else "observed lift"
    who = askers(data)
    header = (
        "against",
        "found in 80 %",
        lift,
        *(("power",) if named else ()),
        f"{who} for it",
        "seeds for it",
    )
    count, seeds = data["power"][0]["requests"], data["power"][0]["seeds"]
    return table(header, rows) + faint(
        f"Here {count:,} {who} were asked at {seeds} seeds. “Found in 80 %”: the smallest lift that four of five such "
        f"proofs would find. “For it”: how many {who} at these seeds, or seeds with these {who}, would find "
        "the lift in four of five proofs."
    )


def _rows(data: Mapping[str, Any]) -> str:
    """What a ranker was trained on."""
    return "judgments" if data.get("kind") == "search" else "events"


def _count(needed: int | None, effect: float) -> str:
    if effect <= 0:
        return "–"
    return f"{needed:,}" if needed else "not by this alone"


def _slices(data: Mapping[str, Any], metric: str) -> str:
    """The lift in every slice, beside the guard, with p-values for the number of slices."""
    ties, guard = data["decisive"]["ties"], data["guard"]
    rows = [
        r
        for r in data["comparisons"]
        if (r["ties"], r["metric"], r["arm"], r["against"]) == (ties, metric, MIXED, REAL)
        and r["slice"] != "all"
    ]
    said = "".join(f"<p>{escape(warning)}</p>" for warning in guard["warnings"])
    shown = drawn(figures.slices(data["comparisons"], metric, MIXED, REAL), "slices")
    inner = compared(rows, ("slice", "requests")) + faint(_corrected(rows))
    return (
        f"{said}{shown}<details><summary>Figures</summary>{inner}</details>"
        + faint(
            "Head, middle and tail items hold a third of the training events each; cold items have none. "
            "Tied users' last event shares its time with the one before."
        )
        + faint(
            f"Guard: “helps” is taken back where a slice falls by more than {guard['guard']:.0%} and its interval lies "
            "below zero, and a warning is given where a slice of at least a tenth of the requests may have. The guard "
            "is not corrected for the number of slices: what is to be feared is to overlook a fall."
        )
    )


def _synthetic(data: Mapping[str, Any]) -> str:
    """Curves, distances and what the screens took."""
    mode = data["modes"][0]
    made = mode["synthetic"]
    if data.get("kind") == "search":
        return _judgments(made)
    curves = {name: mode["curves"][name] for name in ("real", "synthetic", "naive")}
    body = (
        f"<p>{made['events']:,} events of {made['users']:,} synthetic users ({escape(made['origin'])}).</p>"
        f"<div class='pair'>{drawn(figures.popularity(curves), 'popularity')}"
        f"{drawn(figures.lengths(curves), 'lengths')}</div>"
    )
    keys = ("popularity_tv", "length_ks", "transitions_known", "items")
    names = (
        "data",
        "popularity: total variation",
        "length: KS",
        "transitions known from real data",
        "items with events",
    )
    body += table(names, ((name, *(curve[key] for key in keys)) for name, curve in curves.items()))
    rows = [
        (name, r.get("seen", ""), r.get("rejected", 0), _why(r))
        for name, r in made["screens"].items()
    ]
    if drawn_of := made.get("sampling"):
        body += (
            f"<p>{drawn_of['kept']:,} users were kept of {drawn_of['asked']:,} asked for; {drawn_of['drawn']:,} were "
            f"drawn, of whom {drawn_of['acceptance']:.1%} passed. {escape(drawn_of.get('warning', ''))}</p>"
        )
    return body + table(("screen", "rows seen", "rows taken", "why"), rows)


def _judgments(made: Mapping[str, Any]) -> str:
    """Synthetic judgments by grade, and what was taken."""
    body = f"<p>{made['events']:,} judgments of {made['users']:,} synthetic queries ({escape(made['origin'])}).</p>"
    body += table(("grade, rounded", "judgments"), list(made["grades"].items()))
    rows = [(name, r["seen"], r["rejected"], _why(r)) for name, r in made["screens"].items()]
    return body + table(("screen", "rows seen", "rows taken", "why"), rows)


def _why(report: Mapping[str, Any]) -> str:
    """Say why a screen took rows, or what the leak screen found."""
    if report.get("looked"):
        explained = f"{report['expected']:.1f} explained by training"
        return (
            f"{report['held']:,} of {report['pairs']:,} held-out pairs found, {explained}: no leak"
        )
    return (
        ", ".join(f"{reason}: {count:,}" for reason, count in report.get("reasons", {}).items())
        or "nothing"
    )


def _choice(data: Mapping[str, Any]) -> str:
    chosen = data["modes"][0]["choice"]
    figure = figures.choice(chosen["tried"], chosen["real"], chosen["metric"])
    said = f"<p>On the validation part, with the first seed: {chosen['ratio']:g} was taken.</p>"
    return said + drawn(figure, "choice")


def _cleaned(cleaned: Mapping[str, Any]) -> str:
    """What cleaning did to how many rows of each table."""
    rows: list[tuple[Any, ...]] = []
    for name, counts in cleaned["tables"].items():
        rows.append((name, "rows before", counts["before"]))
        for kind in ("rejected", "changed", "blanked"):
            rows += [
                ("", f"{kind}: {what}", count)
                for what, count in counts.get(kind, {}).items()
                if count
            ]
        rows.append(("", "rows after", counts["after"]))
    return table(("table", "what", "rows"), rows)


def _settings(data: Mapping[str, Any]) -> str:
    """Everything needed to repeat it."""
    text = json.dumps(
        {"settings": data["settings"], "splits": [mode["split"] for mode in data["modes"]]},
        indent=2,
        ensure_ascii=False,
    )
    return (
        f"<p>Seed {data['seed']}; data fingerprint {escape(data['shop']['fingerprint'][:16])}….</p>"
        f"<details><summary>All settings</summary><pre>{escape(text)}</pre></details>"
    )
