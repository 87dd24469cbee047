"""How commands end: 1 is "the answer is no" alone, 2 what the user can mend, 3 a crash; never a traceback."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_export import Said, wareloom, write_export

from interrupted import SRC, digest
from wareloom.cli import _ending

CASES = Path(__file__).resolve().parents[1] / "cases"


class Panicked(BaseException):
    """As what compiled code raises: no `Exception`."""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "wareloom"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export, a shop and a model."""
    place = tmp_path_factory.mktemp("made")
    write_export(place / "export")
    for words in (
        ("read", place / "export", "--to", place / "shop", "-q"),
        ("train", "ease", place / "shop", "--to", place / "model", "-q"),
    ):
        assert wareloom(*words).code == 0
    return place


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    for name in ("shop", "model", "export"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("wareloom.preparing.statistics.statistics", fail)


def sentence(said: Said, code: int = 2) -> str:
    """The one line that a command left on standard error."""
    assert said.code == code, said.err
    assert "Traceback" not in said.err
    lines = [line for line in said.err.splitlines() if not line.startswith("warning: ")]
    lines = [line for line in lines if line.startswith(("error: ", "Wareloom crashed: "))]
    assert len(lines) == 1, said.err
    return lines[0]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("boom"),
        KeyError("nothing"),
        AssertionError(),
        ZeroDivisionError("x"),
        RecursionError("maximum recursion depth exceeded"),
        Panicked("a panic"),
        ExceptionGroup("several", [ValueError("one")]),
        UnicodeEncodeError("cp1252", "手", 0, 1, "character maps to <undefined>"),
        pl.exceptions.ComputeError("of no file"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_crash_has_a_code_and_a_log_of_its_own(
    error: BaseException, made: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    said = sentence(wareloom("check", made / "shop"), 3)
    assert "This is a bug of Wareloom, please report it" in said
    (log,) = state.iterdir()
    assert str(log) in said
    assert "--traceback prints it" in said
    text = log.read_text()
    assert "Traceback" in text
    assert type(error).__name__ in text
    for words in (("--traceback", "check", made / "shop"), ("check", made / "shop", "--traceback")):
        again = wareloom(*words)
        assert again.code == 3
        assert "Traceback (most recent call last)" in again.err or "Exception Group" in again.err


def test_a_log_that_cannot_be_kept_stops_no_sentence(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, RuntimeError("boom"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    assert "its log could not be kept" in sentence(wareloom("check", made / "shop"), 3)


def test_a_log_holds_no_secret(made: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("at postgresql://u:geheim@h/d?token=verborgen"))
    said = wareloom("check", made / "shop", "--to", "postgresql://u:geheim@h/d")
    assert said.code == 3
    text = next(state.iterdir()).read_text() + said.err
    assert "geheim" not in text
    assert "verborgen" not in text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("Unable to allocate 7 EiB"), "not enough memory for that (Unable to allocate"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/d/x"),
            "No space left on the disk of /d/x",
        ),
        (OSError("No space left on device (os error 28)"), "No space left on the disk"),
        (pl.exceptions.ComputeError("sink: No space left on device"), "No space left on the disk"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/d/x"),
            "/d/x cannot be used: Permission",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/d/x"), "/d/x cannot be used: Read-only"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "/d/x"),
            "/d/x cannot be used: No such file",
        ),
        (OSError(errno.EIO, "Input/output error"), "The system refused: Input/output error"),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "surrogates not allowed"), "no UTF-8"),
    ],
)
def test_what_the_system_refuses_is_no_crash(
    error: BaseException, words: str, made: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    assert words in sentence(wareloom("check", made / "shop"))
    assert not state.exists()


def test_a_stop_says_so(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    said = wareloom("check", made / "shop")
    assert said.code == 130
    assert said.err.startswith("stopped; ")


def test_a_stop_within_a_finaliser_stops_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    class Ends:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)
            sum(
                range(10_000)
            )  # Python calls the handler here, and what it raises ends with this method

    def work() -> None:
        made = Ends()
        del made
        until = time.monotonic() + 20.0
        while time.monotonic() < until:
            time.sleep(0.01)

    began = time.monotonic()
    with pytest.raises(SystemExit) as stopped, _ending.Ending([], shown=False):
        work()
    assert stopped.value.code == 128 + signal.SIGTERM
    assert time.monotonic() - began < 10.0
    assert "Exception ignored" not in capfd.readouterr().err


@pytest.mark.parametrize("place", ["shop/shop.json", "model/state.json", "model/algorithm.json"])
@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a": ' + "9" * 5000 + "}", "[" * 100_000, "\ud800", "NaN,"],
    ids=["empty", "cut", "digits", "deep", "surrogate", "words"],
)
def test_damaged_json_is_named(place: str, text: str, copy: Path) -> None:
    (copy / place).write_bytes(text.encode("utf-8", "surrogatepass"))
    said = sentence(wareloom("rank", copy / "model", "--shop", copy / "shop", "-q"))
    assert f"{copy / place} is not valid JSON" in said


