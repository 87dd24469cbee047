"""Every command ends in ten lines that matter, says nothing empty, keeps quiet where asked, and prints valid JSON."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from tiny_export import Said, wareloom, write_export

from bundles import fitted, written
from conftest import small_shop
from leaving import built
from search_shop import search_shop
from tiny_encoder import write_encoder
from wareloom import cli
from wareloom.cli import _shared
from wareloom.cli._summary import MOST, NARROWEST, Summary
from wareloom.core.family import FAMILIES, RANKERS
from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.testing.made_pictures import pictured
from wareloom.testing.talks import talks

COMMANDS = sorted(path.stem for path in cli.HERE.glob("*.py") if not path.stem.startswith("_"))
POLICY = 'preset = "partner"\nattack_area = 0.9\nattack_tpr = 0.9\nattacks = ["sets"]\n'
RECIPE = """
name = "tiny"
[read]
source = "export"
[split]
by = "leave-last-out"
[train]
name = "transitions"
[prove]
seeds = 1
ratios = [0.5]
ties = ["shuffled"]
baselines = {popularity = {}}
[make]
"""


class Case(NamedTuple):
    """A command's words, and how it is called again over what it left."""

    words: tuple[Any, ...]
    again: tuple[str, ...] = ("--force",)
    codes: tuple[int, ...] = (0,)


def cases() -> dict[str, Case]:
    """Every command, over what those before it left in the folder where they are called."""
    place = Path()
    shop, parts, leaving = place / "shop", place / "parts", place / "leaving"
    train = parts / "train"

    def to(name: str) -> tuple[Any, ...]:
        return ("--to", place / name)

    proved = ("--seeds", 1, "--ratios", "0.5", "--ties", "file", "--split", "leave-last-out")
    few = ("--rankers", "popularity,transitions", "--ties", "file", "--split", "leave-last-out")
    tuned = ("--ranker", "transitions", "--space", "window=1..3", "--trials", 2)
    policy = ("--policy", place / "policy.toml")
    held = ("--holdout", leaving / "holdout")
    return {
        "read": Case(("read", place / "export", *to("shop"))),
        "check": Case(("check", shop, *to("check.json"))),
        "clean": Case(("clean", shop, *to("clean"), "--set", "robot_z=0")),
        "split": Case(("split", shop, *to("parts"), "--by", "leave-last-out")),
        "segment": Case(("segment", shop, *to("segment"), "--event", "purchase")),
        "features": Case(("features", shop, *to("features"))),
        "synth": Case(("synth", "markov", train, *to("synth"), "--screens", "schema,copies")),
        "gallery": Case(("gallery", place / "photos", *to("gallery.html"))),
        "pictures": Case(("pictures", place / "photos", *to("files"))),
        "photos": Case(("photos", place / "photos", *to("read")), codes=(0, 1)),
        "assistant": Case(
            (
                "assistant",
                place / "talked",
                "--tasks",
                8,
                "--repeats",
                2,
                *SPOKEN,
                *to("checked.json"),
            ),
            codes=(0, 1),
        ),
        "suggest": Case(("suggest", place / "titles", "i0"), ()),
        "screen": Case(("screen", place / "synth", train, *to("good"))),
        "mix": Case(("mix", train, place / "good", *to("mixed"))),
        "train": Case(("train", "transitions", place / "mixed", *to("model"))),
        "evaluate": Case(("evaluate", place / "model", parts), ()),
        "rank": Case(("rank", place / "model", "--shop", train), ()),
        "prove": Case(("prove", shop, *to("proof"), *proved), ("--resume",), (0, 1)),
        "show": Case(("show", place / "proof"), ()),
        "leaderboard": Case(("leaderboard", shop, *to("board"), "--seeds", 1, *few)),
        "advise": Case(("advise", shop, "--dry-run"), ()),
        "tune": Case(("tune", shop, *to("tuned"), *tuned, "--split", "leave-last-out"), ()),
        "compare": Case(("compare", train, place / "synth", *to("c"), "--measures", MEASURES)),
        "attack": Case(
            ("attack", leaving / "real", leaving / "honest", *held, "--only", "sets,pairs"),
            (),
            (0, 1),
        ),
        "release": Case(
            ("release", leaving / "real", leaving / "honest", *held, *to("out"), *policy),
            ("--force", "--earlier", str(place / "out")),
        ),
        "verify": Case(("verify", place / "out"), ()),
        "anonymise": Case(("anonymise", leaving / "real", "--key", place / "key", *to("log"))),
        "budget": Case(("budget", leaving / "real"), ()),
        "agree": Case(("agree", "lexical", place / "searched", "--labelled", 0, "--seeds", 1), ()),
        "pretrain": Case(("pretrain", place / "titles", *to("encoder"), "--model", place / "bert")),
        "freeze": Case(("freeze", place / "tiny.toml")),
        "run": Case(("run", place / "tiny.toml", *to("job")), (), (0, 1)),
        "bundle": Case(("bundle", place / "job" / "bundle"), ()),
        "publish": Case(("publish", place / "served", *to("store")), ()),
        "compress": Case(
            ("compress", place / "encoded", *to("small"), "--only", "int8", "--set", "texts=64")
        ),
        "live": Case(("live", place / "store"), ()),
        "keys": Case(("keys", place / "store", "--add", "shop"), ("--revoke", "shop")),
        "compact": Case(("compact", place / "store"), ()),
        "serve": Case(("serve", place / "store", "--check"), ()),
        "demo": Case(("demo", *to("tour"), "--minutes", 0.3), ()),
        "report": Case(("report", place / "proof", "--language", "zh"), ()),
        "list": Case(("list",), ()),
        "doctor": Case(("doctor",), ()),
    }


