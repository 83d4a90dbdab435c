"""llama.cpp (xllamacpp) as a function: greedy text after given ids, float32 key/value cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def greedy(path: Path, n_ctx: int = 1024) -> Iterator[Callable[[list[int], int], str]]:
    """`with greedy(file) as answer: answer(ids, n)` is the text of the next n tokens (fewer where the model ends)."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = n_ctx
    params.n_parallel = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.warmup = False
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server: Any = xllamacpp.Server(params)

    def answer(ids: list[int], n: int) -> str:
        request = {"prompt": ids, "n_predict": n, "max_tokens": n, "temperature": 0, "cache_prompt": True, "seed": 1}
        reply = server.handle_completions(request)
        if "choices" not in reply:
            raise RuntimeError(str(reply))
        return str(reply["choices"][0]["text"])

    yield answer
