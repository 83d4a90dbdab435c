"""The Llama 3 transformer (Llama Team 2024, section 3.2): pre-norm blocks of grouped-query attention and SwiGLU.

B batch  T tokens  N wanted positions  D dim  V vocabulary  P rotated pairs  L cached positions
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from herdbook.model.args import ModelArgs
from herdbook.model.attention import Attention
from herdbook.model.feed_forward import FeedForward
from herdbook.model.kv_cache import KVCache
from herdbook.model.norm import RMSNorm
from herdbook.model.rope import rotation_table


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then + feed_forward(norm(x))."""

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.attention = Attention(args)
        self.feed_forward = FeedForward(args)
        self.attention_norm = RMSNorm(args.dim, args.norm_eps)
        self.ffn_norm = RMSNorm(args.dim, args.norm_eps)

    def forward(
        self,
        x_BTD: Tensor,
        rotations_BTP: Tensor,
        mask: Tensor | None,
        cached: tuple[KVCache, int, Tensor, Tensor | None, int] | None = None,
        wanted_BT: Tensor | None = None,
    ) -> Tensor:
        """x: (B, T, D) to (B, T, D), or to (N, D) at the wanted positions; see `Attention.forward` for the rest."""
        attended = self.attention(self.attention_norm(x_BTD), rotations_BTP, mask, cached, wanted_BT)
        x = (x_BTD if wanted_BT is None else x_BTD[wanted_BT]) + attended
        return x + self.feed_forward(self.ffn_norm(x))


def document_mask(document_BT: Tensor) -> Tensor:
    """True where a token may look: itself and earlier tokens of the same document; bool (B, 1, T, T)."""
    same_BTT = document_BT[:, :, None] == document_BT[:, None, :]
    return torch.tril(same_BTT)[:, None]


def positions_in_documents(document_BT: Tensor) -> Tensor:
    """Position of every token counted from the first token of its document in the row; int64 (B, T)."""
    T = document_BT.shape[1]
    index_T = torch.arange(T, device=document_BT.device)
    starts = torch.ones_like(document_BT, dtype=torch.bool)
    starts[:, 1:] = document_BT[:, 1:] != document_BT[:, :-1]
    first_BT = torch.where(starts, index_T, torch.zeros_like(index_T)).cummax(dim=1).values
    return index_T - first_BT


class Transformer(nn.Module):
    """A whole Llama 3. Parameter names are Meta's, so published weights load without a renaming table."""

    def __init__(self, args: ModelArgs) -> None:
        super().__init__()
        self.args = args
        self.tok_embeddings = nn.Embedding(args.vocab_size, args.dim)
        self.layers = nn.ModuleList(TransformerBlock(args) for _ in range(args.n_layers))
        self.norm = RMSNorm(args.dim, args.norm_eps)
        self.output = nn.Linear(args.dim, args.vocab_size, bias=False)
        if args.tied_embeddings:
            self.output.weight = self.tok_embeddings.weight
        self._rotations: Tensor | None = None  # grown when first needed; no buffer, so no checkpoint carries it

    def rotations(self, length: int, like: Tensor) -> Tensor:
        """The first `length` rows of the rotation table, (length, P) complex, on the device of `like`."""
        table, args = self._rotations, self.args
        wide = torch.promote_types(like.dtype, torch.float32)
        kind = torch.complex128 if wide == torch.float64 else torch.complex64
        if table is None or len(table) < length or table.device != like.device or table.dtype != kind:
            grown = 4096 if table is None else max(4096, 2 * len(table))  # else decoding would make it anew each token
            rows = max(length, min(args.max_seq_len, grown))
            table = rotation_table(args.head_dim, rows, args.rope_theta, args.rope_scaling, wide).to(like.device)
            self._rotations = table
        return table[:length]

    def hidden(
        self,
        tokens_BT: Tensor,
        *,
        positions_BT: Tensor | None = None,
        document_BT: Tensor | None = None,
        cache: KVCache | None = None,
        slots_B: Tensor | None = None,
        wanted_BT: Tensor | None = None,
    ) -> Tensor:
        """Hidden states after the final norm, (B, T, D), or (N, D) in the order of rows where `wanted_BT` is true.

        tokens_BT: int64. positions_BT: int64; counted within documents where absent. document_BT: document of each
        token; attention stays inside a document (claim 4). With a cache, positions_BT is required, negative positions
        are padding, and a token sees every cached position of its row up to its own. wanted_BT: bool; the last layer
        leaves out what no one reads of the other positions, their feed-forward. Not with a cache.
        """
        x_BTD = self.tok_embeddings(tokens_BT)
        if cache is not None:
            if positions_BT is None or wanted_BT is not None:
                raise ValueError("a cache needs positions_BT and returns every position")
            length = int(positions_BT.max()) + 1
            table = self.rotations(length, x_BTD)
            seen_L = torch.arange(length, device=tokens_BT.device)
            mask = (seen_L <= positions_BT.clamp(min=0)[..., None])[:, None]
            rotations_BTP = table[positions_BT.clamp(min=0)]
            for index, layer in enumerate(self.layers):
                x_BTD = layer(x_BTD, rotations_BTP, mask, (cache, index, positions_BT, slots_B, length))
            return self.norm(x_BTD)
        T = tokens_BT.shape[1]
        inside = None if document_BT is None else document_mask(document_BT)
        if positions_BT is None and document_BT is not None:
            positions_BT = positions_in_documents(document_BT)
        if positions_BT is None:
            rotations_BTP = self.rotations(T, x_BTD)[None]
        else:
            rows = int(positions_BT.max()) + 1
            rotations_BTP = self.rotations(max(rows, 1), x_BTD)[positions_BT.clamp(min=0)]
        x, last = x_BTD, len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            x = layer(x, rotations_BTP, inside, wanted_BT=wanted_BT if index == last else None)
        return self.norm(x)

    def logits(self, h: Tensor) -> Tensor:
        """Logits of hidden states, (..., V), in at least float32."""
        out = F.linear(h, self.output.weight)
        return out.to(torch.promote_types(out.dtype, torch.float32))

    def forward(
        self, tokens_BT: Tensor, *, positions_BT: Tensor | None = None, document_BT: Tensor | None = None
    ) -> Tensor:
        """Logits of the next token at every position, (B, T, V)."""
        return self.logits(self.hidden(tokens_BT, positions_BT=positions_BT, document_BT=document_BT))


def init_weights(model: Transformer, generator: torch.Generator, std: float = 0.02) -> None:
    """Normal(0, std) everywhere; matrices that write to the residual stream are divided by sqrt(2 * n_layers).

    Meta did not publish the initialisation of Llama 3; this is GPT-2's (Radford et al. 2019), widely used for
    Llama shapes.
    """
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            torch.nn.init.ones_(parameter)
            continue
        residual = name.endswith(("attention.wo.weight", "feed_forward.w2.weight"))
        scale = std / math.sqrt(2 * model.args.n_layers) if residual else std
        torch.nn.init.normal_(parameter, std=scale, generator=generator)


def num_params(model: nn.Module) -> int:
    """Number of parameters; a shared matrix counts once."""
    return sum(parameter.numel() for parameter in model.parameters())
