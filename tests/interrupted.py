"""Single commands over a tiny shop that are stopped, starved and resumed: what each makes, and what it may leave."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tiny_export import Said, wareloom, write_export

SRC = Path(__file__).resolve().parents[1] / "src"


CLOCKS = ("log.txt", "study.db")
"""Files that hold times: seconds of stages, moments of trials"""


class Command(NamedTuple):
    """One command: its words but for --to, and how long it takes at most, in seconds."""

    words: tuple[str, ...]
    seconds: float
    resumed: tuple[str, ...] = ("--force",)


def commands(place: Path) -> dict[str, Command]:
    """The commands, over what `prepared` wrote to `place`."""
    shop, train = str(place / "shop"), str(place / "parts" / "train")
    return {
        "read": Command(("read", str(place / "export"), "-q"), 1.8),
        "clean": Command(("clean", shop, "-q"), 1.6),
        "synth": Command(("synth", "markov", train, "--users", "30", "-q"), 2.2),
        "train": Command(("train", "ease", train, "-q"), 2.0),
        "prove": Command(
            ("prove", shop, "--seeds", "1", "--ratios", "0.5", "-q"), 5.5, ("--resume",)
        ),
        "compare": Command(("compare", train, str(place / "synth"), "-q"), 3.5),
        "split": Command(("split", shop, "-q"), 1.8),
        "features": Command(("features", shop, "-q"), 1.8),
        "mix": Command(("mix", train, str(place / "synth"), "-q"), 1.8),
        "tune": Command(
            (
                "tune",
                shop,
                "--ranker",
                "item_knn",
                "--space",
                "neighbours=1..9",
                "--trials",
                "2",
                "-q",
            ),
            4.0,
            (),
        ),
        "run": Command(("run", str(place / "recipe.toml"), "-q"), 3.0, ()),
    }


def prepared(place: Path) -> dict[str, str]:
    """Write what the commands read, and run each once: the digest of what it makes, by command."""
    write_export(place / "export")
    ran(wareloom("read", place / "export", "--to", place / "shop", "-q"))
    ran(wareloom("split", place / "shop", "--to", place / "parts", "-q"))
    train = place / "parts" / "train"
    ran(wareloom("synth", "markov", train, "--to", place / "synth", "--users", 30, "-q"))
    (place / "right").mkdir()
    (place / "recipe.toml").write_text(
        'stages = ["read", "clean", "split"]\n[read]\nsource = "export"\n'
    )
    for name, command in commands(place).items():
        ran(wareloom(*command.words, "--to", place / "right" / name))
    return {name: digest(place / "right" / name) for name in commands(place)}


def ran(said: Said) -> None:
    assert said.code == 0, said.err


def digest(folder: Path) -> str:
    """SHA-256 over all files of a folder, by their names; "" where there is none. Those that tell the time are left."""
    if not folder.exists():
        return ""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in CLOCKS):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
        whole.update(path.read_bytes())
    return whole.hexdigest()


def left(folder: Path) -> list[str]:
    """What lies in a folder beside results; a lock file that is left means nothing."""
    return sorted(p.name for p in folder.iterdir() if p.name[0] == "." and p.suffix != ".lock")


def killed(
    name: str, number: int, chance: random.Random, place: Path, right: dict[str, str], work: Path
) -> str:
    """Stop one command at a random moment, look at what is there, do it again; returns how it ended."""
    command, to = commands(place)[name], work / name
    # Half of them replace an old result, which stays whole until the new one is.
    old = ""
    if chance.random() < 0.5 and name != "prove":
        shutil.copytree(place / "right" / name, to)
        (to / "NOTES.txt").write_text("mine")
        old = digest(to)
    words = [*command.words, "--to", str(to)]
    first = [*words, *command.resumed] if old else words
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    process = subprocess.Popen(
        [sys.executable, "-m", "wareloom", *first],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    time.sleep(chance.uniform(0.3, command.seconds))
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    how = f"{name}, {signal.Signals(number).name}: {process.returncode}, {said!r}"
    assert process.returncode in (0, -number, 128 + number), how
    assert b"Traceback" not in said, how
    there = digest(to)
    if (to / "NOTES.txt").exists():
        (to / "NOTES.txt").unlink()
        assert there == old or digest(to) == right[name], how
    else:
        assert there in ("", right[name]), how
    if number == signal.SIGINT and name != "prove":
        assert left(work) == [], how
    ran(wareloom(*words, *command.resumed))
    assert digest(to) == right[name], how
    assert left(work) == [], how
    shutil.rmtree(to)
    return f"{name}: {process.returncode}"


@contextmanager
def small_disk(place: Path, kib: int) -> Iterator[Path]:
    """A disk of so many KiB at `place`; raises `OSError` where nothing may be mounted."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(place)], capture_output=True
    )
    if done.returncode:
        raise OSError(done.stderr.decode())
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