@pytest.mark.parametrize("head", [[], {}, {"family": "ranker"}, {"family": 3}, "ranker", None])
def test_a_model_that_says_something_else(head: Any, copy: Path) -> None:
    (copy / "model" / "algorithm.json").write_text(json.dumps(head))
    said = sentence(wareloom("rank", copy / "model", "--shop", copy / "shop"))
    assert f"{copy / 'model' / 'algorithm.json'} cannot be used" in said


def test_nobody_waits_for_the_end_of_a_large_folder(tmp_path: Path) -> None:
    """What is damaged is looked for folder by folder: one that is made later is still found."""
    below = _ending._below(tmp_path)
    assert next(below) == tmp_path
    (tmp_path / "later" / "deep").mkdir(parents=True)
    assert next(below) == tmp_path / "later"
    (tmp_path / "later" / "deep" / "a.json").touch()
    assert [*below] == [tmp_path / "later" / "deep", tmp_path / "later" / "deep" / "a.json"]


SHOP_HEADS: dict[str, Any] = {
    "an empty table": lambda head: {},
    "a list": lambda head: [],
    "a number": lambda head: 3,
    "nothing": lambda head: None,
    "deep": lambda head: json.loads("[" * 150 + "]" * 150),
    "no tables": lambda head: head | {"tables": None},
    "tables of tables": lambda head: head | {"tables": [["events"]]},
    "rows of words": lambda head: head | {"rows": {"events": "many"}},
    "fewer than none": lambda head: head | {"rows": {"events": -1}},
    "files of nothing": lambda head: head | {"files": {"events": None}},
    "bytes in a list": lambda head: head | {"files": {"events": {"bytes": [1], "sha256": ""}}},
    "meta of words": lambda head: head | {"meta": "x"},
    "another version": lambda head: head | {"version": "1"},
}


@pytest.mark.parametrize("name", SHOP_HEADS)
def test_a_shop_that_says_something_else(name: str, copy: Path) -> None:
    """Each command that opens a shop says so in one sentence, and leaves nothing."""
    path, to = copy / "shop" / "shop.json", ("--to", copy / "made")
    path.write_text(json.dumps(SHOP_HEADS[name](json.loads(path.read_text()))))
    for words in (
        ("check", copy / "shop"),
        ("clean", copy / "shop", *to),
        ("split", copy / "shop", *to),
        ("segment", copy / "shop", *to),
        ("features", copy / "shop", *to),
        ("synth", "shuffled", copy / "shop", *to),
        ("mix", copy / "shop", copy / "shop", *to),
        ("screen", copy / "shop", copy / "shop", *to),
        ("compare", copy / "shop", copy / "shop", *to),
        ("train", "popularity", copy / "shop", *to),
        ("tune", copy / "shop", "--ranker", "item_knn", "--space", "neighbours=1..9", *to),
        ("rank", copy / "model", "--shop", copy / "shop"),
        ("agree", "lexical", copy / "shop"),
        ("leaderboard", copy / "shop", *to),
        ("prove", copy / "shop", *to),
    ):
        assert f"{path} is damaged: " in sentence(wareloom(*words)), words
    assert not (copy / "made").exists()


def hurt(path: Path, how: str) -> None:
    """Cut, empty, overwrite or shorten a file."""
    held = path.read_bytes()
    middle = len(held) // 2
    changed = {
        "cut": held[:middle],
        "empty": b"",
        "words": b"words and words " * 20,
        "zeros": held[:8] + bytes(len(held) - 8),
        "end": held[:-1],
    }
    path.write_bytes(changed[how])