SPOKEN = ("--set", "min_phrases=0", "--fewest", 1)
MEASURES = "hours,gaps,weekdays,item_gini,tail_share,repeat_rate,activity,funnel,session_length"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what people bring: an export, a shop with a holdout, queries, an encoder, a recipe, a key."""
    place = tmp_path_factory.mktemp("ten")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("WARELOOM_LEDGERS", str(place / "ledgers"))
        write_export(place / "export")
        built(place / "leaving", place / "ledgers")
    search_shop(60).save(place / "searched")
    pictured().save(place / "photos")
    talks(300).save(place / "talked")
    titles = pl.DataFrame({"item_id": ["i0", "i1"], "title": ["lamp rug", "rug lamp"]})
    Shop({"items": titles}).save(place / "titles")
    write_encoder(place / "bert", ["lamp", "rug"])
    (place / "tiny.toml").write_text(RECIPE.replace('"export"', f'"{place / "export"}"'))
    written(place / "served", fitted("transitions", small_shop()), small_shop())
    encoder = RANKERS.make("bi_encoder", model=str(place / "bert"), tuning="none")
    titled = Shop({"items": titles})
    written(place / "encoded", encoder.fit(titled, Run(quiet=True)), titled)
    (place / "policy.toml").write_text(POLICY)
    (place / "key").write_bytes(b"0123456789abcdef")
    return place


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the summaries of the commands called look like on a narrow terminal."""
    seen: list[str] = []
    say: Callable[[Summary], None] = _shared.say

    def both(told: Summary) -> None:
        seen.append(told.text(NARROWEST))
        say(told)

    monkeypatch.setattr(_shared, "say", both)
    return seen


def test_every_command_is_tried() -> None:
    assert sorted(cases()) == COMMANDS


@pytest.mark.parametrize("command", cases())
def test_a_command_ends_in_ten_lines(
    command: str, place: Path, narrow: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cases build on one another: those before have to have been run, as pytest does."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("WARELOOM_LEDGERS", str(place / "ledgers"))
    case = cases()[command]
    if command == "demo":
        # It takes the shop that it read before, here one of so few shoppers that advice is short.
        shutil.copytree("shop", "tour-shop")
    said = wareloom(*case.words)
    assert said.code in case.codes, said.err
    assert_ends_well(said.out, narrow, MOST if command != "list" else len(FAMILIES) + 2)
    if command == "demo":
        served = re.search(
            r"(publish) (\S+)( --unproved)? (--to) (store) && wareloom serve store", said.out
        )
        assert served, said.out
        words = [word.strip() for word in served.groups() if word]
        assert wareloom(*words, "--slot", "shown").code == 0, "what it says can be done"
    if command != "list":
        assert "error" not in said.err
    if command == "pretrain":
        return  # JSON of it is tried in tests/unit/test_pretraining.py: a second training takes long
    again = wareloom(*case.words, *case.again, "--json")
    assert again.code == said.code, again.err
    assert json.loads(again.out)


def assert_ends_well(out: str, narrow: list[str], most: int) -> None:
    """So many lines at most, in a pipe and on a narrow terminal, and none that says nothing."""
    assert "\x1b" not in out
    assert len(narrow) <= 1
    assert not [line for line in out.split("\n") if line.rstrip().endswith((":", "=", "←"))], out
    for text in (out.rstrip("\n"), *narrow):
        lines = text.split("\n")
        assert len(lines) <= most, text
        assert all(line.strip() for line in lines), text
        # A name stands before two blanks and its value; a sentence may go on with its last word.
        alone = [line for line in lines if line[0] != " " and len(line.split()) < 2 < len(lines)]
        assert not [line for line in alone if not line.endswith(".")], text


@pytest.mark.parametrize(
    "words",
    [
        ("read", "export", "--to", "quiet-shop"),
        ("split", "shop", "--to", "quiet-parts"),
        ("train", "popularity", "parts/train", "--to", "quiet-model"),
        ("evaluate", "model", "parts"),
    ],
)
def test_quiet_says_nothing_but_json(
    words: tuple[str, ...], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    assert wareloom(*words, "-q") == Said(0, "", "")
    force = () if words[0] == "evaluate" else ("--force",)
    said = wareloom(*words, *force, "-q", "--json")
    assert (said.err, bool(json.loads(said.out))) == ("", True)
    wrong = wareloom(words[0], "nowhere", *words[2:], "-q")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.startswith("error: ")


def test_what_an_earlier_command_was_told_does_not_hush_the_next(place: Path) -> None:
    assert wareloom("check", place / "shop", "-q").out == ""
    assert wareloom("doctor").out
