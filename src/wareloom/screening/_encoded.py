"""What an encoder sees in pictures, and judges of classes on top of it."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from wareloom.core.run import Run
from wareloom.errors import needed
from wareloom.shop import Shop


def encoded(shop: Shop, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Places of the pictures that can be read, and EfficientNet-Lite0's vectors: float32 [pictures, size], as they are.

    Raises `MissingExtraError` where the extra `pictures` is not installed.
    """
    needed("torch", "pictures", "Looking at pictures")
    from wareloom.neural.vision import picture_vectors

    return picture_vectors(shop, run)


def fitted_classes(
    vectors: np.ndarray, code: np.ndarray, classes: int, decay: float, run: Run
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a multinomial logistic regression with balanced classes: weights [size, classes] and biases [classes].

    `vectors`: float32 [n, size]; `code`: int64 [n]. `decay`: weight of the squared weights beside the mean loss.
    """
    size = vectors.shape[1]
    if not len(code):
        return np.zeros((size, classes)), np.zeros(classes)
    counts = np.bincount(code, minlength=classes)
    weight = (1 / counts[code]) / (1 / counts[code]).sum()
    hot = np.eye(classes)[code]
    x = vectors.astype(np.float64)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w, b = flat[: size * classes].reshape(size, classes), flat[size * classes :]
        logits = x @ w + b
        total = special.logsumexp(logits, axis=1)
        away = (np.exp(logits - total[:, None]) - hot) * weight[:, None]
        value = float((weight * (total - logits[np.arange(len(code)), code])).sum())
        return value + 0.5 * decay * float((w**2).sum()), np.concatenate(
            [(x.T @ away + decay * w).ravel(), away.sum(axis=0)]
        )

    with run.limits():
        found = optimize.minimize(
            loss,
            np.zeros((size + 1) * classes),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 60},
        ).x
    return found[: size * classes].reshape(size, classes), found[size * classes :]


def classified(vectors: np.ndarray, weights: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """Chances of the classes: float64 [n, classes]."""
    return np.asarray(special.softmax(vectors.astype(np.float64) @ weights + biases, axis=1))
