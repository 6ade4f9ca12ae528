"""masln explain: the picture it draws, and what it says where there is nothing to draw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from masln.cli import cli
from masln.data import load_dataset, write_bundle
from masln.errors import MaslnError
from masln.experiments import RunDirectory, run_experiment
from masln.features import Word2Vec
from masln.models import load_method
from masln.reporting import pair_attention
from tests.conftest import make_sequences
from tests.experiments.small import small_config, write_small_bundle

TINY = {"epochs": 1, "batch_size": 16, "code_width": 6, "heads": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A bundle of 2 x 2 regions whose pictures are at hand, and a run of a method with attention on it."""
    folder = tmp_path_factory.mktemp("explain")
    pairs = make_sequences(classes=4, per_class=8)
    (folder / "photos").mkdir()
    for number in range(len(pairs)):
        pixels = np.full((20, 30, 3), 8 * number % 256, dtype=np.uint8)
        if number != 5:
            Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    lengths = pairs.text_mask.sum(axis=1)
    pairs = dataclasses.replace(
        pairs,
        ids=np.array([f"pair-{number}" for number in range(len(pairs))]),
        image_paths=np.array([f"{number}.png" for number in range(len(pairs))]),
        texts=np.array([" ".join(f"word{place}" for place in range(length)) + " ." for length in lengths]),
    )
    recipe = {"images": str(folder / "photos")}
    write_bundle(folder / "bundle", pairs, licence="CC0", source="drawn", recipe=recipe)
    values = {"method": "attentionmatching", "hyperparameters": TINY, "baselines": ["chance"], "select": False}
    run_experiment(small_config(folder / "bundle", **values, splits=1), folder / "run")
    return folder


def explain(*options: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["explain", *map(str, options)])
    if isinstance(done.exception, MaslnError):
        return 2, str(done.exception)
    return done.exit_code, done.output


def test_it_draws_what_the_method_sees(place, tmp_path):
    code, said = explain(place / "run", "--pair", "pair-3", "--out", tmp_path / "a.png")
    data = load_dataset(str(place / "bundle"))
    count = int(data.text_mask[3].sum())
    assert code == 0 and f"pair-3, attentionmatching: {count} words over" in said
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.format == "PNG" and min(drawn.size) > 200
        assert np.asarray(drawn.convert("RGB")).std() > 10
    found = pair_attention(place / "run", "pair-3")
    method = load_method(RunDirectory(place / "run/attentionmatching/split0-seed0").model)
    weights = method.attention(data.image[3:4], data.text[3:4], data.text_mask[3:4])[0, :count]
    np.testing.assert_array_equal(found.weights, weights.reshape(count, 2, 2))
    assert found.words == tuple(f"word{number}" for number in range(count))
    assert found.picture == place / "photos/3.png"
    assert found.score == pytest.approx(method.score(data.image[3:4], data.text[3:4], data.text_mask[3:4])[0])
    codes = method.encode_image(data.image[3:4]), method.encode_text(data.text[3:4], data.text_mask[3:4])
    assert found.cosine == pytest.approx(float((codes[0] * codes[1]).sum()), abs=1e-6)


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_it_draws_in_other_formats_and_replaces_only_when_asked(place, tmp_path, ending):
    target = tmp_path / f"a.{ending}"
    options = (place / "run", "--pair", "pair-1", "--out", target, "--quiet")
    assert explain(*options) == (0, "")
    written = target.read_bytes()
    assert written.startswith(b"%PDF" if ending == "pdf" else b"<?xml")
    code, said = explain(*options)
    assert code == 2 and "exists; choose another --out, or give --overwrite" in said and target.read_bytes() == written
    assert explain(*options, "--overwrite")[0] == 0


def test_what_cannot_be_drawn_is_told_in_one_line_and_leaves_nothing(place, tmp_path):
    run = place / "run"
    out = tmp_path / "a.png"
    plain = write_small_bundle(tmp_path / "plain")
    run_experiment(small_config(plain, method="cca", hyperparameters={}, baselines=[], splits=1), tmp_path / "cca")
    cases = [
        ((run, "--pair", "pair-33", "--out", out), r"has no pair 'pair-33' (did you mean 'pair-3"),
        ((run, "--pair", "pair-5", "--out", out), "5.png"),
        ((run, "--pair", "pair-1", "--images", tmp_path / "none", "--out", out), "none"),
        ((tmp_path / "cca", "--pair", "0", "--out", out), "has no method with attention to show, only cca; train one"),
        ((tmp_path / "nothing", "--pair", "0", "--out", out), "is no run directory"),
        ((run, "--pair", "pair-1", "--out", tmp_path / "a.jpg"), "its name must end in one of .png, .pdf, .svg"),
        ((run, "--pair", "pair-1", "--out", tmp_path / "b" / "a.png"), "there is no folder"),
    ]
    for options, message in cases:
        code, said = explain(*options)
        assert code == 2 and message in said and "\n" not in said.strip(), said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cca", "plain"]


def test_a_bundle_without_pictures_has_nothing_to_draw_on(tmp_path):
    pairs = make_sequences(classes=4, per_class=8)
    bundle = write_bundle(tmp_path / "b", pairs, licence="CC0", source="drawn", recipe={})
    values = {"method": "attentionmatching", "hyperparameters": TINY, "baselines": [], "select": False, "splits": 1}
    run_experiment(small_config(bundle, **values), tmp_path / "run")
    code, said = explain(tmp_path / "run", "--pair", "3", "--out", tmp_path / "a.png")
    assert code == 2 and "pictures of synthetic are not at hand: the bundle names no pictures" in said


def test_words_without_a_vector_have_no_panel(tmp_path):
    """Tokens are named by the extractor where it left words out."""
    (tmp_path / "vectors.txt").write_text("2 3\nred 1 0 0\nroof 0 1 0\n", encoding="utf-8")
    extractor = Word2Vec(vectors=str(tmp_path / "vectors.txt"), layout="tokens", max_tokens=3)
    _, mask = extractor.extract(["a red Roof, a red red roof"])
    assert extractor.tokens_of("a red Roof, a red red roof") == ["red", "roof", "red"] and mask.sum() == 3
    assert extractor.tokens_of("nothing known") == []
