"""MDVAE: autoencoders that part what modalities share from what is each one's own, and one that fuses both (2022)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from masln.errors import ConfigError
from masln.losses import gaussian_divergence_loss, reconstruction_loss
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.nn import DiagonalGaussian, GaussianEncoder, feed_forward
from masln.training import Batch, Objective

__all__ = ["MDVAE", "MDVAENetwork"]

_OTHER = {"image": "text", "text": "image"}


class MDVAENetwork(TwoTower):
    """Two encoders and a decoder a modality, and what makes a prior of both modalities' features together."""

    smallest_batch = 2  # one pair has no variance to normalise by

    def __init__(self, method: MDVAE, d_image: int, d_text: int, n_classes: int) -> None:
        super().__init__()
        self.weights = {name: getattr(method, name) for name in MDVAE.LOSSES}
        self.annealing = method.annealing
        layers = partial(feed_forward, norm_momentum=method.norm_momentum)
        leaky = partial(layers, activation=partial(nn.LeakyReLU, 0.2))
        widths = {"image": d_image, "text": d_text}
        code, own, both = method.code_width, method.specific_width, d_image + d_text
        self.encoders = nn.ModuleDict(
            {name: GaussianEncoder(leaky(width, method.hidden, 2 * code)) for name, width in widths.items()}
        )
        self.specific = nn.ModuleDict(
            {name: GaussianEncoder(leaky(width, method.hidden, 2 * own)) for name, width in widths.items()}
        )
        self.decoders = nn.ModuleDict(
            {name: layers(code + own, method.decoder_hidden, width) for name, width in widths.items()}
        )
        self.fusion = leaky(both, method.fusion_hidden, method.fusion_width)
        self.prior = leaky(method.fusion_width, method.prior_hidden, 2 * code)
        self.classifier = nn.Linear(method.fusion_width, n_classes) if method.classification else None
        self.fused_decoder = leaky(code, method.prior_hidden, both) if method.fused_reconstruction else None

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """All losses by their weights; L_kl, L_align and L_cross as far as theirs have risen."""
        features = {"image": batch.image, "text": batch.text}
        shared = {name: self.encoders[name].posterior(x) for name, x in features.items()}  # type: ignore[operator]
        specific = {name: self.specific[name].posterior(x) for name, x in features.items()}  # type: ignore[operator]
        r, s = ({name: q.sample() for name, q in part.items()} for part in (shared, specific))
        both = torch.cat([batch.image, batch.text], dim=-1)
        fused = self.fusion(both)
        prior = DiagonalGaussian.of(self.prior(fused))
        weights, losses = self.weights, {"reconstruction": self._errors(r, s, features)}
        if weights["cross_reconstruction"]:
            losses["cross_reconstruction"] = self._errors(r, {name: s[_OTHER[name]] for name in s}, features)
        if weights["divergence"]:
            losses["divergence"] = torch.stack([gaussian_divergence_loss(q) for q in specific.values()]).sum()
        if weights["alignment"]:
            losses["alignment"] = torch.stack([gaussian_divergence_loss(q, prior) for q in shared.values()]).sum()
        if self.fused_decoder is not None:
            losses["fused_reconstruction"] = reconstruction_loss(self.fused_decoder(prior.mean)[None], both)
        if self.classifier is not None:
            losses["classification"] = functional.cross_entropy(self.classifier(fused).float(), batch.labels)
        risen = 1.0 - math.exp(-self.annealing * progress)
        total = batch.image.new_zeros(())
        for name, loss in losses.items():
            rising = name in ("cross_reconstruction", "divergence", "alignment")
            total = total + weights[name] * (risen if rising else 1.0) * loss
        yield Objective("network", total, losses)

    def _errors(self, shared: dict[str, Tensor], specific: dict[str, Tensor], features: dict[str, Tensor]) -> Tensor:
        errors = [
            reconstruction_loss(self.decoders[name](torch.cat([shared[name], specific[name]], dim=-1))[None], x)
            for name, x in features.items()
        ]
        return torch.stack(errors).sum()


