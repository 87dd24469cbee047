"""The JSON schema of a recipe, for editors and forms."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from wareloom.core.schema import schema_of
from wareloom.proof.kinds import kinds, study_of
from wareloom.recipe.load import OWN_TABLES, Recipe
from wareloom.recipe.steps import STAGES


def recipe_schema() -> dict[str, Any]:
    """The schema of what `Recipe.of` takes: [prove] has the settings of the kind of proof that `of` names."""
    whole = schema_of(Recipe, "recipe")
    definitions = whole.setdefault("$defs", {})
    definitions.pop("ProveStep", None)
    for kind in kinds():
        own = schema_of(study_of(kind).settings_of)
        definitions |= own.pop("$defs", {})
        own.pop("$schema")
        for name in OWN_TABLES:
            own["properties"].pop(name, None)
        # The first kind is what is proved where nothing is said.
        said = {"const": kind, "description": "What is proved."}
        own["properties"] = {"of": said} | own["properties"]
        own["required"] = [] if kind == "recommendation" else ["of"]
        definitions[f"prove_{kind}"] = own
    properties = whole["properties"]
    properties["prove"] = {"anyOf": [{"$ref": f"#/$defs/prove_{kind}"} for kind in kinds()]}
    properties["stages"]["items"] = {"enum": list(STAGES)}
    # What no table says is the kind's own, so that these have no default that could be written down.
    for name in ("read", "split"):
        properties[name] = {"$ref": f"#/$defs/{type_of(name)}"}
    return whole


def type_of(table: str) -> str:
    """The name of the class that a table of a recipe is read into."""
    from wareloom.recipe.load import TABLES

    return TABLES[table].__name__


def outline() -> list[str]:
    """The tables of a recipe and their settings, a line each, for people."""
    from wareloom.recipe.load import TABLES

    lines = [f"recipe: stages {', '.join(STAGES)}"]
    for name, cls in TABLES.items():
        lines.append(f"[{name}]")
        lines += _settings(schema_of(cls)) if name != "prove" else ["  of: " + " | ".join(kinds())]
        if name == "prove":
            for kind in kinds():
                known = {f.name for f in fields(study_of(kind).settings_of)} - set(OWN_TABLES)
                lines.append(f"  of {kind}: {', '.join(sorted(known))}")
    return lines


def _settings(schema: dict[str, Any]) -> list[str]:
    return [
        f"  {name}: {told.get('description', '')}".rstrip(": ")
        for name, told in schema["properties"].items()
    ]
