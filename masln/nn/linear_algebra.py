"""What methods with a closed solution share, in float64: the row space, the relative ridge, fixed signs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fix_signs", "group_means", "relative_ridge", "ridge_factor", "row_space"]


def row_space(X: Tensor) -> tuple[Tensor, Tensor]:
    """X = Z B' with orthonormal B (p, r), r the rank, and Z'Z diagonal.

    By the p x p matrix X'X when n > p, else by the n x n X X'.

    Args:
        X: (n, p), float64.

    Returns:
        Z (n, r) and B (p, r).
    """
    n, p = X.shape
    primal = n > p
    values, vectors = torch.linalg.eigh(X.T @ X if primal else X @ X.T)
    tiny = torch.finfo(X.dtype).tiny
    keep = values > max(n, p) * torch.finfo(X.dtype).eps * max(float(values[-1]), tiny)
    keep[-1] = True
    if primal:
        return X @ vectors[:, keep], vectors[:, keep]
    root = values[keep].clamp(min=tiny).sqrt()
    return vectors[:, keep] * root, X.T @ (vectors[:, keep] / root)


def relative_ridge(X: Tensor, width: int, ridge: float) -> float:
    """``ridge`` times the mean variance tr(X'X) / n / width of a centred view X (n, r) of so many features."""
    return ridge * float(X.square().sum()) / len(X) / width


def ridge_factor(covariance: Tensor, ridge: float) -> Tensor:
    """The lower Cholesky factor of S + ridge I, S (p, p); exactly dependent features stay factorable at ridge 0."""
    scale = float(covariance.trace()) / len(covariance)
    floor = 1e-12 * (scale if scale > 0 else 1.0)
    identity = torch.eye(len(covariance), dtype=covariance.dtype)
    factor: Tensor = torch.linalg.cholesky(covariance + max(ridge, floor) * identity)
    return factor


def fix_signs(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Turn each pair of directions, columns of (p, k) and (q, k), so that the largest entry on the left is positive."""
    signs = left.gather(0, left.abs().argmax(dim=0, keepdim=True)).sign()
    signs[signs == 0] = 1.0
    return left * signs, right * signs


def group_means(X: Tensor, groups: Tensor) -> Tensor:
    """Mean (m, d) of the rows of X (n, d) in each of the groups 0..m-1 named by ``groups`` (n,); 0 of an empty one."""
    counts = torch.bincount(groups)
    sums = torch.zeros(len(counts), X.shape[1], dtype=X.dtype).index_add_(0, groups, X)
    return sums / counts.clamp(min=1)[:, None]
