"""Attention matching: codes by self-attention for the gallery, a joint score by cross-attention to re-rank with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from masln.data import PairedDataset
from masln.errors import ConfigError, unknown_name
from masln.losses import MATCHING_LOSSES, info_nce_loss, matching_loss
from masln.models.declared import DeclaredMethod
from masln.models.deep import TwoTower
from masln.models.joint import JointScorer, JointTower
from masln.nn import AttentiveEncoder, CrossMatching, LogitScale, MatchedItems
from masln.training import Batch, Objective

__all__ = ["AttentionMatching", "AttentionMatchingNetwork"]


class AttentionMatchingNetwork(JointTower):
    """An encoder a modality, a cross-attentive scorer on their states, and a temperature for each of both losses."""

    def __init__(self, method: AttentionMatching, d_image: int, d_text: int) -> None:
        super().__init__()
        widths = {"image": d_image, "text": d_text}
        self.encoders = nn.ModuleDict({name: self._encoder(method, width) for name, width in widths.items()})
        self.matching = CrossMatching(
            method.code_width, method.heads, fusion=method.fusion, pooling=method.pooling, dropout=method.dropout
        )
        self.scales = nn.ModuleDict({"contrastive": LogitScale(method.temperature, learned=True)})
        if method.matching_loss != "triplet":
            self.scales["matching"] = LogitScale(method.temperature, learned=True)
        self.threshold = nn.Parameter(torch.ones(())) if method.matching_loss == "binary" else None
        self.kind, self.margin, self.weight = method.matching_loss, method.margin, method.matching
        self.mask_same_class = method.mask_same_class
        self.group, self.groups = method.group, max(1, method.joint_pairs // method.group**2)
        self.smallest_batch = max(2, method.batch_size // 2)  # ours: a last batch of few pairs has few negatives

    @staticmethod
    def _encoder(method: AttentionMatching, width: int) -> AttentiveEncoder:
        return AttentiveEncoder(
            *(width, method.code_width),
            heads=method.heads,
            pooling=method.pooling,
            dropout=method.dropout,
            input_dropout=method.input_dropout,
        )

    def items(self, modality: str, features: Tensor, mask: Tensor | None = None) -> MatchedItems:
        """See ``JointTower``."""
        encoder = self.encoders[modality]
        assert isinstance(encoder, AttentiveEncoder)
        states = encoder.states(features, mask)
        return self.matching.prepare(modality, encoder.pooled(states, mask), states, mask)

    def joint_scores(self, images: MatchedItems, texts: MatchedItems) -> Tensor:
        """See ``JointTower``."""
        scores: Tensor = self.matching(images, texts)
        return scores

    def attention_weights(self, images: MatchedItems, texts: MatchedItems) -> Tensor:
        """See ``JointTower``."""
        return self.matching.weights(images, texts)

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """L_nce of the codes + ``matching`` L_match of the joint scores."""
        images, texts = self.items("image", batch.image), self.items("text", *batch.text_inputs)
        own = torch.arange(len(batch.labels), device=batch.labels.device) if batch.pictures is None else batch.pictures
        same = batch.labels if self.mask_same_class else own
        losses = {
            "contrastive": info_nce_loss(
                images.codes, texts.codes, same, scale=self.scales["contrastive"](), mask_same_class=True
            ),
            "matching": self._matching_loss(images, texts, same),
        }
        yield Objective("network", losses["contrastive"] + self.weight * losses["matching"], losses)

    def _matching_loss(self, images: MatchedItems, texts: MatchedItems, same: Tensor) -> Tensor:
        """Of groups of pairs that are near each other, every picture of a group with every text of it."""
        image, text = (items.codes.detach().float() for items in (images, texts))
        near = image[: self.groups] @ image.T + text[: self.groups] @ text.T
        members = near.topk(min(self.group, len(same))).indices
        groups, size = members.shape
        image_rows, text_rows = members[:, :, None].expand(-1, -1, size), members[:, None].expand(-1, size, -1)
        scores = self.joint_scores(images.take(image_rows.flatten()), texts.take(text_rows.flatten()))
        if "matching" in self.scales:
            scores = self.scales["matching"]() * (scores if self.threshold is None else scores - self.threshold)
        scores = scores.reshape(groups, size, size)
        others = same[image_rows] != same[text_rows]
        both = [
            matching_loss(
                own.diagonal(dim1=1, dim2=2).flatten(),
                own.flatten(0, 1),
                kind=self.kind,
                margin=self.margin,
                valid=others.flatten(0, 1),  # as symmetric as it is to be alike in class or picture
            )
            for own in (scores, scores.transpose(1, 2))
        ]
        return (both[0] + both[1]) / 2


@dataclass(kw_only=True, eq=False, repr=False)
class AttentionMatching(DeclaredMethod, JointScorer):
    """Self- and cross-attention matching of regions and words.

    Each encoder projects its regions or words, lets them look at each other (``SelfAttention``) and pools what comes
    of it to a code of length one; the codes alone make a gallery. For a pair, regions look at words and words at
    regions (``CrossAttention``), each is fused with what it saw, both sides are pooled, and

        score = cos(v, t) + cos(r, w)

    with v, t the codes and r, w what was pooled across (``CrossMatching``). A batch minimises

        L = L_nce(codes) + ``matching`` L_match(scores)

    where L_match is taken in groups of pairs that are near each other (the first pair of the batch and its neighbours
    by the codes of both modalities, the second and its own, ...): each picture with each text of its group. Captions
    of one picture are not held against it. Negatives that the codes themselves take for matches would be harder still,
    but they are chosen by what the score adds up: it then learns to count a high cosine against a pair (on the RSICD
    photos R@1 of text to image fell from .178 to .000).

    On some 570 training photos the score learns its own pairs better than the codes do (R@1 of text to image .48 to
    .55),
    but hardly others: of seen and unseen classes R@1 rises by .00 to .01 (``benchmarks/reranking.py``).

    Attention from regions to words and the reverse is that of SCAN; codes by self-attention and a score that adds a
    cross-attended similarity to theirs are those of MMCA, which sums triplet losses where L_nce stands here. Ours: one
    network for both uses with independent codes, InfoNCE, projections by head, the choice of fusion and pooling, which
    pairs are scored, and all sizes.

    Args:
        code_width: Width of codes and states.
        heads: Of each attention; a divisor of ``code_width``.
        fusion: ``concat``, ``sum`` or ``gate``.
        pooling: ``max``, ``mean`` or ``attention``.
        input_dropout: Dropout on the scaled features.
        dropout: Of the attention.
        temperature: That both losses begin with; learned.
        matching: Weight of L_match; 0 leaves the joint score untrained.
        matching_loss: ``triplet``, ``softmax`` or ``binary``; see ``masln.losses.matching_loss``.
        margin: Of ``triplet``.
        group: Pairs in a group of L_match, so one less negatives for each.
        joint_pairs: At most so many pairs are scored jointly in a step, in one group at least.
        mask_same_class: Hold nothing against another pair of its class, in both losses.

    The other hyper-parameters are those of ``DeclaredMethod``.

    References:
        Lee, K.-H., Chen, X., Hua, G., Hu, H., He, X.: Stacked cross attention for image-text matching. ECCV 2018.
        Wei, X., Zhang, T., Li, Y., Zhang, Y., Wu, F.: Multi-modality cross attention network for image and sentence
        matching. CVPR 2020.
    """

    summary: ClassVar[str] = "self-attention codes, and a cross-attention score that re-ranks what they find"
    reference: ClassVar[str] = "after Lee et al., ECCV 2018 and Wei et al., CVPR 2020"
    takes_sequences: ClassVar[bool] = True
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "temperature": (0.07, 0.2, 1.0),
        "matching_loss": ("softmax", "triplet"),
        "mask_same_class": (False, True),
        "pooling": ("mean", "max", "attention"),
        "learning_rate": (1e-3, 3e-4),
    }

    code_width: int = 128  # ours, as all below
    heads: int = 4
    fusion: str = "sum"
    pooling: str = "mean"
    input_dropout: float = 0.2
    dropout: float = 0.1
    temperature: float = 0.07  # CLIP
    matching: float = 1.0
    matching_loss: str = "softmax"
    margin: float = 0.2  # SCAN, for triplet
    group: int = 12
    joint_pairs: int = 288
    mask_same_class: bool = False
    batch_size: int = 128

    def check(self, pairs: PairedDataset) -> None:
        """See ``DeepMethod.check``; also refuses batches of one pair."""
        super().check(pairs)
        if self.batch_size < 2:
            raise ConfigError(f"{type(self).__name__} needs batch_size of at least 2, got {self.batch_size}")

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_widths("code_width", "heads", "group", "joint_pairs")
        self._require_not_negative("matching", "margin")
        self._require_share("input_dropout", "dropout")
        if self.code_width % self.heads:
            raise ConfigError(f"code_width {self.code_width} must be a multiple of heads {self.heads}")
        if self.matching_loss not in MATCHING_LOSSES:
            raise ConfigError(unknown_name("matching loss", self.matching_loss, MATCHING_LOSSES))
        return AttentionMatchingNetwork(self, d_image, d_text)
