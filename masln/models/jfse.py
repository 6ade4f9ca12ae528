"""JFSE: joint feature synthesis and embedding, with coupled conditional Wasserstein GANs (IEEE TPAMI 2022)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from masln.errors import ConfigError, DataError, unknown_name
from masln.losses import (
    covariance_alignment_loss,
    gradient_penalty_loss,
    projection_matching_loss,
    random_interpolates,
    wasserstein_loss,
)
from masln.models.adversarial import AdversarialTower
from masln.models.class_encoder import ClassEncoder
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.nn import InputScaling, feed_forward, reversal_schedule, reverse_gradient
from masln.training import Batch, Objective, PairBatches

__all__ = ["JFSE", "JFSENetwork"]

_SCHEMES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cmpm": projection_matching_loss,
    "cmca": lambda image, text, labels: covariance_alignment_loss(image, text),
}
Views = dict[str, Tensor]


class JFSENetwork(AdversarialTower):
    """Encoders into the space of class embeddings; for each modality a generator out of it and a critic."""

    smallest_batch = 2  # a single pair says nothing of how the modalities vary

    def __init__(self, method: JFSE, d_image: int, d_text: int, d_class: int) -> None:
        super().__init__(adversary="reversal", adversarial=method.adversarial)
        self.weights = {name: getattr(method, name) for name in JFSE.WEIGHTS}
        self.critic_steps, self.noise_width = method.critic_steps, method.noise_width
        self.scheme = _SCHEMES[method.scheme]
        widths = {"image": d_image, "text": d_text}

        def layers(d_in: int, d_out: int) -> nn.Module:
            plain = feed_forward(d_in, method.hidden, d_out)
            return plain.append(nn.ReLU()) if method.rectified else plain

        self.class_scaling = InputScaling("min-max", d_class).float()
        self.encoders = nn.ModuleDict({name: layers(width, d_class) for name, width in widths.items()})
        self.generators, self.critics = nn.ModuleDict(), nn.ModuleDict()
        if method.synthetic:
            for name, width in widths.items():
                self.generators[name] = layers(d_class + method.noise_width, width)
                self.critics[name] = feed_forward(
                    width + d_class, method.hidden, 1, activation=lambda: nn.LeakyReLU(0.2)
                )
        self.oppose(d_class, hidden=method.discriminator_hidden)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """``critic`` and ``generator``, where features are synthesised; ``encoder`` with the discriminator."""
        groups: dict[str, list[nn.Parameter]] = {}
        if self.generators:
            groups = {"critic": list(self.critics.parameters()), "generator": list(self.generators.parameters())}
        opponent = list(self.discriminator.parameters()) if self.discriminator else []
        return groups | {"encoder": [*self.encoders.parameters(), *opponent]}

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """L_critic as often as there are critic steps, then L_gen, then L_enc; one draw of noise serves them all."""
        assert batch.class_embeddings is not None
        real, classes = {"image": batch.image, "text": batch.text}, self.class_scaling(batch.class_embeddings)
        synthetic: Views = {}
        if self.generators:
            noise = {name: torch.randn(len(classes), self.noise_width, device=classes.device) for name in real}
            synthetic = _detached(self._synthesise(classes, noise))
            for step in range(1, self.critic_steps + 1):
                loss, figures = self._criticise(real, synthetic, classes)
                yield Objective("critic", loss, figures if step == self.critic_steps else {})
            made = self._synthesise(classes, noise)
            yield self._fool(made, classes, batch.labels, progress)
            synthetic = _detached(self._synthesise(classes, noise))
        losses, total = self._embed(real, classes, batch.labels, progress, 1.0)
        if synthetic:
            of_synthetic, more = self._embed(synthetic, classes, batch.labels, progress, self.weights["synthetic"])
            losses |= {f"synthetic_{name}": loss for name, loss in of_synthetic.items()}
            total = total + more
        yield Objective("encoder", total, losses)

    def _synthesise(self, classes: Tensor, noise: Views) -> Views:
        return {name: make(torch.cat([classes, noise[name]], dim=-1)) for name, make in self.generators.items()}

    def _score(self, name: str, features: Tensor, classes: Tensor) -> Tensor:
        scores: Tensor = self.critics[name](torch.cat([features, classes], dim=-1)).squeeze(-1)
        return scores

    def _criticise(self, real: Views, synthetic: Views, classes: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        distances, penalties = [], []
        for name in self.critics:
            scores = (self._score(name, views[name], classes) for views in (real, synthetic))
            distances.append(wasserstein_loss(*scores))
            points = random_interpolates(real[name], synthetic[name])
            penalties.append(gradient_penalty_loss(lambda x, name=name: self._score(name, x, classes), points))  # type: ignore[misc]
        figures = {"wasserstein": torch.stack(distances).sum(), "gradient_penalty": torch.stack(penalties).sum()}
        return figures["wasserstein"] + self.weights["penalty"] * figures["gradient_penalty"], figures

    def _fool(self, made: Views, classes: Tensor, labels: Tensor, progress: float) -> Objective:
        fooling = -torch.stack([self._score(name, made[name], classes).float().mean() for name in made]).sum()
        losses, cycle = self._embed(made, classes, labels, progress, self.weights["cycle"], align=False)
        return Objective("generator", fooling + cycle, {"fooling": fooling, "cycle": losses["embedding"]})

    def _embed(
        self, views: Views, classes: Tensor, labels: Tensor, progress: float, weight: float, *, align: bool = True
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses of codes, and ``weight`` times their weighted sum; the discriminator descends at full weight."""
        codes = [self.encoders[name](features) for name, features in views.items()]
        losses = {"embedding": torch.stack([functional.mse_loss(z.float(), classes) for z in codes]).sum()}
        total = losses["embedding"]
        if align and self.weights["alignment"]:
            losses["alignment"] = self.scheme(*codes, labels).float()  # type: ignore[call-arg]
            total = total + self.weights["alignment"] * losses["alignment"]
        total = weight * total
        if self.discriminator is not None:
            strength = weight * self.adversarial * reversal_schedule(progress)
            told, accuracy = self._discriminate(*(reverse_gradient(z, strength) for z in codes))
            losses |= {"adversarial": told, "discriminator_accuracy": accuracy}
            total = total + told
        return losses, total