@dataclass(kw_only=True, eq=False, repr=False)
class MDVAE(DeclaredMethod):
    """Multimodal disentanglement variational autoencoders, with counter-intuitive cross-reconstruction.

    For the image v and the text t of a pair, each modality m (the other one m') has an encoder r_m to what modalities
    share and an encoder q_m to what is its own, both to Gaussians, and a decoder D_m of [shared, own]. Features of both
    are fused to h = F([v, t]), from which comes the prior p = N(P(h)) of what is shared. With samples r_m and q_m,

        L_rec   = sum_m ||m - D_m([r_m, q_m])||^2
        L_cross = sum_m ||m - D_m([r_m, q_m'])||^2        the counter-intuitive one
        L_kl    = sum_m KL(q_m || N(0, I))
        L_align = sum_m KL(r_m || p)
        L_fuse  = ||[v, t] - D_f(mean of p)||^2
        L_dis   = cross-entropy of a classifier of h

    averaged over the pairs. Cross-reconstruction that swaps what is shared leaves the target with the decoder's own
    part; here the other modality's own part is handed in and the target must come out nevertheless, so that r_m has to
    say what m is. At a share a of training, minimised is

        ``reconstruction`` L_rec + ``fused_reconstruction`` L_fuse + ``classification`` L_dis
        + (1 - exp(-``annealing`` a)) (``divergence`` L_kl + ``alignment`` L_align + ``cross_reconstruction`` L_cross).

    The code of an item is the mean of r_m; no class embedding is used.

    From the abstract and the authors' published code (sigir22anonymous/MDVAE, which lacks parts and does not run): the
    networks' layers and sizes, batch normalisation, the terms and their annealing. Ours, where that code is silent or
    in contradiction: L_align, whose terms it computes but whose sum it does not define, as the sum over modalities;
    L_fuse in the objective, where it is computed and left out; the decoder of L_cross, which there is the other
    modality's and so needs features of equal width; errors summed over dimensions, which are averaged there; annealing
    by the share of training, there by steps.

    Args:
        code_width: Width of what is shared, the code.
        specific_width: Width of what is each modality's own.
        hidden: Widths of the hidden layers of each encoder.
        decoder_hidden: Widths of the hidden layers of each modality's decoder.
        fusion_hidden: The same of the fusion F.
        fusion_width: Width of h.
        prior_hidden: Widths of the hidden layers of P and of D_f.
        norm_momentum: Share of a new batch in the running statistics of batch normalisation.
        reconstruction: Weight of L_rec.
        cross_reconstruction: Weight of L_cross; 0 switches the loss off, and likewise below.
        divergence: Weight of L_kl.
        alignment: Weight of L_align; at least this or L_cross must be on.
        fused_reconstruction: Weight of L_fuse.
        classification: Weight of L_dis.
        annealing: How fast the weights rise.

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Tian, J., Wang, K., Xu, X., Cao, Z., Shen, F., Shen, H. T.: Multimodal disentanglement variational autoencoders
        for zero-shot cross-modal retrieval. SIGIR 2022.
        Hwang, H., Kim, G.-H., Hong, S., Kim, K.-E.: Variational interaction information maximization for cross-domain
        disentanglement. NeurIPS 2020 (IIAE; the layers, and the sums within the divergences, are those of its code).
    """

    summary: ClassVar[str] = "variational autoencoders that part shared from modality-specific codes, and a fused prior"
    reference: ClassVar[str] = "Tian et al., SIGIR 2022"
    rounding_grows: ClassVar[bool] = True
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"input_scaling": ("standardize", "center-l2")}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "reconstruction": (0.03, 10.0),
        "cross_reconstruction": (0.03, 10.0),
        "alignment": (0.3, 3.0),
        "learning_rate": (1e-3, 3e-4),
    }
    LOSSES: ClassVar[tuple[str, ...]] = (
        *("reconstruction", "cross_reconstruction", "divergence", "alignment"),
        *("fused_reconstruction", "classification"),
    )

    code_width: int = 64
    specific_width: int = 64
    hidden: Sequence[int] = (512, 256)
    decoder_hidden: Sequence[int] = (128,)
    fusion_hidden: Sequence[int] = (1024, 512)
    fusion_width: int = 1024
    prior_hidden: Sequence[int] = (512,)
    norm_momentum: float = 0.1  # ours
    # Theirs are 10 / 512, of errors summed over 512 dimensions. Ours, by validation classes of emoji, two class splits:
    # mAP .332, and .293 with center-l2 inputs and weights of 10.
    reconstruction: float = 0.03
    cross_reconstruction: float = 0.03
    divergence: float = 1.0
    alignment: float = 0.3  # 3 gives .343, but is better on one of the two splits only
    fused_reconstruction: float = 0.003  # ours
    classification: float = 1.0
    annealing: float = 2.4  # ours: there 1 - exp(-step / 2500), over some 6,000 steps
    input_scaling: str = "standardize"  # ours
    batch_size: int = 64  # ours

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_widths("code_width", "specific_width", "hidden", "decoder_hidden")
        self._require_widths("fusion_hidden", "fusion_width", "prior_hidden")
        self._require_not_negative(*self.LOSSES, "annealing")
        if not 0 < self.norm_momentum <= 1:
            raise ConfigError(f"norm_momentum {self.norm_momentum} must lie in (0, 1]")
        if not (self.cross_reconstruction or self.alignment):
            raise ConfigError("cross_reconstruction and alignment are both 0: nothing says what belongs together")
        if self.batch_size < 2:
            raise ConfigError(f"MDVAE needs batch_size of at least 2, got {self.batch_size}")
        return MDVAENetwork(self, d_image, d_text, n_classes)
