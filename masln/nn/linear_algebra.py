"""What methods with a closed solution share, in float64: the row space, the relative ridge, fixed signs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["fix_signs", "gram_space", "group_means", "relative_ridge", "ridge_factor", "row_space"]


def row_space(X: Tensor) -> tuple[Tensor, Tensor]:
    """X = Z B' with orthonormal B (p, r), r the rank, and Z'Z diagonal.

    By the p x p matrix X'X when n > p, else by the n x n X X'.

    Args:
        X: (n, p), float64.

    Returns:
        Z (n, r) and B (p, r).
    """
    n, p = X.shape
    if n > p:
        _, vectors = _range(X.T @ X, n)
        return X @ vectors, vectors
    Z, coefficients = gram_space(X @ X.T, p)
    return Z, X.T @ coefficients


def gram_space(K: Tensor, width: int = 0) -> tuple[Tensor, Tensor]:
    """K = ZZ' and Z = K A for a positive semidefinite K (n, n), Z'Z diagonal: coordinates that have these products.

    Args:
        K: (n, n), float64.
        width: Of the features whose products K holds, where they are known; it adds to the rounding expected.

    Returns:
        Z (n, r) and A (n, r), r the rank.
    """
    values, vectors = _range(K, width)
    root = values.clamp(min=0).sqrt()
    return vectors * root, vectors / torch.where(root > 0, root, 1.0)  # K may be 0


def _range(symmetric: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Eigenvalues above rounding, and their vectors; the largest in any case."""
    values, vectors = torch.linalg.eigh(symmetric)
    limits = torch.finfo(symmetric.dtype)
    keep = values > max(len(symmetric), width) * limits.eps * max(float(values[-1]), limits.tiny)
    keep[-1] = True
    return values[keep], vectors[:, keep]


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