def _detached(views: Views) -> Views:
    return {name: features.detach() for name, features in views.items()}


@dataclass(kw_only=True, eq=False, repr=False)
class JFSE(ClassEncoder, DeclaredMethod):
    """Joint feature synthesis and embedding: codes lie in class-embedding space, where synthetic features help.

    For modality m with features x, class embedding s and noise z: an encoder E_m, a generator G_m(s, z) and a critic
    C_m(x, s); and a discriminator D of both modalities' codes. Of features X of both modalities, real or synthetic,

        L_emb(X)   = sum_m mean (E_m(x) - s)^2, over pairs and dimensions (of synthetic x, the cycle s -> x -> s)
        L_align(X) = ``cmpm``, projection matching, or ``cmca``, alignment of covariances, of both modalities' codes
        L_adv(X)   = binary cross-entropy of D: which modality is a code of?
        J(X)       = L_emb + ``alignment`` L_align - ``adversarial`` L_adv

        L_critic = sum_m mean C_m(G_m, s) - mean C_m(x, s) + ``penalty`` mean (||grad_x C_m|| - 1)^2
        L_gen    = - sum_m mean C_m(G_m, s) + ``cycle`` (L_emb - ``adversarial`` L_adv)(synthetic)
        L_enc    = J(real) + ``synthetic`` J(synthetic)

    Each step moves the critics ``critic_steps`` times, then the generators, then the encoders; D minimises L_adv of
    both, by a reversed gradient on the schedule of Ganin et al. Losses, weights, layers and the order of updates are
    those of the authors' code, but that it moves generators and encoders at once, where here the encoders see what the
    moved generators make (ours). Its D has no activation between its layers, which makes them one, so ReLU stands there
    (ours); initial weights are torch's (ours). It scales features and class embeddings to [0, 1] batch by batch, and
    test features in several ways, keeping what did best on the test set; here embeddings are scaled by the least and
    the greatest of the training classes, and features by ``input_scaling`` (ours).

    As in that code, features are synthesised of training classes alone: no name of an unseen class is known when the
    method learns. The code of a class, seen or not, is its s, scaled as those of training: L_emb pulls items there. The
    paper's third alignment, CMMD, is not in that code, and its kernel is not known to us, so it is not here. On
    validation classes of ``emoji`` synthetic features took the mAP from .330 to .338 (two class splits, less than
    splits differ by).

    Args:
        hidden: Widths of the hidden layers of encoders, generators and critics.
        noise_width: Width of z.
        discriminator_hidden: Widths of the hidden layers of D.
        rectified: End encoders and generators in ReLU; for features that are not negative, as ``min-max`` makes them.
        scheme: Of L_align: ``cmpm`` or ``cmca``.
        alignment: Weight of L_align; 0 leaves it out.
        adversarial: Weight of L_adv; 0 has no discriminator.
        synthetic: Weight of synthetic features for the encoders; 0 has no generators and no critics.
        cycle: Weight of what the codes say to the generators.
        penalty: Weight of the gradient penalty.
        critic_steps: Updates of the critics for one of the others.

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Xu, X., Lin, K., Yang, Y., Hanjalic, A., Shen, H. T.: Joint feature synthesis and embedding: adversarial
        cross-modal retrieval revisited. IEEE TPAMI 44(6), 2022, pages 3030-3047.
    """

    summary: ClassVar[str] = "feature synthesis by coupled conditional Wasserstein GANs, codes in class-embedding space"
    reference: ClassVar[str] = "Xu et al., IEEE TPAMI 2022"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {"learning_rate": (1e-4, 1e-3)}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "epochs": (40, 80),
        "scheme": ("cmpm", "cmca"),
        "alignment": (1e-4, 1e-2),
        "synthetic": (0.01, 0.1),
        "adversarial": (0.02, 0.2),
    }
    WEIGHTS: ClassVar[tuple[str, ...]] = ("alignment", "synthetic", "cycle", "penalty")

    # As in the authors' code where nothing else is said.
    hidden: Sequence[int] = (512,)  # ours; 4096 there, and 2048 no better on validation classes
    noise_width: int = 300
    discriminator_hidden: Sequence[int] = (150, 75)
    rectified: bool = True
    scheme: str = "cmpm"
    alignment: float = 1e-4
    adversarial: float = 0.02
    synthetic: float = 0.01
    cycle: float = 0.1
    penalty: float = 10.0
    critic_steps: int = 5
    input_scaling: str = "min-max"
    epochs: int = 40  # ours; 500 there, and 80 and 160 worse on validation classes
    batch_size: int = 64
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    beta1: float = 0.5
    schedule: str = "constant"

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        if not d_class:
            raise DataError(
                "JFSE maps to class embeddings and the dataset has none; make the bundle with class vectors"
            )
        if self.scheme not in _SCHEMES:
            raise ConfigError(unknown_name("alignment scheme", self.scheme, _SCHEMES))
        self._require_widths("hidden", "noise_width", "discriminator_hidden")
        self._require_not_negative(*self.WEIGHTS, "adversarial")
        if self.critic_steps < 1:
            raise ConfigError(f"critic_steps must be at least 1, got {self.critic_steps}")
        return JFSENetwork(self, d_image, d_text, d_class)

    def _initialise(self, data: PairBatches) -> None:
        """Take the least and the greatest class embedding of the training classes, dimension by dimension."""
        assert data.vectors is not None and isinstance(self.network_, JFSENetwork)
        scaling = InputScaling("min-max", data.vectors.shape[1]).fit(data.vectors.cpu().numpy())
        self.network_.class_scaling.load_state_dict(scaling.state_dict())

    @property
    def d_class_(self) -> int:
        """See ``ClassEncoder``."""
        return int(self._facts["d_class"])

    @torch.no_grad()
    def _encode_class(self, class_embeddings: NDArray[np.float64]) -> NDArray[Any]:
        assert isinstance(self.network_, JFSENetwork)
        scaling = self.network_.class_scaling
        codes: Tensor = scaling(torch.from_numpy(class_embeddings).to(scaling.mean.device, torch.float32))
        return codes.cpu().numpy()
