"""Ridge canonical correlation analysis of two views: the solver, and its directions as a fixed part of a code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, eigsh
from torch import Tensor, nn

from masln.nn.linear_algebra import fix_signs, group_means, relative_ridge, ridge_factor, row_space
from masln.nn.remembering import remembered

__all__ = ["CanonicalEncoder", "canonical_coefficients", "canonical_directions"]

_FEW = 1000  # ours: up to this size all eigenvectors are found, beyond it only those wanted, by Lanczos iterations
# ours: from this many pairs with still more features on, the eigenvectors of the n x n products take most of the time
# (2.1 of 3.8 s at n = 2,173), and a ridge of this size makes them needless.
_MANY, _LEAST_RIDGE = 1500, 1e-6


class CanonicalEncoder(nn.Module):
    """f(x) = [a C (x - m), g(x)]: canonical directions of the training pairs beside a learned code (ours).

    What is learned from seen classes alone follows them: directions that do not tell them apart fade, and with them
    what unseen classes would need. The canonical directions are fixed and keep every direction the two modalities
    share. Each has variance 1 / width on the training pairs before the factor a, so their norm is about a. Where the
    data have fewer directions than ``width`` they repeat, so the block weighs the same in a code of a given width.

    Args:
        learned: The encoder g, (..., d_in) to (..., d_code).
        d_in: Width of the (scaled) features.
        width: Width of the canonical block.
    """

    weights: Tensor
    mean: Tensor

    def __init__(self, learned: nn.Module, d_in: int, width: int) -> None:
        super().__init__()
        self.learned = learned
        self.register_buffer("weights", torch.zeros(d_in, width))
        self.register_buffer("mean", torch.zeros(d_in))

    @torch.no_grad()
    def set_directions(self, X: Tensor, directions: Tensor, scale: float) -> None:
        """Take the directions (d_in, k) found on features X (n, d_in), both float64."""
        width = self.weights.shape[1]
        mean = X.mean(dim=0)
        deviation = ((X - mean) @ directions).std(dim=0, correction=0)
        # A direction without variance (fewer pairs or features than directions) says nothing: it becomes zero.
        factors = torch.where(deviation > 1e-9 * deviation.max().clamp(min=1e-300), 1 / deviation.clamp(min=1e-300), 0)
        repeated = (directions * factors)[:, torch.arange(width) % directions.shape[1]]
        self.weights.copy_(repeated * scale / width**0.5)
        self.mean.copy_(mean)

    def forward(self, x: Tensor) -> Tensor:
        """Encode (..., d_in) to (..., width + d_code)."""
        return torch.cat([(x - self.mean) @ self.weights, self.learned(x)], dim=-1)


def canonical_directions(
    X: Tensor, Y: Tensor, *, ridge: float | tuple[float, float], n_components: int, groups: Tensor | None = None
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Solve ridge CCA of two centred views.

    Args:
        X: (n, p), centred, float64.
        Y: (n, q), centred, float64.
        ridge: Relative to the mean variance of each view's features; one, or one for each view.
        n_components: Directions wanted; as many as the ranks allow are given.
        groups: (n,) integers from 0; each row of X is then matched with the mean of the rows of Y in its group.
            Row i with row i by default.

    Returns:
        The weights (p, k) and (q, k), and the k regularised canonical correlations, largest first.
    """
    ridge_x, ridge_y = ridge if isinstance(ridge, tuple) else (ridge, ridge)
    widest = max(X.shape[1], Y.shape[1])
    if groups is None and _MANY < len(X) <= widest and min(ridge_x, ridge_y) >= _LEAST_RIDGE:
        if X.shape[1] == widest:
            return _by_products(X, Y, (ridge_x, ridge_y), n_components)
        (right, left), correlations = _by_products(Y, X, (ridge_y, ridge_x), n_components)
        return fix_signs(left, right), correlations
    moments = _moments(X, Y, groups)
    left_factor, right_factor = (
        ridge_factor(covariance, own * variance)
        for covariance, variance, own in zip(moments.covariances, moments.variances, (ridge_x, ridge_y), strict=True)
    )
    cross = torch.linalg.solve_triangular(left_factor, moments.cross, upper=False)
    cross = torch.linalg.solve_triangular(right_factor, cross.T, upper=False).T
    U, correlations, Vt = torch.linalg.svd(cross, full_matrices=False)
    k = min(n_components, len(correlations))
    left, right = (
        basis @ torch.linalg.solve_triangular(factor.T, own, upper=True)
        for basis, factor, own in zip(moments.bases, (left_factor, right_factor), (U[:, :k], Vt[:k].T), strict=True)
    )
    return fix_signs(left, right), correlations[:k]


