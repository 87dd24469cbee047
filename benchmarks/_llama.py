"""llama.cpp as a peer: so many sequences written side by side by its own library, the likeliest word each time."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Any

import numpy as np

_SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
"""What llama.cpp tells its log to; it must outlive the call"""


def tokens_a_second(
    file: Path, prompts: list[list[int]], tokens: int, threads: int
) -> float | None:
    """Write `tokens` after each prompt (token numbers), all in one batch; None where llama.cpp is not installed."""
    try:
        import llama_cpp as cpp
    except ModuleNotFoundError:
        return None
    cpp.llama_log_set(_SILENT, ctypes.c_void_p())
    cpp.llama_backend_init()
    model = cpp.llama_model_load_from_file(str(file).encode(), cpp.llama_model_default_params())
    how = cpp.llama_context_default_params()
    read = sum(map(len, prompts))
    how.n_ctx, how.n_batch, how.n_seq_max = (
        read + len(prompts) * (tokens + 32),
        max(512, read),
        len(prompts),
    )
    how.kv_unified, how.n_threads, how.n_threads_batch = True, threads, threads
    context = cpp.llama_init_from_model(model, how)
    words = cpp.llama_vocab_n_tokens(cpp.llama_model_get_vocab(model))
    ends = {
        cpp.llama_vocab_eos(cpp.llama_model_get_vocab(model)),
        cpp.llama_vocab_eot(cpp.llama_model_get_vocab(model)),
    }
    batch = cpp.llama_batch_init(max(read, len(prompts)), 0, 1)
    start, written = time.perf_counter(), 0
    rows = [
        (row, place, word)
        for row, prompt in enumerate(prompts)
        for place, word in enumerate(prompt)
    ]
    last = [len(prompt) - 1 for prompt in prompts]
    live = list(range(len(prompts)))
    for _ in range(tokens):
        asked = _fill(batch, rows, last)
        if cpp.llama_decode(context, batch):
            raise RuntimeError("llama.cpp could not decode the batch")
        said = [(row, _likeliest(cpp, context, at, words)) for row, at in asked]
        written += len(said)
        live = [row for row, word in said if word not in ends]
        rows = [(row, last[row] + 1, word) for row, word in said if row in live]
        for row in live:
            last[row] += 1
        if not live:
            break
    rate = written / (time.perf_counter() - start)
    cpp.llama_batch_free(batch)
    cpp.llama_free(context)
    cpp.llama_model_free(model)
    return rate


def _fill(batch: Any, rows: list[tuple[int, int, int]], last: list[int]) -> list[tuple[int, int]]:
    """Put rows (sequence, place, word) into a batch; returns which of its entries are asked for what comes next."""
    asked = []
    batch.n_tokens = len(rows)
    for at, (row, place, word) in enumerate(rows):
        batch.token[at], batch.pos[at], batch.n_seq_id[at] = word, place, 1
        batch.seq_id[at][0], batch.logits[at] = row, place == last[row]
        if place == last[row]:
            asked.append((row, at))
    return asked


def _likeliest(cpp: Any, context: Any, at: int, words: int) -> int:
    return int(
        np.argmax(np.ctypeslib.as_array(cpp.llama_get_logits_ith(context, at), shape=(words,)))
    )
