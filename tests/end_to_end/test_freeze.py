"""Freezing a recipe: what is stamped, what takes the stamp away and says so, what counts as a look at the test part."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_export import Said, wareloom, write_export

import wareloom as wl
from wareloom.core.files import one_spelling
from wareloom.errors import OutputError, SettingError, SourceError
from wareloom.experiment.result import Proof, schema
from wareloom.proof.frozen import frozen as told
from wareloom.recipe import Done, Recipe, run_recipe
from wareloom.recipe import run as running
from wareloom.recipe.digests import differing, of_code, of_data, of_recipe
from wareloom.recipe.freeze import Freeze, beside
from wareloom.report import render

TOML = """
name = "tiny"
seed = 3
stages = ["read", "split", "prove"]

[read]
source = "export"

[split]
by = "leave-last-out"

[synthesize]
name = "markov"
screens = ["schema", "rules"]

[synthesize.screen_settings.rules]
file = "rules.toml"

[mix]
set = {weight = 0.5}

[train]
name = "transitions"
set = {window = 2}

[prove]
seeds = 2
ratios = [0.25]
ties = ["file"]
metrics = ["ndcg@10"]

[prove.baselines.popularity]
half_life = 30.0
"""
RULES = '[[most]]\nevents = 1000\nper = "user"\n'


def write_recipe(folder: Path, text: str = TOML) -> Path:
    write_export(folder / "export")
    (folder / "rules.toml").write_text(RULES)
    (folder / "tiny.toml").write_text(text)
    return folder / "tiny.toml"


def start(recipe: Path, *words: object) -> Said:
    return wareloom("run", recipe, "--to", recipe.parent / "job", *words)


def ledger(recipe: Path) -> Path:
    return recipe.parent / "job" / "looks.jsonl"


def looks(recipe: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ledger(recipe).read_text().splitlines()]


def note(recipe: Path) -> dict[str, Any]:
    proof: dict[str, Any] = json.loads((recipe.parent / "job/proof/proof.json").read_text())
    return proof["frozen"]


def change(recipe: Path, old: str, new: str) -> None:
    assert recipe.read_text().count(old) == 1
    recipe.write_text(recipe.read_text().replace(old, new))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that was frozen, and then run once, wholly."""
    recipe = write_recipe(tmp_path_factory.mktemp("frozen"))
    assert wareloom("freeze", recipe, "--seen", "nDCG of the ring, a year ago").code == 0
    assert start(recipe).code == 0
    return recipe


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path)


