"""Distillation: what the student learns from, what it keeps, and how a run tells and forgets its teacher."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from masln.data import PairedDataset, make_class_split
from masln.errors import CheckpointError, ConfigError, SplitError
from masln.losses import (
    info_nce_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_transfer_loss,
    teacher_distance_loss,
)
from masln.models import CCA, Chance, Distillation, load_method
from masln.models.distillation import DistillationNetwork
from masln.training import Batch, Runtime
from tests.models.test_teachers import shuffled, write_files
from tests.training.toy import StopError, assert_same, crash_at

CPU = Runtime(device="cpu")
SMALL = {"teacher": "cca", "code_width": 5, "hidden": (12,), "batch_size": 32, "epochs": 2}
ALONE = {"teacher_distance": 0.0, "similarity": 0.0}


def network(widths: dict[str, int], **values: float) -> DistillationNetwork:
    torch.manual_seed(0)
    return DistillationNetwork(Distillation(**SMALL | values), 24, 16, widths)


def batch(image_width: int = 5, text_width: int = 5, n: int = 9) -> Batch:
    draw = torch.Generator().manual_seed(0)

    def normal(d: int) -> Tensor:
        return torch.randn(n, d, generator=draw)

    teacher = normal(image_width), normal(text_width)
    return Batch(normal(24), normal(16), torch.arange(n) % 4, None, teacher=teacher)


def codes(method: Distillation, pairs: PairedDataset) -> tuple[np.ndarray, np.ndarray]:
    return method.encode_image(pairs.image), method.encode_text(pairs.text)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.sum(first * second, axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


class TestNetwork:
    @pytest.mark.parametrize("mask", [True, False])
    def test_the_objective_is_the_weighted_sum_of_the_losses(self, mask):
        weights = {
            **{"contrastive": 0.5, "teacher_distance": 2.0, "similarity": 3.0},
            **{"relational_distance": 5.0, "relational_angle": 7.0},
        }
        others = {"temperature": 0.3, "teacher_temperature": 0.6, "mask_same_class": mask}
        net, pairs = network({"image": 5, "text": 5}, **weights, **others), batch()
        (objective,) = net.objectives(pairs, 0.0)
        u, v = net.encoders["image"](pairs.image), net.encoders["text"](pairs.text)
        (s, t), on_sphere = pairs.teacher, torch.nn.functional.normalize
        expected = {
            "contrastive": info_nce_loss(u, v, pairs.labels, scale=1 / 0.3, mask_same_class=mask),
            "teacher_distance": teacher_distance_loss(u, s) + teacher_distance_loss(v, t),
            "similarity": similarity_transfer_loss(u, v, s, t, temperature=0.3, teacher_temperature=0.6),
            "relational_distance": relational_distance_loss(on_sphere(torch.cat([u, v])), on_sphere(torch.cat([s, t]))),
            "relational_angle": relational_angle_loss(on_sphere(torch.cat([u, v])), on_sphere(torch.cat([s, t]))),
        }
        expected = {name: float(value.detach()) for name, value in expected.items()}
        found = {name: float(value.detach()) for name, value in objective.figures.items()}
        assert found == pytest.approx(expected, rel=1e-5)
        total = sum(weights[name] * value for name, value in expected.items())
        assert float(objective.loss.detach()) == pytest.approx(total, rel=1e-5)

    def test_relations_are_those_of_directions_alone(self):
        """A teacher whose codes differ in length alone is the same teacher."""
        net = network({"image": 5, "text": 5}, contrastive=0.0, **ALONE, relational_distance=1.0, relational_angle=1.0)
        pairs = batch()
        longer = pairs._replace(teacher=tuple(t * torch.linspace(0.1, 9.0, 9)[:, None] for t in pairs.teacher))
        first, second = (next(net.objectives(one, 0.0)).loss.item() for one in (pairs, longer))
        assert first == pytest.approx(second, rel=1e-5)

    def test_relations_within_each_modality_are_added_up_where_a_teacher_has_no_common_space(self):
        net = network({"image": 8, "text": 7}, contrastive=0.0, **ALONE, relational_distance=1.0)
        pairs, on_sphere = batch(8, 7), torch.nn.functional.normalize
        codes = (net.encoders["image"](pairs.image), net.encoders["text"](pairs.text))
        own = [relational_distance_loss(on_sphere(z), on_sphere(t)) for z, t in zip(codes, pairs.teacher, strict=True)]
        assert next(net.objectives(pairs, 0.0)).loss.item() == pytest.approx(sum(own).item(), rel=1e-5)

    def test_codes_of_another_width_are_mapped_and_one_map_serves_both_modalities(self):
        net = network({"image": 8, "text": 8})
        assert net.maps["image"] is net.maps["text"] and tuple(net.maps["text"].weight.shape) == (8, 5)
        pairs = batch(8, 8)
        codes = (net.encoders["image"](pairs.image), net.encoders["text"](pairs.text))
        expected = sum(teacher_distance_loss(net.maps["text"](z), t) for z, t in zip(codes, pairs.teacher, strict=True))
        assert next(net.objectives(pairs, 0.0)).figures["teacher_distance"].item() == pytest.approx(expected.item())
        own = network({"image": 8, "text": 7}).maps
        assert {name: tuple(m.weight.shape) for name, m in own.items()} == {"image": (8, 5), "text": (7, 5)}
        assert set(network({"image": 8, "text": 5}).maps) == {"image"}
        assert not network({"image": 8, "text": 8}, teacher_distance=0.0).maps, "nothing would teach a map"

    def test_the_distance_alone_moves_a_map(self):
        net = network({"image": 8, "text": 8}, relational_distance=1.0, relational_angle=1.0)
        (objective,) = net.objectives(batch(8, 8), 0.0)
        parameters = dict(net.maps.named_parameters())
        assert sorted(parameters) == ["image.bias", "image.weight"]
        for name, loss in objective.figures.items():
            found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
            assert [g is not None and bool(g.any()) for g in found] == [name == "teacher_distance"] * 2

    def test_a_teacher_gets_no_gradient(self):
        net, pairs = network({"image": 8, "text": 8}, relational_distance=1.0, relational_angle=1.0), batch(8, 8)
        teacher = tuple(t.requires_grad_() for t in pairs.teacher)
        (objective,) = net.objectives(pairs._replace(teacher=teacher), 0.0)
        objective.loss.backward()
        assert teacher[0].grad is None and teacher[1].grad is None


class TestStudent:
    @pytest.mark.parametrize("width", [16, 5])
    def test_learns_to_see_pairs_as_its_teacher_does(self, width, pairs):
        """By the distance alone, codes of one width turn towards the teacher's; of another, their map does."""
        values = {"contrastive": 0.0, "similarity": 0.0, "learning_rate": 1e-2, "weight_decay": 0.0}
        method = Distillation(**SMALL | values | {"code_width": width, "epochs": 60}).fit(pairs, runtime=CPU)
        teacher = CCA().fit(pairs)
        assert method.history_[-1]["teacher_distance"] < 0.2 * method.history_[0]["teacher_distance"]
        expected = teacher.encode_image(pairs.image)
        found, _ = codes(method, pairs)
        if width == 5:
            found = method.network_.maps["image"](torch.from_numpy(found)).detach().numpy()
        assert float(cosines(found, expected).mean()) > 0.8

    @pytest.mark.parametrize("loss", ["similarity", "relational_distance", "relational_angle"])
    def test_each_relation_is_learned_by_itself(self, loss, pairs):
        only = {"contrastive": 0.0, **ALONE, loss: 1.0, "learning_rate": 1e-2, "weight_decay": 0.0, "epochs": 40}
        method = Distillation(**SMALL | only).fit(pairs, runtime=CPU)
        assert list(method.history_[0]) == ["epoch", loss]
        assert method.history_[-1][loss] < 0.5 * method.history_[0][loss]

    def test_alone_it_asks_for_no_teacher(self, pairs):
        method = Distillation(**SMALL | ALONE | {"teacher": "nowhere"}).fit(pairs, runtime=CPU)
        assert list(method.history_[0]) == ["epoch", "contrastive"]
        assert method.remarks() == []

    def test_needs_its_teacher_no_more(self, pairs, tmp_path):
        """Saved and loaded after the teacher's folder has gone, with the width that the map has."""
        CCA().fit(pairs).save(tmp_path / "teacher")
        method = Distillation(**SMALL | {"teacher": str(tmp_path / "teacher")}).fit(pairs, runtime=CPU)
        method.save(tmp_path / "student")
        shutil.rmtree(tmp_path / "teacher")
        loaded = load_method(tmp_path / "student")
        for ours, theirs in zip(codes(loaded, pairs), codes(method, pairs), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert loaded.get_params()["teacher"] == str(tmp_path / "teacher")
        assert json.loads((tmp_path / "student" / "config.json").read_text())["facts"]["teacher_widths"] == {
            "image": 16,
            "text": 16,
        }
        with pytest.raises(ConfigError, match="unknown teacher"):
            loaded.fit(pairs, runtime=CPU)

    def test_a_path_is_as_good_as_its_text(self, pairs, tmp_path):
        write_files(tmp_path / "files", pairs)
        method = Distillation(**SMALL | {"teacher": tmp_path / "files"}).fit(pairs, runtime=CPU)
        method.save(tmp_path / "student")
        loaded = load_method(tmp_path / "student")
        assert loaded.get_params()["teacher"] == str(tmp_path / "files")
        assert loaded.remarks() == method.remarks() and "trained on is unknown" in loaded.remarks()[0]
        pupil = Distillation(**SMALL | {"teacher": str(tmp_path / "student")}).fit(pairs, runtime=CPU)
        assert pupil.remarks() == method.remarks(), "what a teacher's teacher knew is no less unknown"

    def test_rows_are_those_of_its_pairs_in_every_batch(self, pairs, tmp_path):
        """The order of the teacher's rows, and rows of pairs that it is not fitted on, change nothing."""
        split = make_class_split(pairs.class_names, seed=2)
        seen = pairs.of_classes(split.seen, pairs.rows("train"))
        found = []
        for seed, spoil in ((0, False), (1, True)):
            folder = tmp_path / str(seed)
            written = write_files(folder, shuffled(pairs, seed=seed))
            if spoil:
                values = np.load(folder / "image.npy")
                values[~np.isin(written.ids, seen.ids)] = np.nan
                np.save(folder / "image.npy", values)
            found.append(codes(Distillation(**SMALL | {"teacher": str(folder)}).fit(seen, runtime=CPU), pairs))
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_modalities_of_two_widths_have_no_similarities(self, pairs, tmp_path):
        write_files(tmp_path, pairs)
        np.save(tmp_path / "text.npy", np.load(tmp_path / "text.npy")[:, :3])
        values = SMALL | {"teacher": str(tmp_path)}
        with pytest.raises(ConfigError, match=r"image codes of 5 and text codes of 3 dimensions.*set similarity=0"):
            Distillation(**values).fit(pairs, runtime=CPU)
        method = Distillation(**values, similarity=0.0, relational_distance=1.0).fit(pairs, runtime=CPU)
        assert set(method.network_.maps) == {"text"} and np.isfinite(codes(method, pairs)[0]).all()

    def test_a_saved_teacher_of_held_out_classes_is_refused(self, pairs, tmp_path):
        CCA().fit(pairs).save(tmp_path)
        with pytest.raises(SplitError, match="was fitted on class0, class2, which this fit holds out"):
            Distillation(**SMALL | {"teacher": str(tmp_path)}).fit(pairs.of_classes((1, 3, 4, 5)), runtime=CPU)

    def test_the_seed_is_that_of_the_teacher_too(self, pairs, tmp_path):
        runtime = Runtime(device="cpu", checkpoint=tmp_path / "c.pt")
        Distillation(**SMALL | {"teacher": "chance", "seed": 3}).fit(pairs, runtime=runtime)
        kept = torch.load(tmp_path / "c-teacher-codes.pt", weights_only=True)
        np.testing.assert_array_equal(kept["image"], Chance(seed=3).fit(pairs).encode_image(pairs.image))


class TestResume:
    def files(self, folder: Path) -> dict[str, object]:
        return {"device": "cpu", "checkpoint": folder / "c.pt", "checkpoint_seconds": 0.0}

    def test_with_files_it_equals_the_straight_run_bit_for_bit(self, pairs, tmp_path):
        """With a method that is fitted first, the contract of all deep methods says so."""
        write_files(tmp_path / "files", pairs)
        values = SMALL | {"teacher": str(tmp_path / "files"), "epochs": 4}
        straight = Distillation(**values).fit(pairs, runtime=CPU)
        with pytest.raises(StopError):
            Distillation(**values).fit(pairs, runtime=Runtime(trackers=(crash_at(2),), **self.files(tmp_path)))
        resumed = Distillation(**values).fit(pairs, runtime=Runtime(resume=True, **self.files(tmp_path)))
        assert_same(resumed.network_, straight.network_)
        assert resumed.history_ == straight.history_

    def test_a_checkpoint_belongs_to_the_codes_of_its_teacher(self, pairs, tmp_path):
        """The folder has the same name, but not the same features."""
        write_files(tmp_path / "files", pairs)
        values = SMALL | {"teacher": str(tmp_path / "files")}
        with pytest.raises(StopError):
            Distillation(**values).fit(pairs, runtime=Runtime(trackers=(crash_at(1),), **self.files(tmp_path)))
        write_files(tmp_path / "files", dataclasses.replace(pairs, image=pairs.image + np.float32(1)))
        with pytest.raises(CheckpointError, match="belongs to another configuration"):
            Distillation(**values).fit(pairs, runtime=Runtime(resume=True, **self.files(tmp_path)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"similarity": -1.0}, "similarity must not be negative, got -1.0"),
        ({"contrastive": 0.0, **ALONE}, "contrastive, teacher_distance, .* are all 0: nothing to learn from"),
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"teacher_temperature": -1.0}, "teacher_temperature must be positive, got -1.0"),
        ({"teacher": "distillation"}, "would need a teacher itself"),
        ({"teacher": 3}, "hyper-parameter teacher must be str, got 3"),
        ({"batch_size": 1}, "Distillation needs batch_size of at least 2, got 1"),
    ],
)
def test_bad_hyper_parameters_are_refused_in_one_line(values, message, pairs):
    with pytest.raises(ConfigError, match=message) as caught:
        Distillation(**SMALL | values).fit(pairs, runtime=CPU)
    assert "\n" not in str(caught.value)


