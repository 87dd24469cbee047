"""What one should know of a shop before trusting what is learnt from it, in plain words."""

from __future__ import annotations

from typing import Any

CORE, MANY = 3, 500
"""Interactions of the rarest item, and items, from which a log looks filtered: else some item has one"""


def warnings_of(found: dict[str, Any]) -> list[str]:
    """Return sentences for what `wareloom.preparing.statistics.statistics` found, the gravest first."""
    said = _of_events(found.get("events"), found["tables"])
    rows = found["tables"]["items"]["rows"]
    if not rows:
        said.append("There are no items: the catalogue is empty.")
    judgments = found.get("judgments")
    if judgments and judgments["per_query"]["0.5"] < 5:
        said.append(
            f"Half of the {judgments['queries']:,} judged queries have at most {judgments['per_query']['0.5']:g} "
            f"judgments: measures of search need many queries to tell rankers apart."
        )
    if judgments and len(judgments["grades"]) == 1:
        said.append(
            f"All judgments have the grade {next(iter(judgments['grades']))}: without bad results no ranking is judged."
        )
    if judgments and judgments["contradicting"]:
        said.append(
            f"{judgments['contradicting']:,} pairs of query and item have several grades: they count with their mean."
        )
    for name, table in found["tables"].items():
        if table["synthetic"]:
            said.append(
                f"{table['synthetic'] / table['rows']:.0%} of the rows of {name} are synthetic."
            )
        for column, share in table["missing"].items():
            if share > 0.5 and (name, column) in {
                ("items", "title"),
                ("items", "price"),
                ("items", "category"),
            }:
                said.append(f"{share:.0%} of the items have no {column}.")
    return said


def _of_events(events: dict[str, Any] | None, tables: dict[str, Any]) -> list[str]:
    if not events:
        return ["There are no events: nothing can be learnt about behaviour."]
    if not events["interactions"]:
        return [
            "No event says that somebody chose an item (a click, a view, a cart or a purchase)."
        ]
    unknown = tables["events"]["missing"].get("time", 0.0)
    return [
        *_of_time(events, unknown),
        *_of_users_and_items(events),
        *_of_oddities(events["odd"], events["rows"], events["time"]["resolution"]),
    ]


def _of_time(events: dict[str, Any], unknown: float) -> list[str]:
    """What to know of the events' times, of which the share `unknown` is missing."""
    said = []
    time = events["time"]["resolution"]
    if time == "none":
        said.append(
            "Events have no times: their order is that of the file, and a split by time is not possible."
        )
    elif time == "day":
        said.append(
            "Times are whole days: the order within a day, sessions and hours of the day are not known."
        )
    if events["last_ties"] >= 0.05:
        said.append(
            f"{events['last_ties']:.0%} of last events share their predecessor's time: their order is an artefact "
            f"of the file. Evaluate with shuffled ties, too."
        )
    if time != "none" and unknown:
        said.append(
            f"{unknown:.1%} of the events have no time: a split by time puts them into train."
        )
    if time != "none" and events["time"]["days"] < 14:
        said.append(
            f"The log spans {events['time']['days']:.1f} days: weekdays and seasons cannot be told apart."
        )
    if time != "none" and events["time"]["first"] < "1990":
        said.append(
            f"The earliest event is of {events['time']['first'][:10]}: are times in seconds read as something else?"
        )
    return said


def _of_users_and_items(events: dict[str, Any]) -> list[str]:
    """What to know of how interactions spread over users and items."""
    said = []
    if events["events_per_user"]["0.5"] < 3:
        said.append(
            f"Half of the users have at most {events['events_per_user']['0.5']:g} interactions: "
            f"there is little to learn from."
        )
    tail = events["tail"]
    if tail["items_with_few"] >= 0.5:
        said.append(
            f"{tail['items_with_few']:.0%} of the items have fewer than 5 interactions "
            f"({tail['items_with_none']:.0%} have none)."
        )
    if tail["least"] >= CORE and events["items"] >= MANY:
        said.append(
            f"No item that is chosen at all has fewer than {tail['least']} interactions: the log seems filtered to "
            "such items over all time. After a split by time an item without an event yet is then sure to sell: "
            "read warm answers apart, and cold ones beside the ranker newcomers."
        )
    if tail["top_1"] >= 0.5:
        said.append(
            f"{tail['top_1']:.0%} of the interactions fall on 1 % of the items: popularity will be hard to beat."
        )
    if events["repeat_rate"] >= 0.3:
        said.append(
            f"{events['repeat_rate']:.0%} of the interactions repeat an item that the user had chosen before."
        )
    return said


def _of_oddities(odd: dict[str, Any], rows: int, resolution: str) -> list[str]:
    """What to know of events that are something else than what somebody did."""
    said = []
    if odd.get("later"):
        said.append(
            f"{odd['later']:,} events are later than the present time ({odd['now']}): is their form of time right, or "
            "are they bookings? `wareloom clean --set now=DATE` rejects them."
        )
    if odd["returns"]:
        said.append(
            f"{odd['returns']:,} events ({odd['returns'] / rows:.1%}) are returns (negative quantity or value) and "
            "count as purchases, as what they gave back does: `wareloom clean` takes both."
        )
    if odd["repeated"]:
        often = (
            "`wareloom clean` takes them"
            if resolution == "second"
            else "they may be pieces bought together; `wareloom clean --set duplicates=all` takes them"
        )
        said.append(
            f"{odd['repeated']:,} events ({odd['repeated'] / rows:.1%}) repeat another exactly: {often}."
        )
    if odd["robots"]["users"]:
        said.append(
            f"{odd['robots']['users']:,} users look like robots ({odd['robots']['events'] / rows:.0%} of all events): "
            "Clean the shop."
        )
    for kind, owners in odd["owners"].items():
        who = ", ".join(f"{name!r} ({share:.0%})" for name, share in owners.items())
        what = (
            "one person, or a word for nobody, a guest, a till?"
            if kind == "user"
            else "one product, or a word for none?"
        )
        said.append(f"Much of all events has the {kind} id {who}: {what}")
    if odd["no_products"]:
        what = ", ".join(f"{name!r} ({n:,} events)" for name, n in odd["no_products"].items())
        said.append(
            f"These items look like no products but like postage, fees or vouchers: {what}. Take them out of the "
            "source, if they are."
        )
    return said
