"""Synthesise."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wareloom.cli._shared import (
    AsJson,
    Force,
    Quiet,
    Seed,
    Set,
    To,
    free,
    kept_note,
    names,
    run_of,
    screens_of,
    settings,
    settings_of,
    show,
)
from wareloom.cli._summary import Summary, brief, counted

if TYPE_CHECKING:
    from wareloom.core.run import Run
    from wareloom.screening import Screen
    from wareloom.shop import Shop
    from wareloom.synthesis import Condition, Given, Synthesizer


Named = Annotated[
    str,
    typer.Argument(
        help="The synthesizer; 'wareloom list synthesizer' shows all.",
        autocompletion=names("synthesizer"),
    ),
]
Trained = Annotated[Path, typer.Argument(help="The training part's folder.")]
Users = Annotated[int, typer.Option(help="Synthetic users; 0 for as many as are fitted.")]
Queries = Annotated[int, typer.Option(help="Synthetic queries; 0 for as many as there are items.")]
Dialogues = Annotated[int, typer.Option(help="Synthetic dialogues; 0 for as many as the shop has.")]
ForItem = Annotated[
    list[str] | None,
    typer.Option("--for", metavar="ITEM", help="Queries for this item alone; may be given again."),
]
Pictures = Annotated[
    int, typer.Option(help="Synthetic pictures; 0 for as many as there are real ones.")
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class", metavar="CLASS", help="Pictures of this class alone; may be given again."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what a language model would be asked and what it would cost, no more.",
    ),
]
Preview = Annotated[int, typer.Option(help="Show so many queries, and write nothing.")]
Cache = Annotated[
    Path | None,
    typer.Option(help="Keep a language model's answers here, so that none is paid for twice."),
]
Continue = Annotated[
    Path | None, typer.Option("--continue", help="Continue the users of this shop instead.")
]
Start = Annotated[
    list[str] | None, typer.Option(help="Begin every user with this item; may be given again.")
]
Length = Annotated[int | None, typer.Option(help="Events of every user.")]
Public = Annotated[
    str,
    typer.Option(
        metavar="COLUMNS",
        help="Columns of items that anybody may see, with commas, for a private synthesizer: items.title,items.brand.",
    ),
]
Like = Annotated[
    Path | None,
    typer.Option(help="Users like those of this shop: a segment, a season, a campaign."),
]
Screens = Annotated[
    str,
    typer.Option(
        help="Screens, with commas; users are drawn until as many pass as were asked for. None, or off: no screen."
    ),
]
ScreenSet = Annotated[
    list[str] | None,
    typer.Option(
        "--screen-set",
        metavar="SCREEN.NAME=VALUE",
        help="A setting of a screen; may be given again.",
    ),
]
Holdout = Annotated[
    list[Path] | None,
    typer.Option("--holdout", help="A held-out part, for the leak screen; may be given again."),
]


def main(
    name: Named,
    shop: Trained,
    to: To,
    users: Users = 0,
    queries: Queries = 0,
    dialogues: Dialogues = 0,
    for_item: ForItem = None,
    pictures: Pictures = 0,
    class_: Classes = None,
    dry_run: DryRun = False,
    preview: Preview = 0,
    cache: Cache = None,
    continue_: Continue = None,
    start: Start = None,
    length: Length = None,
    like: Like = None,
    public: Public = "",
    screens: Screens = "",
    screen_set: ScreenSet = None,
    holdout: Holdout = None,
    set: Set = None,
    force: Force = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fit a synthesizer on a shop and sample another from it; with screens, of users that pass them.

    One of queries or labels makes queries with their judgments instead, one of pictures or dialogues makes these.
    """
    from wareloom.core.family import SYNTHESIZERS
    from wareloom.preparing.splits import together
    from wareloom.screening import made
    from wareloom.shop import Shop

    sizes = {"users": users, "queries": queries, "pictures": pictures, "dialogues": dialogues}
    _asked(**sizes, preview=preview, length=length or 0)
    named = made(asked := screens_of(screens) or [], settings_of(asked, screen_set, "--screen-set"))
    run, real = run_of(seed, quiet).with_(cache=cache), Shop.open(shop)
    held = together([Shop.open(part) for part in holdout]) if holdout else None
    chosen = settings(set) | ({"public": public} if public else {})
    made_of: Synthesizer = SYNTHESIZERS.make(name, **chosen)
    _unpaid(made_of, bool(named), bool(continue_ or like))
    if dry_run:
        return _planned(made_of, real, _count(made_of, real, sizes), run, as_json)
    _free(made_of, to, bool(preview), force)
    fitted = made_of.fit(real, run)
    given = _given_others(fitted, for_item, class_)
    if preview and fitted.counts == "queries":
        return _look(fitted, preview, given, run, as_json)
    count = _count(fitted, real, sizes)
    if fitted.counts == "pictures" and not pictures:
        count = _different(fitted, count, class_)
    if fitted.counts == "users":
        shoppers = _given(continue_, start, length, like)
        count, given = _users_of(fitted, users, shoppers.histories or real), shoppers
    sampled, told = _sampled((fitted, count, given), named, (real, held), run, to)
    _shown(told, (name, shop, to), sampled, as_json)


