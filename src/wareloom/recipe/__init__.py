"""A whole job from a TOML file: read, clean, split, prove, make; resumable after a kill at any point."""

from wareloom.recipe.load import Recipe
from wareloom.recipe.run import Done, run_recipe
from wareloom.recipe.steps import DEFAULT_STAGES, STAGES

__all__ = ["DEFAULT_STAGES", "STAGES", "Done", "Recipe", "run_recipe"]