@pytest.fixture
def quick(real: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """No proof is computed: each comes to the same. Yields how many lines the ledger had when each began."""
    data = Proof.open(real.parent / "job" / "proof").data
    data.pop("frozen", None)  # type: ignore[misc]
    began: list[int] = []

    def proved(shop: Any, settings: Any, run: Any, parts: Any) -> Proof:
        job = Path(parts.train.path).parents[1]
        began.append(len((job / "looks.jsonl").read_bytes().splitlines()))
        return Proof(dict(data))  # type: ignore[arg-type]

    monkeypatch.setattr(running, "prove", proved)
    return began


def test_a_frozen_recipe_that_runs_unchanged_says_so(real: Path) -> None:
    frozen, found = Freeze.open(beside(real)), note(real)
    assert found["frozen"] is True
    assert found["why"] == (
        f"Settings were frozen on {frozen.at:%Y-%m-%d, %H:%M} UTC, before the test part was read."
    )
    for name in ("recipe", "code", "data"):
        assert found[name] == frozen.data[name]["digest"]  # type: ignore[literal-required]
    assert (found["at"], found["looks"]) == (frozen.data["at"], 0)
    assert found["seen"] == ["nDCG of the ring, a year ago"]
    (look,) = looks(real)
    assert (look["stage"], look["freeze"]) == ("prove", frozen.id)
    assert look["at"] > frozen.data["at"]
    page = (real.parent / "job/proof/report.html").read_text()
    assert found["why"] in page
    assert "Declared as seen before: nDCG of the ring, a year ago" in page
    shown = wareloom("show", real.parent / "job" / "proof")
    assert found["why"] in shown.out


def test_the_proof_of_a_frozen_recipe_keeps_to_the_schema(real: Path) -> None:
    from jsonschema import Draft202012Validator

    proof = Proof.open(real.parent / "job" / "proof")
    Draft202012Validator(schema()).validate(json.loads(json.dumps(proof.data)))
    without = {name: value for name, value in proof.data.items() if name != "frozen"}
    assert told(without) == []
    assert "Settings were frozen" in render(proof.data)
    assert "Settings were frozen" not in render(without)


def test_a_finished_proof_that_is_resumed_is_no_new_look(real: Path) -> None:
    before = ledger(real).read_bytes(), (real.parent / "job/proof/proof.json").read_bytes()
    said = start(real, "--resume")
    assert (
        ledger(real).read_bytes(),
        (real.parent / "job/proof/proof.json").read_bytes(),
    ) == before
    assert "before the test part was read." in said.out


def test_a_look_is_written_down_before_it_is_made(recipe: Path, quick: list[int]) -> None:
    start(recipe)
    (recipe.parent / "job" / ".proof.done").unlink()
    start(recipe, "--resume")
    assert quick == [1, 2]


def test_a_leaderboard_is_a_look(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(recipe, '"prove"]', '"leaderboard"]')
    began: list[int] = []

    def compared(shop: Any, settings: Any, run: Any) -> Any:
        began.append(len(looks(recipe)))
        return SimpleNamespace(save=lambda folder: folder.mkdir())

    monkeypatch.setattr(running, "leaderboard", compared)
    start(recipe)
    assert began == [1]
    assert looks(recipe)[0]["stage"] == "leaderboard"


def test_where_nothing_was_frozen_nothing_is_claimed(recipe: Path, quick: list[int]) -> None:
    said = start(recipe)
    assert "frozen" not in json.loads((recipe.parent / "job/proof/proof.json").read_text())
    assert "Settings were" not in said.out
    assert "frozen" not in json.loads(start(recipe, "--resume", "--json").out)
    assert [look["freeze"] for look in looks(recipe)] == [None]


def test_a_repeat_after_a_stop_has_the_same_bytes(recipe: Path, quick: list[int]) -> None:
    wl.freeze(recipe)
    start(recipe)
    once = (recipe.parent / "job/proof/proof.json").read_bytes()
    (recipe.parent / "job" / ".proof.done").unlink()
    start(recipe, "--resume")
    assert len(looks(recipe)) == 2
    assert (recipe.parent / "job/proof/proof.json").read_bytes() == once


def _byte(recipe: Path) -> None:
    path = recipe.parent / "export" / "events.csv"
    path.write_bytes(path.read_bytes() + b"\n")


def _another(recipe: Path) -> None:
    (recipe.parent / "export" / "users.csv").write_text("user_id\nu1\n")


def _rules(recipe: Path) -> None:
    (recipe.parent / "rules.toml").write_text(RULES.replace("1000", "2000"))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            ("weight = 0.5", "weight = 0.6"),
            "The recipe changed since it was frozen: [mix.set] weight.",
        ),
        (("seed = 3", "seed = 4"), "The recipe changed since it was frozen: seed."),
        (("seeds = 2", "seeds = 3"), "The recipe changed since it was frozen: [prove] seeds."),
        (
            ("half_life = 30.0", "half_life = 31.0"),
            "The recipe changed since it was frozen: [prove.baselines.popularity] half_life.",
        ),
        (
            ("[prove.baselines.popularity]\nhalf_life = 30.0", ""),
            "The recipe changed since it was frozen: ",
        ),
        (
            _rules,
            "The recipe changed since it was frozen: [synthesize.screen_settings.rules] file.",
        ),
        (_byte, "The data changed since it was frozen: events.csv."),
        (_another, "The data changed since it was frozen: users.csv."),
    ],
)
def test_a_change_is_named_and_takes_the_stamp(
    changed: tuple[str, str] | Callable[[Path], None], why: str, recipe: Path, quick: list[int]
) -> None:
    wl.freeze(recipe)
    if callable(changed):
        changed(recipe)
    else:
        change(recipe, *changed)
    said = start(recipe)
    assert note(recipe)["frozen"] is False
    assert note(recipe)["why"].startswith(why)
    assert note(recipe)["why"] in said.out


def test_seed_and_source_of_the_command_are_the_recipes(recipe: Path, quick: list[int]) -> None:
    wl.freeze(recipe)
    other = write_export(recipe.parent / "other", users=61)
    start(recipe, "--seed", 5, "--source", other)
    assert note(recipe)["why"] == (
        "The recipe changed since it was frozen: seed. "
        "The data changed since it was frozen: events.csv."
    )


