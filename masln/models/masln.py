"""MASLN: modal-adversarial semantic learning network (ICMR 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from masln.errors import ConfigError, DataError
from masln.losses import classification_loss, correlation_loss, reconstruction_loss
from masln.models.adversarial import AdversarialTower
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.nn import CanonicalEncoder, TwinDecoders, build_encoder, canonical_directions
from masln.training import Batch, Objective, PairBatches

__all__ = ["MASLN"]

_MOST_PAIRS = 20_000  # ours: from which the canonical directions are found; it bounds memory


class MASLNNetwork(AdversarialTower):
    """Two encoders, twin decoders, a modality discriminator and a shared classifier; a part with weight 0 is absent."""

    def __init__(self, method: MASLN, d_image: int, d_text: int, n_classes: int, d_class: int) -> None:
        super().__init__(adversary=method.adversary, adversarial=method.adversarial)
        self.weights = {name: getattr(method, name) for name in MASLN.LOSSES}
        self.encoders = nn.ModuleDict({"image": self._encoder(method, d_image), "text": self._encoder(method, d_text)})
        code = method.canonical_width + method.code_width
        self.decoders = self.classifier = None
        if method.reconstruction:
            if method.class_embedding and not d_class:
                raise DataError(
                    "MASLN decodes with class embeddings and the dataset has none; set class_embedding=false"
                )
            d_class = d_class if method.class_embedding else 0
            self.decoders = TwinDecoders(code, d_class, d_image, d_text, hidden=method.decoder_hidden)
        if method.classification:
            self.classifier = nn.Linear(code, n_classes)
        self.oppose(code, hidden=method.discriminator_hidden)

    @staticmethod
    def _encoder(method: MASLN, width: int) -> nn.Module:
        learned = build_encoder(
            method.encoder,
            width,
            method.code_width,
            hidden=method.hidden,
            dropout=method.dropout,
            input_dropout=method.input_dropout,
        )
        return CanonicalEncoder(learned, width, method.canonical_width) if method.canonical_width else learned

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """L_rec + a L_corr + b L_dis - g L_adv for the generator, then L_adv for the discriminator."""
        image, text = self.encoders["image"](batch.image), self.encoders["text"](batch.text)
        weights, losses = self.weights, {}
        if weights["correlation"]:
            losses["correlation"] = correlation_loss(image, text)
        if self.decoders is not None:
            losses["reconstruction"] = self._reconstruction(batch, torch.stack([image, text]))
        if self.classifier is not None:
            losses["classification"] = classification_loss(self.classifier(image), self.classifier(text), batch.labels)
        total = sum((weights[name] * loss for name, loss in losses.items()), image.new_zeros(()))
        yield from self.compete(total, losses, image, text, progress)

    def _reconstruction(self, batch: Batch, codes: Tensor) -> Tensor:
        assert self.decoders is not None
        vectors = None
        if self.decoders.d_class:
            assert batch.class_embeddings is not None
            vectors = batch.class_embeddings.expand(2, -1, -1)
        image, text = self.decoders(codes, vectors)
        return reconstruction_loss(image, batch.image) + reconstruction_loss(text, batch.text)


@dataclass(kw_only=True, eq=False, repr=False)
class MASLN(DeclaredMethod):
    """Modal-adversarial semantic learning network for extendable cross-modal retrieval.

    For pairs (v, t) of a class with embedding c, encoders f_v, f_t map into one code layer. With
    z^I = [f_v(v), c], z^T = [f_t(t), c] and decoders D_v, D_t shared by both codes,

        L_rec  = ||v - D_v(z^I)||^2 + ||t - D_t(z^I)||^2 + ||v - D_v(z^T)||^2 + ||t - D_t(z^T)||^2
        L_corr = ||f_v(v) - f_t(t)||^2
        L_dis  = cross-entropy of a softmax classifier shared by both codes
        L_adv  = binary cross-entropy of a modality discriminator

    encoders, decoders and classifier minimise ``reconstruction`` L_rec + ``correlation`` L_corr +
    ``classification`` L_dis - ``adversarial`` L_adv while the discriminator minimises L_adv. The encoders alone
    are used for retrieval, so a class needs no embedding to be retrieved.

    The paper gives no layer sizes, weights or schedule: every default here is ours, chosen on validation classes of
    five feature sets together by ``benchmarks/masln_defaults.py`` (its figures are in ``benchmarks/results``; the
    hidden width lies between 128 and 512, which tie there).

    Args:
        code_width: Width of the learned part of the code layer.
        canonical_width: Width of its fixed part, the ridge CCA directions of the training pairs (ours, see
            ``masln.nn.CanonicalEncoder``); codes are ``canonical_width + code_width`` wide. 0 leaves it out, which
            is the paper's code layer.
        canonical_ridge: Ridge of that CCA, as in ``masln.models.CCA``.
        canonical_scale: Norm of that part, about; the learned part's is near 1 with inputs on the unit sphere.
        encoder: ``linear``, ``mlp`` or ``residual``.
        hidden: Widths of the encoders' hidden layers.
        decoder_hidden: Widths of the decoders' hidden layers.
        discriminator_hidden: Widths of the discriminator's hidden layers.
        input_dropout: Dropout on the scaled features.
        dropout: Dropout after hidden layers of the encoders.
        class_embedding: Decode from [code, c]; False decodes from the code alone.
        reconstruction: Weight of L_rec; 0 switches the loss off, and likewise below.
        correlation: Weight a of L_corr.
        classification: Weight b of L_dis.
        adversarial: Weight g of L_adv.
        adversary: ``alternating`` updates, or gradient ``reversal``.

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Xu, X., Song, J., Lu, H., Yang, Y., Shen, F., Huang, Z.: Modal-adversarial semantic learning network for
        extendable cross-modal retrieval. ICMR 2018, pages 46-54.
    """

    summary: ClassVar[str] = "modal-adversarial semantic learning network, class-embedding-guided decoders"
    reference: ClassVar[str] = "Xu et al., ICMR 2018"
    # Standardised input is worse on four of the five sets (.28 for .31 on emoji, .39 for .49 on fashion), and a run's
    # two or three validation classes pick it by chance; so it is not offered to them.
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"input_scaling": ("center-l2", "l2")}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "reconstruction": (1.0, 0.3, 3.0),
        "correlation": (0.3, 0.1, 1.0),
        "classification": (1.0, 0.3, 3.0),
        "adversarial": (1.0, 0.1, 10.0),
        "input_dropout": (0.3, 0.0, 0.5),
    }
    LOSSES: ClassVar[tuple[str, ...]] = ("reconstruction", "correlation", "classification", "adversarial")

    code_width: int = 128
    canonical_width: int = 128
    canonical_ridge: float = 100.0
    canonical_scale: float = 0.3
    encoder: str = "residual"
    hidden: Sequence[int] = (256,)
    decoder_hidden: Sequence[int] = (512,)
    discriminator_hidden: Sequence[int] = (64,)
    input_dropout: float = 0.3
    dropout: float = 0.0
    class_embedding: bool = True
    reconstruction: float = 1.0
    correlation: float = 0.3
    classification: float = 1.0
    adversarial: float = 1.0
    adversary: str = "alternating"

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_not_negative(*self.LOSSES, "canonical_width", "canonical_ridge", "canonical_scale")
        if not any(getattr(self, name) for name in ("reconstruction", "correlation", "classification")):
            raise ConfigError("reconstruction, correlation and classification are all 0: nothing to learn from")
        self._require_widths("decoder_hidden", "discriminator_hidden")
        return MASLNNetwork(self, d_image, d_text, n_classes, d_class)

    def _initialise(self, data: PairBatches) -> None:
        """Find the canonical directions of the scaled training pairs."""
        if not self.canonical_width:
            return
        rows = torch.linspace(0, len(data) - 1, min(len(data), _MOST_PAIRS), dtype=torch.float64).round().long()
        batch = data.batch(rows)
        views = {"image": batch.image.cpu().double(), "text": batch.text.cpu().double()}
        centred = (X - X.mean(dim=0) for X in views.values())
        found, _ = canonical_directions(*centred, ridge=self.canonical_ridge, n_components=self.canonical_width)
        for (name, X), directions in zip(views.items(), found, strict=True):
            encoder = self.network_.encoders[name]
            assert isinstance(encoder, CanonicalEncoder)
            encoder.set_directions(X, directions, self.canonical_scale)