def _given_others(
    fitted: Synthesizer, items: list[str] | None, classes: list[str] | None
) -> Condition:
    """What queries and pictures are to be conditional on; dialogues on nothing."""
    from wareloom.synthesis import Condition, GivenItems, GivenPictures

    if fitted.counts == "dialogues":
        return Condition()
    if fitted.counts == "pictures":
        return GivenPictures(tuple(classes or ()))
    return GivenItems(tuple(items or ()))


def _count(made_of: Synthesizer, real: Shop, asked: dict[str, int]) -> int:
    """How many are asked for; where nobody says, as many dialogues or pictures as the shop has, or queries as items."""
    if asked[made_of.counts]:
        return asked[made_of.counts]
    if made_of.counts == "dialogues" and real.has("dialogues"):
        return max(1, real.table("dialogues")["dialogue_id"].n_unique())
    return real.rows("images" if made_of.counts == "pictures" else "items")


def _different(fitted: Synthesizer, count: int, classes: list[str] | None) -> int:
    """How many pictures are made where nobody says: no more than there are different ones."""
    from wareloom.synthesis.images import PictureSynthesizer

    most = fitted.different(classes or ()) if isinstance(fitted, PictureSynthesizer) else None
    return count if most is None else min(count, most)


def _free(made_of: Synthesizer, to: Path, preview: bool, force: bool) -> None:
    """Raise where something stands at the places of what will be written."""
    from wareloom.core.files import free_file

    if not (preview and made_of.counts == "queries"):
        free(to, force)
    if made_of.counts == "dialogues":
        free_file(_reading(to), force=force)


def _reading(to: Path) -> Path:
    """Where the page lies on which dialogues are read: beside the shop, whose folder holds its tables alone."""
    return to.with_name(f"{to.name}.html")


def _unpaid(made_of: Synthesizer, screens: bool, histories: bool) -> None:
    """Raise for looks that nobody pays for, before a private synthesizer spends anything."""
    from wareloom.privacy.looks import refuse_unpaid

    if made_of.kept() == "private":
        if screens:
            refuse_unpaid("private", "screens", made_of.origin)
        if histories:
            refuse_unpaid("private", "histories", made_of.origin)


def _users_of(fitted: Synthesizer, users: int, known: Shop) -> int:
    """How many users are asked for: as said, as were paid for, or as many as are known."""
    from wareloom.shop import Log

    return users or _paid_size(fitted, users) or len(Log.of(known).users)


def _paid_size(fitted: Synthesizer, users: int) -> int:
    """The number of users that a private synthesizer paid for; 0 for others, whose shop may be counted."""
    from wareloom.privacy.looks import refuse_unpaid

    if fitted.kept() != "private":
        return 0
    paid = int(getattr(fitted, "users_", 0))
    if not (users or paid):
        refuse_unpaid("private", "size", fitted.origin)
    return paid


def _sampled(
    draw: tuple[Synthesizer, int, Condition],
    screens: dict[str, Screen],
    real: tuple[Shop, Shop | None],
    run: Run,
    to: Path,
) -> tuple[Shop, dict[str, Any]]:
    """Draw, screen where there are screens, and write; returns what was written and what is told of it."""
    from wareloom.sampling.rejection import sample_screened
    from wareloom.screening import save_screened
    from wareloom.synthesis import GivenPictures
    from wareloom.synthesis.images import PictureSynthesizer

    fitted, count, given = draw
    told: dict[str, Any] = {"shop": str(to), "origin": fitted.origin}
    if stamp := fitted.state().get("stamp_"):
        told["privacy"] = {name: stamp[name] for name in ("private", "epsilon", "delta", "users")}
    classes = given.classes if isinstance(given, GivenPictures) else ()
    if isinstance(fitted, PictureSynthesizer) and (short := fitted.short(count, classes)):
        told["short"] = short
    if not screens:
        return fitted.sample(count, run, given).save(to), told
    screened = sample_screened(fitted, count, screens, real, run, given)
    told |= {"sampling": screened.sampling, "screens": screened.report}
    return save_screened(screened, to), told


