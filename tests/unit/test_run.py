"""Run: one seed decides all of them, threads are held, progress is shown where it is wanted."""

from __future__ import annotations

from itertools import combinations

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from wareloom.core.run import Run, physical_cores

NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), max_size=5), max_size=4
)


@given(NAMES, NAMES, st.integers(0, 9), st.integers(0, 9))
def test_a_seed_belongs_to_one_purpose_of_one_run(
    one: list[str], other: list[str], a: int, b: int
) -> None:
    seeds = Run(seed=a).seed_for(*one), Run(seed=b).seed_for(*other)
    assert (seeds[0] == seeds[1]) is ((a, one) == (b, other))
    assert 0 <= Run(seed=a).seed_for(*one) < 2**63


def test_streams_of_different_purposes_are_independent() -> None:
    run = Run(seed=3)
    streams = [run.rng("a"), run.rng("b"), run.rng("a", 1), run.rng("a", 2), Run(seed=4).rng("a")]
    draws = np.stack([stream.standard_normal(20_000) for stream in streams])
    for a, b in combinations(draws, 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.04
    np.testing.assert_array_equal(
        draws[0], Run(seed=3, threads=2, quiet=False).rng("a").standard_normal(20_000)
    )


def test_seeds_are_the_same_in_every_version() -> None:
    """A change here changes every result that was ever published with a seed."""
    assert Run(seed=7).seed_for("markov", "walk") == 1_358_220_695_704_361_350


def test_drawing_touches_no_global_state() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    Run(seed=1).rng("x").random(10)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_cores_are_what_was_asked_or_what_there_is() -> None:
    assert Run(threads=3).cores == 3
    assert Run().cores == physical_cores() >= 1


def test_threads_are_held_inside_and_given_back_after() -> None:
    outside = numba.get_num_threads()

    def fail_inside() -> None:
        with Run(threads=1).limits():
            assert numba.get_num_threads() == 1
            assert {pool["num_threads"] for pool in threadpool_info()} <= {1}
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail_inside()
    assert numba.get_num_threads() == outside


def test_progress_is_one_line_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Run(quiet=False).task("fit", 3) as advance:
        advance()
        advance(2)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("fit: ")
    assert said.err.count("\n") == 1


def test_a_quiet_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Run(quiet=True).task("fit") as advance:
        advance()
    assert capsys.readouterr() == ("", "")


def test_a_changed_run_is_another() -> None:
    run = Run(seed=1)
    assert run.with_(seed=2, threads=4) == Run(seed=2, threads=4)
    assert run == Run(seed=1)
