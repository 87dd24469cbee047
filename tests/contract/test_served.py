"""In which form each ranker is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from wareloom.core.family import RANKERS
from wareloom.serving.forms.kinds import form_of
from wareloom.serving.versions.published import Served, write_served
from wareloom.testing.rankers import fitted

OWN = {name for name in RANKERS.names() if form_of(name) != "itself"}


def test_some_have_a_form_of_their_own() -> None:
    assert {"transitions", "item_knn", "bm25", "popularity", "stack", "text_knn", "slim"} <= OWN


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_form_is_the_one_that_list_tells_of(name: str, tmp_path: Path) -> None:
    write_served(fitted(RANKERS.load(name)), tmp_path / "served")
    served = Served.open(tmp_path / "served")
    assert served.form.kind == {"popularity": "table"}.get(form_of(name), form_of(name))