class _Moments(NamedTuple):
    """What ridge CCA needs of two centred views, whatever the ridge: in coordinates of the space of their rows.

    Attributes:
        bases: (p, r) and (q, s), orthonormal.
        variances: Mean over the features of each view.
        covariances: (r, r) and (s, s).
        cross: (r, s).
    """

    bases: tuple[Tensor, Tensor]
    variances: tuple[float, float]
    covariances: tuple[Tensor, Tensor]
    cross: Tensor


@remembered(last=1)
def _moments(X: Tensor, Y: Tensor, groups: Tensor | None) -> _Moments:
    (X, basis_x), (Y, basis_y) = row_space(X), row_space(Y)
    matched = Y if groups is None else group_means(Y, groups)[groups]
    return _Moments(
        (basis_x, basis_y),
        (relative_ridge(X, len(basis_x), 1.0), relative_ridge(Y, len(basis_y), 1.0)),
        (X.T @ X / len(X), Y.T @ Y / len(Y)),
        X.T @ matched / len(X),
    )


def _by_products(
    X: Tensor, Y: Tensor, ridges: tuple[float, float], n_components: int
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The directions through XX', for an X with more features than pairs and many of both."""
    products, Z, basis = _products(X, Y)
    absolute = (relative_ridge(X, X.shape[1], ridges[0]), relative_ridge(Y, Y.shape[1], ridges[1]))
    (coefficients, weights), correlations = canonical_coefficients(
        products, Z, ridges=absolute, n_components=n_components
    )
    return fix_signs(X.T @ coefficients, basis @ weights), correlations


@remembered(last=1)
def _products(X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """XX', and the row space of Y."""
    return torch.from_numpy(X.numpy() @ X.numpy().T), *row_space(Y)  # numpy sees the symmetry: half the work


def canonical_coefficients(
    K: Tensor, Z: Tensor, *, ridges: tuple[float, float], n_components: int
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Solve ridge CCA of a view known by its products and a view known by its coordinates.

    With the features X of the first view, K = XX', and w_x = X'a, the regularised correlations are the roots of

        (Z'Z / n + r_z I)^-1 Z'K (K + n r_x I)^-1 Z / n  w_z = rho^2 w_z,    a = (K + n r_x I)^-1 Z w_z / rho:

    one Cholesky factor of size n in place of the eigenvectors of K.

    Args:
        K: (n, n), the products of centred features, float64.
        Z: (n, s), centred coordinates, float64.
        ridges: r_x, r_z, absolute; the first above 0.
        n_components: Directions wanted; those that correlate above rounding are given, one at least.

    Returns:
        The coefficients a (n, k) and weights w_z (s, k), and the k regularised canonical correlations, largest first.
    """
    n = len(K)
    solved = torch.cholesky_solve(Z, ridge_factor(K, n * ridges[0]))
    covariance = (K @ solved).T @ Z / n
    factor = ridge_factor(Z.T @ Z / n, ridges[1])
    reduced = torch.linalg.solve_triangular(factor, covariance + covariance.T, upper=False) / 2
    reduced = torch.linalg.solve_triangular(factor, reduced.T, upper=False)
    squares, vectors = _leading(reduced, n_components)
    # The squares are right to rounding of the largest, so correlations below 1e-6 of it are not told from 0.
    k = max(1, int((squares > 1e-12 * squares[0]).sum()))
    right = torch.linalg.solve_triangular(factor.T, vectors[:, :k], upper=True)
    correlations = squares[:k].clamp(min=0).sqrt()
    return fix_signs(solved @ right / torch.where(correlations > 1e-12, correlations, 1.0), right), correlations


def _leading(symmetric: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues, in falling order, and their vectors."""
    found = _by_lanczos(symmetric, count) if len(symmetric) > max(_FEW, 4 * count) else None
    values, vectors = found or torch.linalg.eigh(symmetric)
    return values.flip(0)[:count], vectors.flip(1)[:, :count]


def _by_lanczos(symmetric: Tensor, count: int) -> tuple[Tensor, Tensor] | None:
    """The largest eigenvalues, in rising order, and their vectors; None where too many are alike to be told apart.

    So it is where both views have more features than pairs and hardly a ridge: they correlate perfectly in all
    directions, and the iterations would go on for minutes.
    """
    start = np.random.default_rng(0).normal(size=len(symmetric))
    restarts = max(10, len(symmetric) // (4 * count))  # ours: then all eigenvectors would have been found as soon
    try:
        found = eigsh(symmetric.numpy(), k=count, which="LA", v0=start, maxiter=restarts)
    except ArpackNoConvergence:
        return None
    values, vectors = (torch.from_numpy(each) for each in found)
    order = values.argsort()
    return values[order], vectors[:, order]
