"""JSON schemas of settings: valid, in step with the types, and no looser than `configure`."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from typing import Annotated, Any, get_type_hints

import jsonschema
import pytest
from annotated_types import Ge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_settings import Every, Outer

from wareloom.core.family import FAMILIES
from wareloom.core.schema import schema_of
from wareloom.core.settings import Settings, Size, configure
from wareloom.errors import SettingError

NAMES = [(kind, name) for kind, family in FAMILIES.items() for name in family.names()]
VALUES = [-2, -1, -1e-9, 0, 1e-9, 0.5, 1 - 1e-9, 1, 1 + 1e-9, 1.5, 2, 3, 99, 1e6, 10**9, True]
VALUES += [None, "", "no such word", [], [-1], [0], [0.5, 2], ["a"], [""], {}, {"a": -1}, {"a": 1}]


@cache
def typed(cls: type[Any]) -> type[Any]:
    """A class of the same fields that has nothing but its types."""
    hints = get_type_hints(cls, include_extras=True)
    fields = [
        (f.name, hints[f.name], dataclasses.field(default=None)) for f in dataclasses.fields(cls)
    ]
    return dataclasses.make_dataclass(cls.__name__, fields, kw_only=True)


def refused(cls: type[Any], values: dict[str, Any]) -> bool:
    try:
        configure(typed(cls), values)
    except SettingError:
        return True
    return False


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_algorithm_has_a_schema_that_takes_its_defaults_and_no_more_than_its_types(
    kind: str, name: str
) -> None:
    cls = FAMILIES[kind].load(name)
    schema = schema_of(cls, name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema
    check = jsonschema.Draft202012Validator(schema)
    defaults = {n: p["default"] for n, p in schema["properties"].items() if "default" in p}
    assert (schema["title"], schema["description"]) == (name, cls_says(cls))
    assert set(schema["properties"]) == {f.name for f in dataclasses.fields(cls)}
    assert all(p["description"] for p in schema["properties"].values())
    assert set(defaults) == set(schema["properties"]) - set(schema.get("required", ()))
    assert check.is_valid(defaults | example(schema))
    assert not check.is_valid({"no_such_setting": 1} | example(schema))
    for field in schema["properties"]:
        for value in VALUES:
            if refused(cls, {field: value}):
                assert not check.is_valid(example(schema) | {field: value}), (field, value)


def cls_says(cls: type[Any]) -> str:
    return " ".join((cls.__doc__ or "").partition("\n\n")[0].split())


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """A value for each setting without a default."""
    of = {"string": "x", "integer": 1, "number": 1.0, "array": [], "object": {}}
    return {n: of[schema["properties"][n]["type"]] for n in schema.get("required", ())}


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 7),
        st.floats(-2, 3, allow_nan=False),
        st.sampled_from(["auto", "", "a"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("cls", [Every, Outer])
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), value=JSON)
def test_what_the_schema_takes_the_types_take(cls: type[Any], data: Any, value: Any) -> None:
    name = data.draw(st.sampled_from([f.name for f in dataclasses.fields(cls)]))
    if jsonschema.Draft202012Validator(schema_of_once(cls)).is_valid({name: value}):
        assert not refused(cls, {name: value})


@cache
def schema_of_once(cls: type[Any]) -> dict[str, Any]:
    return schema_of(cls)


@dataclasses.dataclass(frozen=True)
class Leaf(Settings):
    """What hangs on a branch.

    More about it, which no form needs.
    """

    size: Size = 2
    """How large it is,
    in all."""


@dataclasses.dataclass(kw_only=True)
class Tree(Settings):
    """A tree of settings."""

    leaf: Leaf
    """The first one"""
    more: tuple[Leaf, ...] = (Leaf(3),)
    """Others"""
    by_name: dict[str, Leaf | None] = dataclasses.field(default_factory=dict)
    height: Annotated[float, Ge(0)] | None = None


def test_settings_within_settings_have_their_own_schema() -> None:
    schema = schema_of(Tree, "recipe")
    leaf = {
        "type": "object",
        "title": "Leaf",
        "description": "What hangs on a branch.",
        "additionalProperties": False,
        "properties": {
            "size": {
                "type": "integer",
                "minimum": 1,
                "default": 2,
                "description": "How large it is, in all.",
            }
        },
    }
    assert schema["$defs"] == {"Leaf": leaf}
    assert (schema["title"], schema["required"]) == ("recipe", ["leaf"])
    assert schema["properties"]["leaf"]["description"] == "The first one"
    assert schema["properties"]["more"]["default"] == [{"size": 3}]
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid({"leaf": {"size": 1}, "by_name": {"a": None, "b": {}}, "height": 0})
    for wrong in ({}, {"leaf": {"size": 0}}, {"leaf": {"sise": 1}}, {"leaf": {}, "height": -1}):
        assert not check.is_valid(wrong)


def test_a_default_that_json_cannot_say_is_left_out() -> None:
    assert "default" not in schema_of(Outer)["properties"]["endless"]
