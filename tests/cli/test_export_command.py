"""``masln export``, as a user gives it, and what the folder it leaves is good for."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard

from masln.data import load_dataset, write_bundle
from masln.experiments import export, export_run, open_encoder, run_experiment
from masln.models import OnnxEncoder
from masln.reporting import model_card
from tests.conftest import make_sequences
from tests.experiments.small import small_config, write_small_bundle
from tests.retrieval.same_ids import assert_same_ids

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


@pytest.fixture(scope="module")
def exports(trained, tmp_path_factory) -> dict[str, Path]:
    """The run of ridge CCA on pictures and texts, in both formats."""
    folder = tmp_path_factory.mktemp("exports")
    for kind in ("onnx", "safetensors"):
        export_run(trained.run, folder / kind, format=kind, describe=model_card)
    return {kind: folder / kind for kind in ("onnx", "safetensors")}


def test_every_way_of_search_finds_the_same(masln, trained, exports):
    done = masln("index", "build", str(trained.run), "--from", str(trained.bundle), "--out", "gallery")
    assert done.code == 0, done.err
    assert_same_ids(
        masln, Path("gallery"), text="a small horse in the field", picture=trained.photos / "sheep5.png", **exports
    )


def test_the_folder_stands_alone(masln, trained, exports):
    """Neither the run nor its data are asked for."""
    before = open_encoder(trained.run)
    shutil.copytree(exports["safetensors"], "moved")
    after = open_encoder("moved")
    assert after.facts.hash == before.facts.hash and after.facts.run == str(Path("moved").absolute())
    assert str(trained.folder) not in "".join(
        path.read_text(encoding="utf-8") for path in Path("moved").glob("*.json")
    ), "where the run lay is nobody's business"
    Path("texts.csv").write_text("id,text\none,a small horse\n", encoding="utf-8")
    assert masln("encode", "moved", "--texts", "texts.csv", "--out", "codes").code == 0
    expected = before.codes("text", before.of_raw("text").features([("a small horse",)]))
    np.testing.assert_allclose(np.load("codes/text.npy"), expected, atol=1e-6)
    (Path("moved") / "config.json").write_text("{}")
    assert (
        "is another than export.json says; export it again"
        in masln("encode", "moved", "--texts", "texts.csv", "--out", "c").err
    )


def test_the_card_is_sound_and_its_code_runs(exports, trained, monkeypatch):
    for kind, folder in exports.items():
        text = (folder / "README.md").read_text(encoding="utf-8")
        card = ModelCard(text)
        assert card.data.library_name == "masln" and kind in card.data.tags and card.data.license == "other"
        run = json.loads((trained.run / "cca/split0-seed0/metrics.json").read_text())
        told = {(own.task_name, own.metric_value) for own in card.data.eval_results}
        assert ("image to text, unseen classes", round(run["parts"]["unseen"]["i2t"]["metrics"]["mAP"], 6)) in told
        assert yaml.safe_load(text.split("---")[1])["model-index"][0]["name"] == "cca on mine"
        recipe = load_dataset(trained.bundle).manifest["recipe"]
        for fact in (
            run["class_split_hash"],
            run["data_hash"],
            recipe["text_extractor"]["hash"],
            "| unseen | chance |",
        ):
            assert fact in text, fact
        assert "Vinod" in text and "(batch, 50)" in text and "licence of the data" in text and "4670c5b7a724" in text
        shutil.copy(trained.photos / "cat0.png", folder / "plane.jpg")
        monkeypatch.chdir(folder)
        blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        assert len(blocks) == {"onnx": 4, "safetensors": 3}[kind]
        for block in blocks:
            exec(block, {})
        (folder / "plane.jpg").unlink()


def test_onnx_says_whose_it_is(exports, trained):
    facts = open_encoder(trained.run).facts
    metadata = OnnxEncoder(exports["onnx"] / "text.onnx").metadata
    assert metadata["model_hash"] == facts.hash and metadata["method"] == "cca" and metadata["similarity"] == "cosine"
    assert metadata["run"] == "run/cca/split0-seed0" and set(metadata) > {"masln", "modality", "data"}
    assert sorted(path.name for path in exports["onnx"].iterdir()) == [
        *("README.md", "export.json", "extractors", "image.onnx", "text.onnx")
    ]


@pytest.fixture
def run(tmp_path) -> Path:
    """Of a method that takes words with their mask, nothing beside it."""
    pairs = make_sequences(classes=8, per_class=8)
    bundle = write_bundle(tmp_path / "bundle", pairs, licence="CC0", source="drawn", recipe={})
    settings = {"epochs": 1, "batch_size": 16, "code_width": 6, "heads": 2}
    values = {"method": "attentionmatching", "hyperparameters": settings, "baselines": [], "splits": 1, "select": False}
    run_experiment(small_config(bundle, **values), tmp_path / "run")
    return tmp_path / "run"


def test_sequences_keep_their_mask_and_the_figures_are_printed(masln, run):
    arguments = ["export", str(run), "--format", "safetensors", "--out"]
    value = json.loads(masln(*arguments, "out", "--json").out)
    text = value["encoders"]["text"]
    assert text["shape"] == [7, 16] and text["masked"] and text["checked"] == 64 and text["difference"] < 1e-6
    card = Path("out/README.md").read_text(encoding="utf-8")
    assert "| unseen | chance |" in card, "chance is told where it did not run"
    assert "`text_mask` bool" in card and "(batch, 7, 16)" in card and "CC0" in card
    done = masln(*arguments, "again")
    assert "model.safetensors" in done.out and "(batch, 4, 24)" in done.out and "README.md" in done.out
    assert not masln(*arguments, "third", "--quiet").out.count("README.md")


def test_an_encoder_that_differs_is_not_kept(masln, trained, exports, monkeypatch):
    broken = onnx.load(exports["onnx"] / "image.onnx")
    weights = max(broken.graph.initializer, key=lambda own: len(own.raw_data))
    values = onnx.numpy_helper.to_array(weights).copy()
    values[0] += 3e-2
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    monkeypatch.setattr(export, "onnx_graph", lambda *given, **told: broken.SerializeToString())
    done = masln("export", str(trained.run), "--format", "onnx", "--out", "out")
    assert done.code == 2 and done.err.count("\n") == 1 and list(Path.cwd().iterdir()) == []
    assert "the exported image encoder gives other codes than the model: they differ by up to" in done.err
    assert "on 24 rows of mine, 1e-04 is allowed; nothing is kept" in done.err


def test_mistakes_are_one_line_and_leave_nothing(masln, trained, exports, tmp_path, monkeypatch):
    bundle = write_small_bundle(tmp_path / "bundle")
    config = small_config(bundle, method="chance", hyperparameters={}, baselines=[], splits=1, select=False)
    run_experiment(config, tmp_path / "random")
    for run, kind, out, message in (
        ("absent", "onnx", "out", "absent is no run directory: it has no config.yaml"),
        (str(trained.run), "onnx", str(trained.bundle), "exists; choose another --out"),
        (str(tmp_path / "random"), "safetensors", "out", "Chance has no encoder: its codes are no function"),
        (str(exports["onnx"]), "safetensors", "out", "is no run directory"),
        (str(trained.run), "safetensors", "/proc/out", "cannot write /proc/out"),
    ):
        done = masln("export", run, "--format", kind, "--out", out)
        assert done.code == 2 and message in done.err and done.err.count("\n") == 1, (run, done.err)
    done = masln("encode", str(exports["onnx"]), "--bundle", str(trained.bundle), "--out", "codes")
    assert done.code == 2 and "holds onnx encoders; give the run, or export it as safetensors" in done.err
    monkeypatch.setattr("masln.models.onnx_encoder.find_spec", lambda name: None)
    done = masln("export", str(trained.run), "--format", "onnx", "--out", "out")
    assert done.code == 2 and "masln[export]" in done.err
    assert list(Path.cwd().iterdir()) == []
