"""The weights of a network as arrays, for keeping, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.neural import torch


def arrays(module: Any) -> dict[str, np.ndarray]:
    """The weights of a module by name, as new arrays."""
    return {
        name: value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()
    }


def loaded(module: Any, weights: dict[str, np.ndarray]) -> Any:
    """Put weights that `arrays` gave into a module, and return it ready to be asked."""
    module.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    )
    return module.eval()