def test_one_byte_of_the_code_takes_the_stamp(
    recipe: Path, quick: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wl.freeze(recipe)
    code = Path(str(wl.__file__)).parent
    ignored = shutil.ignore_patterns("__pycache__")
    copy = Path(shutil.copytree(code, tmp_path / "code" / "wareloom", ignore=ignored))
    monkeypatch.setattr("wareloom.recipe.digests.HERE", copy)
    table = copy / "proof" / "table.py"
    table.write_bytes(table.read_bytes() + b"\n")
    start(recipe)
    assert note(recipe)["why"] == "The code changed since it was frozen: wareloom/proof/table.py."
    assert note(recipe)["frozen"] is False


def test_code_that_changes_while_the_job_runs_takes_the_stamp(
    recipe: Path, quick: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    wl.freeze(recipe)
    own, told = of_code(Recipe.load(recipe)), []

    def moving(recipe: Recipe) -> Any:
        told.append(recipe)
        later = {**own["parts"], "wareloom/api.py": "other"}
        return own if len(told) == 1 else {"digest": "other", "parts": later}

    monkeypatch.setattr("wareloom.recipe.looks.of_code", moving)
    start(recipe)
    assert note(recipe)["why"] == "The code changed while the job ran: wareloom/api.py."
    assert note(recipe)["frozen"] is False


def test_a_source_that_changes_while_the_job_runs_takes_the_stamp(
    recipe: Path, quick: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    wl.freeze(recipe)
    events = recipe.parent / "export" / "events.csv"
    true = events.read_bytes()
    events.write_bytes(true.replace(b"u1,", b"u2,"))
    split = running.split

    def put_back(*given: Any) -> Any:
        events.write_bytes(true)
        return split(*given)

    monkeypatch.setattr(running, "split", put_back)
    start(recipe)
    assert note(recipe)["why"] == "The source changed while the job ran."


def test_code_from_outside_is_frozen_too(
    recipe: Path, quick: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "outside" / "frozen_outside"
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (home / "mine.py").write_text(
        "from wareloom.rankers.baseline.transitions import Transitions\n"
        "class Mine(Transitions):\n    '''Mine.'''\n"
    )
    monkeypatch.syspath_prepend(home.parent)
    change(recipe, 'name = "transitions"', 'name = "frozen_outside.mine:Mine"')
    assert wareloom("freeze", recipe).code == 2
    allowed = ("--allow-code", "frozen_outside")
    assert wareloom("freeze", recipe, *allowed).code == 0
    (home / "mine.py").write_text((home / "mine.py").read_text() + "# other\n")
    start(recipe, *allowed)
    assert note(recipe)["why"] == ("The code changed since it was frozen: frozen_outside/mine.py.")


def test_settings_that_were_looked_at_cannot_be_frozen_afterwards(
    recipe: Path, quick: list[int]
) -> None:
    """The mutant that ignores the ledger dies here: recipe, code and data are what was frozen."""
    for weight in ("0.6", "0.7", "0.8"):
        change(
            recipe,
            recipe.read_text().partition("{weight = ")[2].partition("}")[0] + "}",
            f"{weight}}}",
        )
        start(recipe, "--resume")
    change(recipe, "weight = 0.8", "weight = 0.5")
    wl.freeze(recipe)
    start(recipe, "--resume")
    found = note(recipe)
    assert found["frozen"] is False
    assert found["why"] == "The test part was looked at 3 times before, with other settings."
    assert (found["looks"], len(looks(recipe))) == (3, 4)


def test_a_look_with_the_very_settings_counts_as_well(recipe: Path, quick: list[int]) -> None:
    start(recipe)
    wl.freeze(recipe)
    done = start(recipe, "--resume")
    assert (
        "The proof was finished before it was run with this freeze, and claims nothing" in done.out
    )
    (recipe.parent / "job" / ".proof.done").unlink()
    start(recipe, "--resume")
    found = note(recipe)
    assert (found["frozen"], found["looks"]) == (False, 1)
    assert found["why"] == "The test part was looked at once before, with these settings."


def test_freezing_anew_is_after_the_looks_under_the_freeze_before(
    recipe: Path, quick: list[int]
) -> None:
    first = wl.freeze(recipe, seen="a figure of last year")
    start(recipe)
    assert note(recipe)["frozen"] is True
    change(recipe, "weight = 0.5", "weight = 0.6")
    with pytest.raises(OutputError, match=r"was frozen on .* \[mix.set\] weight. Pass --force"):
        wl.freeze(recipe)
    assert Freeze.open(beside(recipe)) == first
    second = wl.freeze(recipe, seen=["the proof"], force=True)
    third = wl.freeze(recipe, force=True)
    assert [one["id"] for one in third.data["earlier"]] == [first.id, second.id]
    assert third.seen == ["a figure of last year", "the proof"]
    start(recipe, "--resume")
    found = note(recipe)
    assert (found["frozen"], found["seen"]) == (False, third.seen)
    assert found["why"] == "The test part was looked at once before, with other settings."


def test_a_change_that_is_taken_back_after_freezing_is_told(recipe: Path, quick: list[int]) -> None:
    wl.freeze(recipe)
    change(recipe, "weight = 0.5", "weight = 0.6")
    start(recipe)
    assert note(recipe)["frozen"] is False
    change(recipe, "weight = 0.6", "weight = 0.5")
    start(recipe, "--resume")
    found = note(recipe)
    assert (found["frozen"], found["looks"]) == (True, 1)
    assert found["why"].endswith(" Since then it was also looked at once, with other settings.")


def test_two_recipes_in_one_folder(recipe: Path, quick: list[int]) -> None:
    wl.freeze(recipe)
    other = recipe.with_name("other.toml")
    other.write_text(TOML.replace("weight = 0.5", "weight = 0.6"))
    start(other)
    start(recipe, "--resume")
    found = note(recipe)
    assert found["frozen"] is False
    assert found["why"] == (
        "The test part was looked at once since, with other settings, by a job that did not go by "
        "this freeze, such as another recipe in the same folder."
    )


@pytest.mark.parametrize("damage", [b"{", b"[1]", b"\xff\xfe", b'{"at": 5}', b"[" * 99_999, b"\n"])
def test_a_damaged_ledger_is_told_and_nothing_is_claimed(
    damage: bytes, recipe: Path, quick: list[int]
) -> None:
    wl.freeze(recipe)
    start(recipe)
    ledger(recipe).write_bytes(ledger(recipe).read_bytes() + damage)
    (recipe.parent / "job" / ".proof.done").unlink()
    start(recipe, "--resume")
    found = note(recipe)
    assert found["frozen"] is False
    assert found["why"] == (
        f"{ledger(recipe)} is damaged in line 2: what was seen before cannot be told."
    )
    assert json.loads(ledger(recipe).read_bytes().splitlines()[-1])["stage"] == "prove"


def test_a_ledger_that_is_gone_is_told(recipe: Path, quick: list[int]) -> None:
    start(recipe)
    ledger(recipe).unlink()
    wl.freeze(recipe)
    (recipe.parent / "job" / ".proof.done").unlink()
    start(recipe, "--resume")
    assert note(recipe)["frozen"] is False
    assert "holds proof, of which no looks.jsonl tells: what was seen" in note(recipe)["why"]


def test_no_look_is_made_that_cannot_be_written_down(recipe: Path, quick: list[int]) -> None:
    start(recipe)
    ledger(recipe).unlink()
    ledger(recipe).mkdir()
    (recipe.parent / "job" / ".proof.done").unlink()
    said = start(recipe, "--resume", "--quiet")
    assert said.code == 2
    assert said.err.startswith(f"error: {ledger(recipe)} cannot be read: Is a directory.")
    assert said.err.count("\n") == 1
    assert quick == [1]


@pytest.mark.parametrize("whose", ["freeze", "look"])
def test_a_clock_that_was_set_back_is_told(whose: str, recipe: Path, quick: list[int]) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="microseconds")
    if whose == "freeze":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("wareloom.recipe.freeze.stamp", lambda: later)
            wl.freeze(recipe)
    else:
        wl.freeze(recipe)
        start(recipe)
        look = looks(recipe)[0] | {"at": later}
        ledger(recipe).write_text(json.dumps(look) + "\n")
        (recipe.parent / "job" / ".proof.done").unlink()
    start(recipe, "--resume")
    assert note(recipe)["frozen"] is False
    assert note(recipe)["why"] == (
        "The clock was set back: the times of the freeze and in looks.jsonl contradict."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is no freeze of this version of Wareloom: take it away"),
        ('{"format": 9}', "is no freeze of this version of Wareloom: take it away"),
        ('{"format": 1}', "was changed since it was written: its digest differs. Put it back"),
    ],
)
def test_a_damaged_freeze_is_one_sentence_and_nothing_is_run(
    text: str, message: str, recipe: Path
) -> None:
    beside(recipe).write_text(text)
    for said in (start(recipe), wareloom("freeze", recipe), wareloom("freeze", recipe, "--force")):
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"error: {beside(recipe)} ")
        assert message in said.err
        assert said.err.count("\n") == 1
    assert beside(recipe).read_text() == text
    assert not (recipe.parent / "job").exists()


def test_an_edited_freeze_is_refused(recipe: Path) -> None:
    path = wl.freeze(recipe).path
    path.write_text(path.read_text().replace('"at": "20', '"at": "19'))
    with pytest.raises(SourceError, match="was changed since it was written"):
        run_recipe(Recipe.load(recipe), recipe.parent / "job", frozen=path)


def test_the_command(recipe: Path) -> None:
    said = wareloom("freeze", recipe, "--seen", "one", "--seen", "two", "--json")
    assert said.code == 0
    shown, path = json.loads(said.out), beside(recipe)
    assert path == recipe.with_name("tiny.frozen.json")
    assert shown == {"path": str(path), **json.loads(path.read_text())}
    assert shown["seen"] == ["one", "two"]
    again = wareloom("freeze", recipe)
    assert (again.code, again.out) == (2, "")
    assert "was frozen on" in again.err
    assert "Nothing changed since. Pass --force" in again.err
    assert json.loads(path.read_text())["id"] == shown["id"]
    assert "Declared as seen before: two" in wareloom("freeze", recipe, "--force").out
    for words, why in (
        (["nowhere.toml"], "There is no recipe nowhere.toml."),
        ([recipe, "--force", "--seen", " "], "What was seen before is empty"),
    ):
        said = wareloom("freeze", *words)
        assert (said.code, said.out) == (2, "")
        assert why in said.err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('stages = ["read", "split", "prove"]', 'stages = ["read"]', "has no stage 'prove'"),
        ('"export"', '"sqlite:///shop.db"', "is no file or folder that is there"),
        ('"export"', '"nowhere"', "is no file or folder that is there"),
    ],
)
def test_what_cannot_be_frozen(old: str, new: str, message: str, recipe: Path) -> None:
    change(recipe, old, new)
    with pytest.raises((SettingError, SourceError), match=message):
        wl.freeze(recipe)
    assert not beside(recipe).exists()


