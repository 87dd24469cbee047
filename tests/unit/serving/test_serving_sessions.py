"""What each shopper did last: against a dictionary, bounded, shared by processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.errors import OutputError
from wareloom.serving.shoppers.sessions import (
    NO_ENTRIES,
    WAYS,
    Sessions,
    entries_of,
    kept,
    merged,
)
from wareloom.serving.wire import KINDS

HOUR = 3_600_000_000


def rows(*items: int, first: int = 0) -> np.ndarray:
    return entries_of([(item, first + n, n, 2) for n, item in enumerate(items)])


def test_against_a_dictionary(tmp_path: Path) -> None:
    rng, oracle = np.random.default_rng(4), dict[str, list[int]]()
    sessions = Sessions(tmp_path / "s", sessions=4096, events=5)
    for step in range(600):
        who = f"u{rng.integers(40)}"
        if rng.random() < 0.05:
            assert sessions.forget(who) == (who in oracle)
            oracle.pop(who, None)
        elif rng.random() < 0.6:
            new = [int(i) for i in rng.integers(0, 99, rng.integers(1, 8))]
            sessions.take(who, rows(*new, first=step * 100), step)
            oracle[who] = [*oracle.get(who, []), *new][-5:]
        assert sessions.of(who, step)["item"].tolist() == oracle.get(who, [])
    assert sessions.known() == len(oracle)


def test_an_id_counts_once_and_events_that_are_too_old_go(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s", events=3)
    assert sessions.take("a", rows(1, 2), 10) == 0
    assert sessions.take("a", rows(1, 2), 11) == 2
    assert sessions.take("a", rows(1, 2, 3, 4), 12) == 2
    assert sessions.of("a", 12)["item"].tolist() == [2, 3, 4]


KINDS_OF = {"view_item": 2, "purchase": KINDS["purchase"], "hide": KINDS["hide"]}


def told(*events: tuple[int, str]) -> np.ndarray:
    return entries_of([(item, item, item, KINDS_OF[kind]) for item, kind in events])


def test_what_was_bought_or_hidden_outlasts_what_was_looked_at(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s", events=6)
    sessions.take("a", told((1, "purchase"), (2, "view_item"), (3, "hide")), 1)
    for n in range(10, 40):
        sessions.take("a", told((n, "view_item")), n)
    assert sessions.of("a", 40)["item"].tolist() == [1, 3, 36, 37, 38, 39]
    # Of these, too, the oldest go: half of the room is what was looked at last.
    for n in range(50, 60):
        sessions.take("a", told((n, "purchase")), n)
    for n in range(60, 70):
        sessions.take("a", told((n, "view_item")), n)
    assert sessions.of("a", 70)["item"].tolist() == [57, 58, 59, 67, 68, 69]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([*KINDS_OF]), max_size=40), st.integers(2, 9))
def test_one_by_one_or_all_at_once_the_same_is_kept(kinds: list[str], most: int) -> None:
    every = told(*enumerate(kinds))
    lasting = [n for n, kind in enumerate(kinds) if kind != "view_item"][-(most // 2) :]
    others = [n for n in range(len(kinds)) if n not in lasting]
    wanted = (
        sorted([*lasting, *others[len(lasting) - most :]])
        if len(kinds) > most
        else [*range(len(kinds))]
    )
    assert kept(every, most)["item"].tolist() == wanted
    step = NO_ENTRIES
    for n in range(len(kinds)):
        step = kept(np.concatenate([step, every[n : n + 1]]), most)
    assert step["item"].tolist() == wanted


def test_a_clock_that_jumps_back_loses_nobody_and_no_last_click(tmp_path: Path) -> None:
    sessions, late = Sessions(tmp_path / "s", sessions=WAYS, events=4), 10 * HOUR
    for n in range(WAYS):
        sessions.take(f"before{n}", rows(n), late + n)
    for n in range(3 * WAYS):
        now = late - HOUR + 1000 + n
        sessions.take(f"after{n}", rows(n), now)
        assert sessions.of(f"after{n}", now)["item"].tolist() == [n], "it gave way at once"
    there = [n for n in range(3 * WAYS) if len(sessions.of(f"after{n}", late))]
    assert there == [*range(2 * WAYS, 3 * WAYS)], "the oldest gave way"
    # A time that was far ahead by mistake holds nobody for good.
    far = Sessions(tmp_path / "far", sessions=WAYS, expiry=3600)
    far.take("ahead", rows(1), 10**6 * HOUR)
    far.take("now", rows(1), HOUR)
    assert len(far.of("now", 3 * HOUR)) == 0
    user, session = told((1, "view_item"), (5, "view_item")), entries_of([(9, 9, 2, 2)])
    back = np.concatenate([user, entries_of([(7, 7, 3, 2)])])
    assert merged(back, session)["item"].tolist() == [1, 9, 5, 7]


def test_an_id_twice_in_a_batch_counts_once(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s")
    both = entries_of([(1, 9, 0, 2), (2, 9, 1, 2), (3, 8, 2, 2)])
    assert sessions.take("a", both, 5) == 1
    assert sessions.of("a", 5)["item"].tolist() == [1, 3]


def test_it_forgets_after_silence(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s", expiry=3600)
    sessions.take("a", rows(1), 0)
    assert len(sessions.of("a", HOUR)) == 1
    assert len(sessions.of("a", HOUR + 1)) == 0
    sessions.take("a", rows(2, first=9), HOUR + 1)
    assert sessions.of("a", HOUR + 1)["item"].tolist() == [2]


def test_the_file_never_grows_and_the_quietest_give_way(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s", sessions=64, events=4)
    size = (tmp_path / "s").stat().st_size
    for n in range(1000):
        sessions.take(f"u{n}", rows(n), n)
        assert sessions.of(f"u{n}", n)["item"].tolist() == [n]
    assert sessions.known() <= 64
    assert (tmp_path / "s").stat().st_size == size
    alive = [n for n in range(1000) if len(sessions.of(f"u{n}", 1000))]
    assert min(alive) > 1000 - 64 * WAYS


def test_it_is_kept_and_made_anew_for_other_sizes(tmp_path: Path) -> None:
    Sessions(tmp_path / "s", events=3).take("a", rows(1), 0)
    assert len(Sessions(tmp_path / "s", events=3).of("a", 0)) == 1
    assert len(Sessions(tmp_path / "s", events=4).of("a", 0)) == 0


def test_another_file_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"something else that is mine" * 10)
    with pytest.raises(OutputError, match="no file of sessions"):
        Sessions(tmp_path / "s")


def test_two_processes_share_it(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path / "s", events=400)
    script = """
import sys
from pathlib import Path
from wareloom.serving.shoppers.sessions import Sessions, entries_of
sessions = Sessions(Path(sys.argv[1]), events=400)
for n in range(150):
    sessions.take("a", entries_of([(int(sys.argv[2]), int(sys.argv[2]) * 1000 + n, n, 2)]), n)
"""
    work = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "s"), str(n)])
        for n in (1, 2)
    ]
    assert [process.wait() for process in work] == [0, 0]
    found = sessions.of("a", 200)["item"]
    assert [(found == n).sum() for n in (1, 2)] == [150, 150]


def test_merged_has_each_event_once_in_order_of_time() -> None:
    one = entries_of([(1, 10, 5, 2), (2, 11, 7, 2)])
    two = entries_of([(3, 12, 6, 2), (2, 11, 7, 2)])
    assert merged(one, two)["item"].tolist() == [1, 3, 2]
    assert merged(one, one[:0]) is one
