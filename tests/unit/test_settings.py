"""Settings: limits in types, what is refused and in which words, old names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal, get_type_hints

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt, MinLen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AllowInfNan

from wareloom.core.settings import (
    Count,
    Factor,
    Fraction,
    NonNegative,
    Positive,
    Settings,
    Share,
    ShareBelowOne,
    Size,
    Text,
    configure,
    limits_of,
    type_in_words,
)
from wareloom.errors import SettingError, require


@dataclass(kw_only=True)
class Every(Settings):
    """One field of each alias."""

    size: Size = 1
    count: Count = 0
    positive: Positive = 1.0
    non_negative: NonNegative = 0.0
    share: Share = 0.5
    factor: Factor = 1.0
    share_below_one: ShareBelowOne = 0.0
    fraction: Fraction = 0.5
    free: float = 0.0
    whole: int = 0
    text: Text = "x"


HOLDS: dict[str, Callable[[float], bool]] = {
    "size": lambda v: v >= 1,
    "count": lambda v: v >= 0,
    "positive": lambda v: v > 0,
    "non_negative": lambda v: v >= 0,
    "share": lambda v: 0 <= v <= 1,
    "factor": lambda v: 0 < v <= 1,
    "share_below_one": lambda v: 0 <= v < 1,
    "fraction": lambda v: 0 < v < 1,
    "free": lambda v: True,
    "whole": lambda v: True,
}
TINY = math.ulp(0.0)
BELOW_ONE, ABOVE_ONE = math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)


@pytest.mark.parametrize(
    ("name", "taken", "refused", "wanted"),
    [
        ("size", [1, 2, 10**12], [0, -1], "1 or more"),
        ("count", [0, 1], [-1], "0 or more"),
        ("positive", [TINY, 1e300], [0.0, -0.0, -TINY], "a number above 0"),
        ("non_negative", [0.0, -0.0, 1e300], [-TINY], "0 or more"),
        ("share", [0.0, 1.0], [-TINY, ABOVE_ONE], "a number from 0 to 1"),
        ("factor", [TINY, 1.0], [0.0, ABOVE_ONE], "a number above 0, at most 1"),
        ("share_below_one", [0.0, BELOW_ONE], [-TINY, 1.0], "a number from 0, below 1"),
        ("fraction", [TINY, BELOW_ONE], [0.0, 1.0], "a number between 0 and 1"),
        ("text", ["a", " "], [""], "a text that is not empty"),
    ],
)
def test_each_alias_takes_its_limits_and_nothing_beyond(
    name: str, taken: list[Any], refused: list[Any], wanted: str
) -> None:
    for value in taken:
        assert getattr(Every(**{name: value}), name) == value
        assert getattr(configure(Every, {name: value}), name) == value
    for value in refused:
        for make in (lambda v: Every(**{name: v}), lambda v: configure(Every, {name: v})):
            with pytest.raises(SettingError) as caught:
                make(value)
            assert str(caught.value) == f"Every: {name} is {value!r}; give {wanted}."


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "nan", "inf", True, False, None, "many", "", [1], {}]
)
def test_what_is_no_number_is_refused_with_its_name_and_value(name: str, value: Any) -> None:
    with pytest.raises(SettingError) as caught:
        Every(**{name: value})
    said = str(caught.value)
    assert said.startswith(f"Every: {name}")
    assert repr(value) in said
    assert "; give " in said or "does not fit" in said


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(HOLDS)),
    st.one_of(
        st.floats(),
        st.integers(),
        st.booleans(),
        st.sampled_from([0.0, 1.0, TINY, -TINY, BELOW_ONE, ABOVE_ONE]),
        st.floats().map(str),
        st.floats(width=32).map(np.float32),
    ),
)
def test_whatever_is_accepted_lies_within_the_limits(name: str, value: Any) -> None:
    try:
        made = getattr(configure(Every, {name: value}), name)
    except SettingError:
        return
    assert type(made) is (int if name in ("size", "count", "whole") else float)
    assert math.isfinite(made)
    assert HOLDS[name](made)
    assert made == float(value)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(sorted(HOLDS)))
def test_whatever_lies_within_the_limits_is_accepted(value: float, name: str) -> None:
    whole = name in ("size", "count", "whole")
    if HOLDS[name](value) and (not whole or (value.is_integer() and abs(value) < 2**53)):
        assert getattr(Every(**{name: value}), name) == value


def test_text_becomes_a_number_and_a_fraction_no_whole_one() -> None:
    made = Every(size="7", positive="0.25", free=" 3 ", whole=2.0)  # type: ignore[arg-type]
    assert (made.size, made.positive, made.free, made.whole) == (7, 0.25, 3.0, 2)
    assert (type(made.size), type(made.whole)) == (int, int)
    with pytest.raises(SettingError, match=r"Every: size=1\.5 does not fit int: .*fractional"):
        Every(size=1.5)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Inner(Settings):
    """A frozen one, given by position too."""

    depth: Size = 2
    rate: Positive = 0.5


@dataclass(kw_only=True)
class Outer(Settings):
    """Limits within unions, tuples, dictionaries; settings within settings."""

    renamed: ClassVar[dict[str, str]] = {"nearby": "near"}
    near: Annotated[int, Ge(1), Le(5)] | None = None
    tuned: Positive | Literal["auto"] = "auto"
    shares: tuple[Share, ...] = ()
    pair: tuple[Size, Positive] = (1, 1.0)
    weights: dict[str, NonNegative] = field(default_factory=dict)
    some: Annotated[tuple[str, ...], MinLen(1)] = ("a",)
    high: Annotated[float, Interval(gt=0, le=2)] = 1.0
    endless: Annotated[float, AllowInfNan(True), Gt(0)] = math.inf
    inner: Inner = field(default_factory=Inner)
    inners: tuple[Inner, ...] = ()
    flag: bool = False
    low: float = 0.0
    top: float = 1.0

    def _check(self) -> None:
        require("Outer", "low", self.low, self.low <= self.top, f"at most top, {self.top}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"near": 0}, "Outer: near is 0; give a whole number from 1 to 5, or None."),
        ({"near": 6}, "Outer: near is 6; give a whole number from 1 to 5, or None."),
        ({"tuned": 0}, "Outer: tuned is 0; give a number above 0, or 'auto'."),
        ({"tuned": math.nan}, "Outer: tuned is nan; give a number above 0, or 'auto'."),
        ({"shares": (0.5, 1.5)}, "Outer: shares[1] is 1.5; give a number from 0 to 1."),
        ({"shares": (0.5, math.inf)}, "Outer: shares[1] is inf; give a number from 0 to 1."),
        ({"shares": (math.nan,)}, "Outer: shares is (nan,); give a number from 0 to 1."),
        ({"shares": (True,)}, "Outer: shares is (True,); give a number from 0 to 1."),
        ({"pair": (1, 0)}, "Outer: pair[1] is 0; give a number above 0."),
        ({"pair": (0, 1)}, "Outer: pair[0] is 0; give 1 or more."),
        ({"weights": {"a": -1}}, "Outer: weights['a'] is -1; give 0 or more."),
        ({"weights": {"a": math.nan}}, "Outer: weights['a'] is nan; give 0 or more."),
        ({"some": ()}, "Outer: some is (); give at least 1."),
        ({"high": 2.5}, "Outer: high is 2.5; give a number above 0, at most 2."),
        ({"endless": math.nan}, "Outer: endless is nan; give a number above 0."),
        ({"endless": -math.inf}, "Outer: endless is -inf; give a number above 0."),
        ({"inner": {"depth": 0}}, "Outer: inner.depth is 0; give 1 or more."),
        ({"inners": [{"rate": -1}]}, "Outer: inners[0].rate is -1; give a number above 0."),
        ({"inner": {"rate": math.inf}}, "Outer: inner: Inner: rate is inf; give a number above 0."),
        ({"low": 3.0}, "Outer: low is 3.0; give at most top, 1.0."),
        ({"low": math.inf}, "Outer: low is inf; give a finite number."),
        ({"nearby": 0}, "Outer: near is 0; give a whole number from 1 to 5, or None."),
        ({"nearby": 1, "near": 2}, "Outer: 'nearby' is the old name of 'near'; give one of them, not both."),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*is called:FutureWarning")
def test_a_refused_value_is_named_with_its_place_and_the_remedy(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        configure(Outer, given)
    assert str(caught.value) == message


def test_within_limits_each_becomes_what_its_type_says() -> None:
    made = configure(
        Outer,
        {
            "near": "5",
            "tuned": "2",
            "shares": "0, 1",
            "pair": [2, "3"],
            "weights": {"a": "1"},
            "inner": {"depth": "4"},
            "inners": [{"rate": 1}],
            "flag": "true",
        },
    )
    assert (made.near, made.tuned, made.shares, made.pair) == (5, 2.0, (0.0, 1.0), (2, 3.0))
    assert (made.weights, made.flag, made.endless) == ({"a": 1.0}, True, math.inf)
    assert (made.inner, made.inners) == (Inner(4), (Inner(rate=1.0),))
    assert Outer().near is None


def test_frozen_ones_are_checked_and_cast_too() -> None:
    made = Inner("3")  # type: ignore[arg-type]
    assert (made.depth, type(made.depth)) == (3, int)
    with pytest.raises(AttributeError):
        made.depth = 4  # type: ignore[misc]
    with pytest.raises(SettingError, match="Inner: depth is 0; give 1 or more"):
        Inner(0)


def test_check_sees_what_the_types_made_and_runs_after_them() -> None:
    seen = []

    @dataclass(kw_only=True)
    class Watched(Settings):
        size: Annotated[int, Gt(0)] = 1

        def _check(self) -> None:
            seen.append(self.size)

    configure(Watched, {"size": "2"})
    with pytest.raises(SettingError):
        Watched(size=0)
    assert seen == [2]


def test_an_old_name_is_read_with_a_warning_and_by_configure_alone() -> None:
    with pytest.warns(FutureWarning, match="Outer: 'nearby' is called 'near' now"):
        assert configure(Outer, {"nearby": 3}).near == 3
    with pytest.raises(TypeError):
        Outer(nearby=3)  # type: ignore[call-arg]


def test_a_setting_without_a_default_must_be_given() -> None:
    @dataclass(kw_only=True)
    class Needy(Settings):
        size: Size
        name: str

    with pytest.raises(SettingError, match="Needy: give a value for name"):
        configure(Needy, {"size": 1})
    assert configure(Needy, {"size": 1, "name": "x"}).name == "x"


def test_a_class_that_writes_its_own_post_init_is_still_checked_by_configure() -> None:
    @dataclass(kw_only=True)
    class Own(Settings):
        size: Size = 1

        def __post_init__(self) -> None:
            self.twice = 2 * self.size

    assert configure(Own, {"size": "2"}).twice == 4
    with pytest.raises(SettingError, match="Own: size is 0; give 1 or more"):
        configure(Own, {"size": 0})


@pytest.mark.parametrize(
    ("hint", "limits", "words"),
    [
        (int, "", "int"),
        (float | None, "", "float | None"),
        (Size, "1 or more", "int, 1 or more"),
        (Size | None, "1 or more, or None", "int | None, 1 or more"),
        (Fraction, "a number between 0 and 1", "float, between 0 and 1"),
        (Annotated[int, Lt(3)], "a whole number below 3", "int, below 3"),
        (Annotated[float, Le(0.5)], "0.5 or less", "float, 0.5 or less"),
        (Annotated[int, Ge(0), Lt(2**31)], "a whole number from 0, below 2147483648", "int, from 0, below 2147483648"),
        (Annotated[int, Interval(ge=1, le=9)], "a whole number from 1 to 9", "int, from 1 to 9"),
        (tuple[Positive, ...], "a number above 0", "tuple[float, ...], each above 0"),
        (dict[str, Share], "a number from 0 to 1", "dict[str, float], each from 0 to 1"),
        (Literal["a", "b"], "", "Literal['a', 'b']"),
        (Text, "a text that is not empty", "str, that is not empty"),
        (Annotated[tuple[str, ...], MinLen(2)], "at least 2", "tuple[str, ...], at least 2"),
    ],
)  # fmt: skip
def test_limits_are_told_in_words(hint: Any, limits: str, words: str) -> None:
    assert limits_of(hint) == limits
    assert type_in_words(hint) == words


def test_every_limit_of_these_classes_is_told() -> None:
    """The table of what holds above names each alias once: none is left out of these tests."""
    hints = get_type_hints(Every, include_extras=True)
    assert {f.name for f in fields(Every)} == {*HOLDS, "text"}
    assert [n for n, hint in hints.items() if n in HOLDS and not limits_of(hint)] == [
        "free",
        "whole",
    ]
