"""Cross-entropy over a large vocabulary without the matrix of all logits.

With 128,256 tokens one row of float32 logits takes half a megabyte, and the usual way keeps several copies of all of
them for the backward pass. Here a few rows at a time are turned into their loss and, at once, into gradients of hidden
states and output matrix: the gradient of cross-entropy with respect to logits is softmax - one_hot, which needs nothing
from later layers. Same number of matrix products as the usual way.

N positions  D dim  V vocabulary  C positions in a chunk
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_CHUNK_BYTES = 1 << 24


def frugal_cross_entropy(
    h_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, *, ignore_index: int = -100, chunk_bytes: int | None = None
) -> Tensor:
    """Mean cross-entropy in nats of `h_ND @ weight_VD.T` over the targets that are not `ignore_index`.

    chunk_bytes: size of the logits of one chunk; by default an eighth of the output matrix, at least 16 MB, so that
    what is saved in logits is not lost in reading that matrix again for every chunk.

    h_ND and weight_VD: same floating dtype; targets_N: int64. Scalar in at least float32, differentiable once; equal to
    `plain_cross_entropy` up to the order of summation. NaN where every target is ignored, as in PyTorch. Under autocast
    all products, those of the gradients too, are in its dtype; the gradient of the matrix is summed in float32.
    """
    if chunk_bytes is None:
        chunk_bytes = max(MIN_CHUNK_BYTES, weight_VD.nbytes // 8)
    device, products = h_ND.device.type, h_ND.dtype
    if torch.is_autocast_enabled(device) and products != torch.float64:
        products = torch.get_autocast_dtype(device)
    with torch.autocast(device, enabled=False):
        loss: Tensor = _Frugal.apply(h_ND, weight_VD, targets_N, ignore_index, chunk_bytes, products)
    return loss


def plain_cross_entropy(h_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, *, ignore_index: int = -100) -> Tensor:
    """The obvious twin: all logits at once."""
    logits_NV = F.linear(h_ND, weight_VD)
    wide = torch.promote_types(logits_NV.dtype, torch.float32)
    return F.cross_entropy(logits_NV.to(wide), targets_N, ignore_index=ignore_index)


class _Frugal(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        ignore_index: int,
        chunk_bytes: int,
        products: torch.dtype,
    ) -> Tensor:
        wide = torch.promote_types(h_ND.dtype, torch.float32)
        V = weight_VD.shape[0]
        step = max(1, chunk_bytes // (V * torch.finfo(wide).bits // 8))
        real_N = targets_N != ignore_index
        n_real = real_N.sum()
        need_h, need_weight = ctx.needs_input_grad[:2]
        grad_h_ND = torch.zeros_like(h_ND) if need_h else None
        grad_weight_VD = torch.zeros_like(weight_VD, dtype=wide) if need_weight else None
        total = torch.zeros((), dtype=wide, device=h_ND.device)
        matrix_VD = weight_VD.to(products)
        for start in range(0, len(h_ND), step):
            part = slice(start, start + step)
            rows_CD, real_C = h_ND[part].to(products), real_N[part]
            targets_C1 = targets_N[part].masked_fill(~real_C, 0)[:, None]
            logits_CV = F.linear(rows_CD, matrix_VD).to(wide)
            lse_C = logits_CV.logsumexp(1)
            total += ((lse_C - logits_CV.gather(1, targets_C1)[:, 0]) * real_C).sum()
            if not (need_h or need_weight):
                continue
            logits_CV.sub_(lse_C[:, None]).exp_()  # softmax, in the same memory
            logits_CV.scatter_add_(1, targets_C1, torch.full_like(targets_C1, -1, dtype=wide))
            logits_CV.mul_((real_C.to(wide) / n_real)[:, None])
            grad_CV = logits_CV.to(products)
            if grad_h_ND is not None:
                grad_h_ND[part] = grad_CV @ matrix_VD
            if grad_weight_VD is not None:
                if grad_CV.dtype == wide:
                    grad_weight_VD.addmm_(grad_CV.T, rows_CD)
                else:
                    grad_weight_VD += grad_CV.T @ rows_CD
        ctx.grad_h, ctx.grad_weight, ctx.weight_dtype = grad_h_ND, grad_weight_VD, weight_VD.dtype
        return total / n_real

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        grad_h, grad_weight = ctx.grad_h, ctx.grad_weight
        if grad_h is not None:
            grad_h = grad_h * grad.to(grad_h.dtype)
        if grad_weight is not None:
            grad_weight = grad_weight.mul_(grad).to(ctx.weight_dtype)
        ctx.grad_h = ctx.grad_weight = None  # a second backward would scale them twice
        return grad_h, grad_weight, None, None, None, None
