"""SAE, the semantic autoencoder: a linear code that is the class embedding and rebuilds the features."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from masln.data import PairedDataset
from masln.models.class_encoder import ClassEncoder
from masln.models.linear import LinearMethod
from masln.nn import remembered, row_space

__all__ = ["SAE"]


class SAE(ClassEncoder, LinearMethod):
    """The semantic autoencoder, once for each modality; codes lie in class-embedding space.

    For the features X (n, p) of a modality and S (n, a), in each row the embedding of that item's class, the encoder
    W (a, p), tied to the decoder W', solves

        minimise  ||X - S W||^2 + encoding ||X W' - S||^2,
        (S'S) W + W (encoding X'X) = (1 + encoding) S'X,

    a Sylvester equation. With the eigenvectors U, B and eigenvalues a_i, b_j of S'S and X'X it is solved entry by
    entry, in the row spaces of S and X, and with least norm where it leaves W open:

        (U'WB)_ij = (1 + encoding) (U'S'XB)_ij / (a_i + encoding b_j).

    The code of an item x is Wx, that of a class its embedding as it stands in S, so that items are ranked by their
    distance to the prototype of a class, the first of the paper's two ways to classify. As in the paper nothing is
    centred beyond what the input scaling does.

    Args:
        encoding: The weight lambda of the encoder's loss. X and S are first divided by their root mean square norms
            (ours; the paper's lambda differs by dataset, up to 5e5 on features and attributes of other units).
        input_scaling: As for ``masln.nn.InputScaling``.

    References:
        Kodirov, E., Xiang, T., Gong, S.: Semantic autoencoder for zero-shot learning. CVPR 2017, there for images
        alone.
    """

    summary: ClassVar[str] = "semantic autoencoder, both modalities to class embeddings"
    reference: ClassVar[str] = "Kodirov et al., CVPR 2017"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "input_scaling": ("center-l2", "l2", "standardize", "center-l2/standardize"),
        "encoding": (1.0, 0.01, 0.1, 10.0, 100.0),
    }
    LEAST: ClassVar[dict[str, float]] = {"encoding": 0}
    CENTRED: ClassVar[bool] = False
    LEARNED: ClassVar[tuple[str, ...]] = ("class_norm",)
    CLASS_EMBEDDINGS: ClassVar[bool] = True

    class_norm_: Tensor  # (1,), what the class embeddings were divided by

    def __init__(
        self,
        *,
        encoding: float = 1.0,  # ours
        input_scaling: str = "center-l2",  # ours
    ) -> None:
        self.encoding = encoding
        self.input_scaling = input_scaling

    def _directions(self, image: Tensor, text: Tensor, train: PairedDataset) -> tuple[Tensor, Tensor]:
        vectors = torch.as_tensor(train.class_embeddings, dtype=torch.float64)
        unit, norm = _unit(vectors[torch.from_numpy(train.labels)])
        self.class_norm_ = torch.tensor([norm], dtype=torch.float64)
        S, U = row_space(unit)
        return self._encoder(image, S, U), self._encoder(text, S, U)

    @property
    def d_class_(self) -> int:
        """See ``ClassEncoder``."""
        return int(self.weights_["image"].shape[1])

    def _encode_class(self, class_embeddings: NDArray[np.float64]) -> NDArray[Any]:
        return class_embeddings / float(self.class_norm_)

    def _encoder(self, X: Tensor, S: Tensor, U: Tensor) -> Tensor:
        X, norm = _unit(X)
        B, squares, products = _coordinates(X, S)
        divisor = S.square().sum(dim=0)[:, None] + self.encoding * squares
        inner = (1 + self.encoding) * products / divisor.clamp(min=torch.finfo(X.dtype).tiny)
        return B @ inner.T @ U.T / norm


@remembered(last=2)  # one a modality
def _coordinates(X: Tensor, S: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of X = ZB' (n, d): B (d, r), the squared norms (r,) of the columns of Z, and S'Z (k, r)."""
    Z, B = row_space(X)
    return B, Z.square().sum(dim=0), S.T @ Z


def _unit(X: Tensor) -> tuple[Tensor, float]:
    """X (n, d) over its root mean square norm, and that norm."""
    norm = float(X.square().sum() / len(X)) ** 0.5 or 1.0
    return X / norm, norm
