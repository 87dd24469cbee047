"""JSON schemas (draft 2020-12) of settings: from their types, limits and defaults, and the line under each field.

`schema_of` takes any dataclass, with dataclasses within it too. What no type says, such as limits between two fields,
is not in the schema: `configure` has the last word.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from wareloom.core.source import documentation

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(cls: type[Any], title: str | None = None) -> dict[str, Any]:
    """The schema of a dataclass of settings, which is called `title`, or as the class where none is given."""
    from pydantic import TypeAdapter

    made = TypeAdapter(cls).json_schema(schema_generator=_generator())
    # A class that is used within itself stands among the definitions.
    if "$ref" in made:
        made = {**made, **made["$defs"][made["$ref"].rpartition("/")[2]]}
        del made["$ref"]
    return {"$schema": DIALECT, **made, "title": title or cls.__name__}


def _generator() -> type[Any]:
    """pydantic's generator, which describes fields by the line under each and takes no others."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        def dataclass_schema(self, schema: Any) -> dict[str, Any]:
            made = super().dataclass_schema(schema)
            cls = schema["cls"]
            # A dataclass without a docstring of its own says its signature.
            told = "" if (cls.__doc__ or "").startswith(f"{cls.__name__}(") else cls.__doc__ or ""
            texts = documentation(cls)
            for name, field in made.get("properties", {}).items():
                if text := texts.get(name):
                    field["description"] = text
            first = " ".join(told.partition("\n\n")[0].split())
            described = {"description": first} if first else {}
            return {**made, "title": cls.__name__, **described, "additionalProperties": False}

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def default_schema(self, schema: Any) -> dict[str, Any]:
            made = super().default_schema(schema)
            factory = schema.get("default_factory")
            if factory is not None and not schema.get("default_factory_takes_data"):
                made["default"] = plain(factory())
            value = made.get("default")
            if isinstance(value, float) and not math.isfinite(value):
                del made["default"]  # JSON has no word for it.
            return made

    return Generator


def plain(value: Any) -> Any:
    """A default as JSON has it: settings as dictionaries, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