@pytest.mark.parametrize("how", ["cut", "empty", "words", "zeros", "end"])
@pytest.mark.parametrize(
    "place", ["shop/events.parquet", "model/arrays.npz", "model/items_.parquet"]
)
def test_damaged_tables_and_arrays_are_named(place: str, how: str, copy: Path) -> None:
    hurt(copy / place, how)
    said = sentence(wareloom("rank", copy / "model", "--shop", copy / "shop"))
    assert place in said


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"fit": "plain"}, "names 'fit'"),
        ({"_items_": "table"}, "names '_items_'"),
        ({"a.b_": "plain"}, "names 'a.b_'"),
        ({"../../secret_": "table"}, "names '../../secret_'"),
        ({"/etc/passwd_": "table"}, "names '/etc/passwd_'"),
        ({"x_": "pickle"}, "tells of 'x_' wrongly"),
        ({"x_": "plain"}, "tells of 'x_' wrongly"),
    ],
)
def test_what_was_learned_stays_in_its_folder(
    kinds: dict[str, str], message: str, copy: Path
) -> None:
    path = copy / "model" / "state.json"
    head = json.loads(path.read_text())
    head["kinds"] |= kinds
    path.write_text(json.dumps(head))
    assert message in sentence(wareloom("rank", copy / "model", "--shop", copy / "shop"))


def test_a_link_out_of_a_model_is_not_followed(copy: Path) -> None:
    table = copy / "model" / "items_.parquet"
    table.rename(copy / "elsewhere.parquet")
    table.symlink_to(copy / "elsewhere.parquet")
    said = sentence(wareloom("rank", copy / "model", "--shop", copy / "shop"))
    assert "is a link or lies outside" in said


