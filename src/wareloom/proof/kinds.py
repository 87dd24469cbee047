"""The kinds of proof: the files of this room that define a study, and studies of others by `package.module:Class`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from wareloom.core.outside import imported
from wareloom.errors import SettingError, near
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Study

HERE = Path(__file__).parent


@cache
def kinds() -> tuple[str, ...]:
    """Names of the kinds of the house, sorted: the stems of the files that define a `Study`; none is imported."""
    return tuple(sorted(path.stem for path in HERE.glob("*.py") if _study_in(path)))


def _study_in(path: Path) -> str:
    """The name of the study that a file defines, or nothing."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else ()
        if "Study" in bases:
            return str(node.name)  # type: ignore[attr-defined]
    return ""


def study_of(of: str) -> type[Study]:
    """Return the study called `of`, or that at `package.module:Class`; raises `SettingError` with the near names."""
    module, colon, name = of.partition(":")
    if not colon:
        if of not in kinds():
            raise SettingError(
                f"No proof is of {of!r}.{near(of, kinds())} There are {', '.join(kinds())}."
            )
        module, name = f"wareloom.proof.{of}", _study_in(HERE / f"{of}.py")
    found = imported("kind of proof", f"{module}:{name}")
    if not (isinstance(found, type) and issubclass(found, Study)):
        raise SettingError(
            f"{of!r} is no kind of proof: it must be a subclass of wareloom.experiment.study.Study."
        )
    return found


def study_for(settings: ExperimentSettings) -> type[Study]:
    """Return the study whose settings these are: one of the house, or one of others that is imported."""
    for cls in (*map(study_of, kinds()), *Study.__subclasses__()):
        if cls.settings_of is type(settings):
            return cls
    raise SettingError(
        f"No kind of proof takes {type(settings).__name__}: call prove_study with its study."
    )