def test_digests_are_of_what_decides_and_of_nothing_else(real: Path, tmp_path: Path) -> None:
    own = Recipe.load(real)
    export = real.parent / "export"
    assert of_data(own) is not None
    assert of_data(own)["parts"] == {  # type: ignore[index]
        name: hashlib.sha256(text).hexdigest()
        for name in ("events.csv", "products.csv")
        for text in [(export / name).read_bytes()]
    }
    parts = of_recipe(own)["parts"]
    assert parts["[prove.baselines.popularity] half_life"] == 30.0
    rules = hashlib.sha256(RULES.encode()).hexdigest()
    assert parts["[synthesize.screen_settings.rules] file"] == f"sha256:{rules}"
    # Another name, another folder, hidden files, the order of tables: the same.
    moved = Path(shutil.copytree(real.parent, tmp_path / "moved")) / "tiny.toml"
    head, _, tables = moved.read_text().replace('"tiny"', '"other"').partition("[read]")
    read, _, rest = tables.partition("[split]")
    moved.write_text(f"{head}[split]{rest}\n[read]{read}".replace('"export"', '"elsewhere"'))
    (moved.parent / "export").rename(moved.parent / "elsewhere")
    (moved.parent / "elsewhere" / ".DS_Store").write_text("x")
    for other in (Recipe.load(moved), Recipe.load(real.parent / "job" / "recipe.toml")):
        assert of_recipe(other) == of_recipe(own)
        assert of_data(other) == of_data(own)


def test_a_lone_slash_is_no_folder(recipe: Path) -> None:
    change(recipe, '"export"', '"export"\nset = {category_separator = "/"}')
    raw = {"read": {"source": "x", "set": {"map": "/"}}}
    assert of_recipe(Recipe.of(raw))["parts"]["[read.set] map"] == "/"


def test_what_differs_is_named_on_either_side() -> None:
    one = {"digest": "", "parts": {"a": 1, "b": None, "c": 3}}
    other = {"digest": "", "parts": {"a": 1, "c": 4, "d": 5}}
    assert differing(one, other) == ["b", "c", "d"]  # type: ignore[arg-type]


def test_a_path_is_spelled_as_one_asks(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    assert one_spelling({"file": str(tmp_path / "x"), "n": "x"}, lambda p: p.name * 2) == {
        "file": "xx",
        "n": "x",
    }


def test_run_recipe_without_a_proof_says_nothing_of_a_freeze(recipe: Path) -> None:
    frozen = wl.freeze(recipe).path
    change(recipe, ', "prove"]', "]")
    done: Done = run_recipe(Recipe.load(recipe), recipe.parent / "job", frozen=frozen)
    assert (done.proof, done.frozen) == (None, "")
    assert not ledger(recipe).exists()