@pytest.mark.parametrize("place", ["name", "settings"])
def test_no_file_brings_code_unasked(
    place: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy / "code" / "evil_package").mkdir(parents=True)
    ran = copy / "ran"
    text = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n"
    (copy / "code" / "evil_package" / "__init__.py").write_text(text)
    monkeypatch.delitem(sys.modules, "evil_package", raising=False)
    monkeypatch.syspath_prepend(str(copy / "code"))
    path = copy / "model" / "algorithm.json"
    head = json.loads(path.read_text())
    if place == "name":
        head["name"] = "evil_package:Thing"
    else:
        head["settings"]["more"] = ["evil_package:Thing"]
    path.write_text(json.dumps(head))
    recipe = copy / "recipe.toml"
    recipe.write_text(
        f'[read]\nsource = "{copy / "export"}"\n[train]\nname = "evil_package:Thing"\n'
    )
    for words in (
        ("rank", copy / "model", "--shop", copy / "shop"),
        ("evaluate", copy / "model", copy / "parts"),
        ("run", recipe, "--to", copy / "job"),
    ):
        assert "evil_package:Thing" in (said := sentence(wareloom(*words)))
        assert "--allow-code evil_package" in said
        assert not ran.exists()
    wareloom("run", recipe, "--to", copy / "job", "--allow-code", "evil_package")
    assert ran.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("train", "ease", "SHOP", "--to", "x", "--threads", "-5"),
        ("train", "ease", "SHOP", "--to", "x", "--threads", "1000000"),
        ("train", "ease", "SHOP", "--to", "x", "--device", "tpu"),
        ("train", "ease", "SHOP", "--to", "x", "--seed", "9" * 40),
        ("train", "ease", "SHOP", "--to", "x", "--set", "regularization=0x" + "f" * 5000),
        ("train", "ease", "SHOP", "--to", "x", "--set", "regularization=" + "9" * 5000),
        ("train", "ease", "SHOP", "--to", "x", "--set", "regularization=" + "[" * 3000),
        ("prove", "SHOP", "--to", "x", "--jobs", "0"),
        ("prove", "SHOP", "--to", "x", "--jobs", "-1"),
        ("prove", "SHOP", "--to", "x", "--seeds", "1000000000"),
        ("prove", "SHOP", "--to", "x", "--seeds", "0"),
        ("prove", "SHOP", "--to", "x", "--ratios", "1e18"),
        ("prove", "SHOP", "--to", "x", "--ratios", "nan"),
        ("synth", "markov", "SHOP", "--to", "x", "--users", "-5"),
        ("synth", "markov", "SHOP", "--to", "x", "--users", "1" + "0" * 18),
        ("synth", "markov", "SHOP", "--to", "x", "--length", "-1"),
        ("read", "EXPORT", "--to", "x", "--as", "tables", "--set", "separator=ab"),
        ("read", "EXPORT", "--to", "x", "--as", "tables", "--set", "separator=é"),
        ("read", "EXPORT", "--to", "x", "--as", "tables", "--set", "quote=ab"),
        ("read", "EXPORT", "--to", "x", "--as", "tables", "--set", "encoding=nothing"),
        ("read", "EXPORT", "--to", "x", "--as", "tables", "--set", "encoding=rot13"),
        ("read", "EXPORT", "--to", "x", "--as", "tables", "--set", "encoding=base64"),
        ("read", "EXPORT", "--to", "."),
        ("read", "EXPORT", "--to", ".."),
        ("read", "EXPORT", "--to", "/"),
        ("read", "EXPORT", "--to", "SHOP/shop.json/x"),
        ("read", "EXPORT", "--to", "x" * 300),
        ("run", "SHOP"),
        ("run", "SHOP/events.parquet"),
        ("check", "sh\udcffop"),
        ("check", "SHOP", "--to", "SHOP/shop.json"),
        ("rank", "MODEL", "--shop", "SHOP", "--to", "SHOP"),
    ],
    ids=lambda words: " ".join(words)[:60].encode("ascii", "replace").decode(),
)
def test_what_cannot_be_meant_is_one_sentence(
    words: tuple[str, ...], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"SHOP": made / "shop", "EXPORT": made / "export", "MODEL": made / "model"}
    given = [
        str(names[head]) + word.removeprefix(head)
        if (head := word.partition("/")[0]) in names
        else word
        for word in words
    ]
    said = sentence(wareloom(*given))
    assert len(said) < 700
    assert [p.name for p in tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('[split]\nlast = "-3d"', "'-3d' is not a stretch of time"),
        (f'[split]\nlast = "{"9" * 5000}d"', "is not a stretch of time"),
        ("[prove]\nseeds = 1000000000", "seeds is 1000000000"),
        ("[prove]\nratios = [nan]", "ratios"),
        ("[prove]\nratios = [inf]", "ratios"),
        ("[prove]\nratios = [1e300]", "ratios holds 1e+300"),
        ("[prove]\neffect = " + "9" * 5000, "too many digits"),
        ("[prove]\neffect = 0x" + "f" * 5000, "a whole number of 20,000 bits"),
        ("x = " + "[" * 3000 + "]" * 3000, "nested"),
        ("[leaderboard]\nseeds = 5000", "seeds is 5000"),
        ("stages = []", "A recipe needs a stage"),
        ('stages = ["prove", "read"]', "cannot follow one another"),
    ],
)
def test_a_recipe_that_cannot_run_is_refused_early(lines: str, message: str, copy: Path) -> None:
    stages = "" if lines.startswith("stages") else 'stages = ["read", "prove"]\n'
    top, table = (lines, "") if lines.startswith(("stages", "x")) else ("", lines)
    text = f'{stages}{top}\n[read]\nsource = "{copy / "export"}"\n{table}\n'
    (copy / "recipe.toml").write_text(text)
    said = sentence(wareloom("run", copy / "recipe.toml", "--to", copy / "job"))
    assert message in said
    assert not (copy / "job").exists()


def test_files_are_written_over_with_force_alone(made: Path, tmp_path: Path) -> None:
    for words, name in (
        (("check", made / "shop"), "a.json"),
        (("rank", made / "model", "--shop", made / "shop", "--user", "u1"), "a.parquet"),
    ):
        place = tmp_path / name
        assert wareloom(*words, "--to", place).code == 0
        whole = place.read_bytes()
        place.write_text("mine")
        assert "--force" in sentence(wareloom(*words, "--to", place))
        assert place.read_text() == "mine"
        link = tmp_path / f"link-{name}"
        link.symlink_to(place)
        assert wareloom(*words, "--to", link, "--force").code == 0
        assert place.read_bytes() == whole
        assert link.is_symlink()