def _given(
    histories: Path | None, start: list[str] | None, length: int | None, like: Path | None
) -> Given:
    """What shoppers are to be conditional on."""
    from wareloom.shop import Shop
    from wareloom.synthesis import Given

    shops = [Shop.open(path) if path else None for path in (histories, like)]
    return Given(shops[0], tuple(start or ()), length, shops[1])


def _shown(
    told: dict[str, Any], asked: tuple[str, Path, Path], sampled: Shop, as_json: bool
) -> None:
    """Say what was made: rows, what the screens took, and what it keeps of people."""
    from wareloom.core.family import SYNTHESIZERS

    name, shop, to = asked
    rows = {table: sampled.rows(table) for table in sampled.names}
    told |= {"keeps": sampled.keeps or "people"}
    remedy = "look at `wareloom attack` and `wareloom release`"
    if hasattr(SYNTHESIZERS.load(name), "structure"):
        remedy = f"sample with --set structure=learned, and {remedy}"
    if sampled.rows("dialogues"):
        remedy = "sample with --set seen_in=5, which says phrases of five dialogues alone"
    if note := kept_note(told["keeps"], remedy):
        told["note"] = note
    made = brief({table: n for table, n in rows.items() if table != "items"})
    if rows.get("dialogues"):
        number = sampled.table("dialogues")["dialogue_id"].n_unique()
        made = f"{counted(number, 'dialogue')} of {counted(rows['dialogues'], 'turn')}"
    found = Summary(f"{name} fitted on {shop} made {made}.", "good")
    found.fact("origin", told["origin"]).fact("keeps", told["keeps"])
    found.fact("privacy", told.get("privacy"))
    found.fact("drawn", told.get("sampling"))
    screens = told.get("screens", {})
    found.fact(
        "screens",
        {one: f"took {of['rejected']:,}" for one, of in screens.items() if of.get("rejected")},
    )
    found.warn(told.get("short", "")).warn(told.get("note", "")).place(to)
    if "images" in rows and "events" not in rows:
        found.next(f"wareloom gallery {shop} {to} --to gallery.html")
        show(told | {"rows": rows, "fingerprint": sampled.fingerprint}, as_json, found)
        return
    if refused := sampled.meta.get("dialogues", {}).get("refused"):
        found.fact("refused", brief(refused))
    if sampled.rows("dialogues"):
        from wareloom.report.talks import save_talks

        save_talks(sampled, _reading(to))
        found.place(_reading(to), name="page")
        found.next(f"wareloom compare {shop} {to} --to COMPARED")
        show(told | {"rows": rows, "fingerprint": sampled.fingerprint}, as_json, found)
        return
    found.next(
        f"wareloom screen {to} {shop} --to GOOD"
        if not screens
        else f"wareloom mix {shop} {to} --to MIXED"
    )
    show(told | {"rows": rows, "fingerprint": sampled.fingerprint}, as_json, found)


def _asked(**counts: int) -> None:
    """Raise for counts that cannot be meant, before anything is fitted."""
    from wareloom.core.memory import must_fit
    from wareloom.errors import SettingError
    from wareloom.synthesis import LEAST_BYTES

    for name, count in counts.items():
        if count < 0:
            raise SettingError(f"--{name} is {count}; give 0 or more.")
        must_fit(count * LEAST_BYTES, f"{count:,} {name}")


def _planned(synthesizer: Synthesizer, shop: Shop, count: int, run: Run, as_json: bool) -> None:
    """Say what a language model would be asked for so many queries, and what it would take to tune one."""
    kind = synthesizer.counts
    need = synthesizer.planned(shop, count, run) if kind != "users" else None
    told = (
        {kind: count, **asdict(need)}
        if need
        else {"calls": 0, "note": "no language model is asked"}
    )
    found = Summary("A dry run: nothing was fitted or written.")
    for key, value in told.items():
        found.fact(key, value)
    show(told, as_json, found)


def _look(fitted: Synthesizer, count: int, given: Condition, run: Run, as_json: bool) -> None:
    """Show some queries and the titles they were written for."""
    made = fitted.sample(count, run, given)
    titles = made.table("items").select("item_id", "title")
    rows = made.table("judgments").join(titles, on="item_id", how="left", maintain_order="left")
    some = rows.select("query", "grade", "item_id", "title").to_dicts()
    told = Summary(f"{counted(len(some), 'query', 'queries')}, a look; nothing was written.")
    told.table(
        ("grade", "query", "title"), [(row["grade"], row["query"], row["title"]) for row in some]
    )
    show({"judgments": some}, as_json, told)