def test_feature_files_of_a_large_model_teach_a_reader_of_word_counts(shared_data, tmp_path):
    """RSICD: the student counts words, the files hold sentence vectors; test captions lie more as these do."""
    with np.load(shared_data / "rsicd" / "rsicd.npz") as arrays:
        rows = np.sort(np.random.default_rng(0).choice(len(arrays["label"]), 900, replace=False))
        values = {key: arrays[key][rows] for key in ("image", "text_bow1000", "text_minilm", "label", "files")}
        names = tuple(map(str, arrays["class_names"]))
    pairs = PairedDataset(
        name="rsicd",
        image=values["image"].astype(np.float32),
        text=values["text_bow1000"].astype(np.float32),
        labels=values["label"].astype(np.int64),
        class_names=names,
        ids=tuple(map(str, values["files"])),
        split=np.where(np.arange(900) % 3 == 0, "test", "train"),
    )
    write_files(tmp_path / "files", pairs)
    np.save(tmp_path / "files" / "image.npy", pairs.image)
    np.save(tmp_path / "files" / "text.npy", values["text_minilm"].astype(np.float32))
    test = pairs.rows("test")

    def likeness(vectors: np.ndarray) -> np.ndarray:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return (unit @ unit.T)[np.triu_indices(len(unit), 1)]

    expected, found = likeness(values["text_minilm"][test].astype(np.float64)), {}
    for weight in (0.0, 10.0):
        method = Distillation(teacher=str(tmp_path / "files"), relational_distance=weight, epochs=15, **ALONE)
        method.fit(pairs.take(pairs.rows("train")), runtime=CPU)
        found[weight] = np.corrcoef(likeness(method.encode_text(pairs.text[test])), expected)[0, 1]
        assert bool(method.remarks()) == bool(weight)
    assert found[10.0] > found[0.0] + 0.04  # .57 and .49