def test_folders_are_replaced_with_force_alone(copy: Path) -> None:
    """Every command that writes a folder: not unasked, with --force the same again, what lies beside stays."""
    parts, fake, shop = copy / "parts", copy / "fake", copy / "shop"
    for words in (
        ("read", copy / "export"),
        ("clean", shop),
        ("split", shop, "--by", "user"),
        ("segment", shop, "--event", "purchase"),
        ("features", shop),
        ("synth", "markov", shop, "--users", 30),
        ("screen", fake, parts / "train"),
        ("mix", parts / "train", fake),
        ("compare", parts / "train", fake, "--measures", "popularity"),
        ("train", "popularity", shop),
        ("leaderboard", shop, "--rankers", "popularity", "--seeds", 1),
        ("prove", shop, "--seeds", 1, "--ratios", 0.5, "--ties", "file"),
    ):
        to = copy / {"split": "parts", "synth": "fake"}.get(words[0], f"to-{words[0]}")
        assert wareloom(*words, "--to", to, "-q").code == 0, words
        whole = digest(to)
        (to / "NOTES.txt").write_text("mine")
        assert "--force" in sentence(wareloom(*words, "--to", to, "-q")), words
        assert wareloom(*words, "--to", to, "-q", "--force").code == 0, words
        assert (to / "NOTES.txt").read_text() == "mine"
        (to / "NOTES.txt").unlink()
        assert digest(to) == whole, words
        assert "choose another" in sentence(wareloom(*words, "--to", copy, "-q", "--force"))
    assert (copy / "export" / "events.csv").exists()


def test_a_proof_is_gone_on_with_by_the_same_call_alone(made: Path, tmp_path: Path) -> None:
    words = (
        "prove",
        made / "shop",
        "--ratios",
        0.5,
        "--ties",
        "file",
        "--to",
        tmp_path / "p",
        "-q",
    )
    assert wareloom(*words, "--seeds", 1).code == 0
    whole = digest(tmp_path / "p")
    assert wareloom(*words, "--seeds", 1, "--resume").code == 0
    for more in (("--seeds", 2), ("--seeds", 1, "--seed", 5), ("--seeds", 1, "--with", "shuffled")):
        assert "--force" in sentence(wareloom(*words, *more, "--resume"))
    assert digest(tmp_path / "p") == whole


def test_a_search_is_given_up_with_force_alone(made: Path, tmp_path: Path) -> None:
    words = ("tune", made / "shop", "--ranker", "item_knn", "--trials", 1, "-q")
    space, other = ("--space", "neighbours=1..9"), ("--space", "neighbours=1..5")
    assert wareloom(*words, *space, "--to", tmp_path / "t").code == 0
    whole = (tmp_path / "t" / "tune.json").read_bytes()
    assert wareloom(*words, *space, "--to", tmp_path / "t").code == 0
    assert "--force" in sentence(wareloom(*words, *other, "--to", tmp_path / "t"))
    assert (tmp_path / "t" / "tune.json").read_bytes() == whole
    assert wareloom(*words, *other, "--to", tmp_path / "t", "--force").code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "best.toml").write_text("mine")
    said = wareloom(*words, *space, "--to", tmp_path / "mine", "--force")
    assert "is not one of Wareloom's folders" in sentence(said)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["best.toml"]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "gb18030", "utf-8"])
def test_a_narrow_console_shows_escapes(encoding: str, tmp_path: Path) -> None:
    shop, model = tmp_path / "shop", tmp_path / "model"
    source = CASES / "92-narrow-console" / "events.csv"
    assert wareloom("read", source, "--to", shop, "-q").code == 0
    assert wareloom("train", "popularity", shop, "--to", model, "-q").code == 0
    rank = [sys.executable, "-m", "wareloom", "rank", str(model), "--shop", str(shop), "--user"]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONIOENCODING": encoding}
    done = subprocess.run([*rank, "u2", "-k", "3"], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    whole = "\u8336\u676f" if encoding in ("gb18030", "utf-8") else "\\u8336\\u676f"
    assert whole in done.stdout.decode(encoding)
    done = subprocess.run([*rank, "u2", "--json"], env=environment, capture_output=True)
    assert json.loads(done.stdout.decode(encoding))["ranking"][0]["item_id"] == "\u8336\u676f"
    done = subprocess.run([*rank, "\u624b"], env=environment, capture_output=True)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written() -> None:
    """Not read to its end: all is well. Onto a full disk, or nowhere: said, and never "the answer is no"."""
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = f"{sys.executable} -m wareloom list --json"
    for line, code in (
        (f"{command} | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}", 0),
        (f"{command} | true; exit ${{PIPESTATUS[0]}}", 0),
        (f"{command} > /dev/full", 2),
        (f"{command} >&-", 0),
        (f"{sys.executable} -m wareloom show nothing 2>&-", 2),
    ):
        done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True)
        assert done.returncode == code, (line, done.stderr)
        assert b"Traceback" not in done.stderr, line
        assert b"Exception ignored" not in done.stderr, line
