"""The losses of distillation against naive loops: what they are, what leaves them alone, and who gets a gradient."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from masln.losses import (
    relational_angle_loss,
    relational_distance_loss,
    similarity_transfer_loss,
    teacher_distance_loss,
)

N = 7


def draw(d: int, *, seed: int, n: int = N) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def huber(difference: float) -> float:
    return 0.5 * difference**2 if abs(difference) < 1 else abs(difference) - 0.5


def transfer(codes: Tensor, teacher: Tensor) -> Tensor:
    """The loss of two modalities, as one of a matrix of codes: its rows are shifted to make the other modality."""
    other, other_teacher = codes.roll(1, 0), teacher.roll(1, 0)
    return similarity_transfer_loss(codes, other, teacher, other_teacher, temperature=0.5, teacher_temperature=0.5)


LOSSES: list[Callable[[Tensor, Tensor], Tensor]] = [
    *(teacher_distance_loss, relational_distance_loss, relational_angle_loss),
    transfer,
]
RELATIONAL = LOSSES[1:]


def test_the_distance_is_that_of_a_loop_over_pairs():
    student, teacher = draw(5, seed=0), 3 * draw(5, seed=1)
    expected = 0.0
    for s, t in zip(student.double().numpy(), teacher.double().numpy(), strict=True):
        expected += np.sum((s / np.sqrt(np.sum(s**2)) - t / np.sqrt(np.sum(t**2))) ** 2) / N
    assert float(teacher_distance_loss(student, teacher)) == pytest.approx(expected, rel=1e-5)
    assert expected == pytest.approx(float((2 - 2 * torch.cosine_similarity(student, teacher)).mean()), rel=1e-5), (
        "2 - 2 cos"
    )


def test_relative_distances_are_those_of_a_loop_over_pairs():
    student, teacher = draw(4, seed=0), draw(9, seed=1)

    def relative(X: np.ndarray) -> np.ndarray:
        distances = np.array([[np.linalg.norm(x - y) for y in X] for x in X])
        return distances / distances[~np.eye(N, dtype=bool)].mean()

    ours, theirs = relative(student.double().numpy()), relative(teacher.double().numpy())
    expected = sum(huber(ours[i, j] - theirs[i, j]) for i in range(N) for j in range(N)) / N**2
    assert float(relational_distance_loss(student, teacher)) == pytest.approx(expected, rel=1e-5)


def test_angles_are_those_of_a_loop_over_triplets():
    student, teacher = draw(4, seed=0), draw(9, seed=1)

    def cosine(X: np.ndarray, i: int, j: int, k: int) -> float:
        a, b = X[i] - X[j], X[k] - X[j]
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    X, Y = student.double().numpy(), teacher.double().numpy()
    expected = 0.0
    for j in range(N):
        for i in range(N):
            for k in range(N):
                if i != j and k != j:
                    expected += huber(cosine(X, i, j, k) - cosine(Y, i, j, k)) / N**3
    assert float(relational_angle_loss(student, teacher)) == pytest.approx(expected, rel=1e-5)


def test_similarities_are_those_of_a_loop_over_queries():
    codes = [draw(4, seed=0), draw(4, seed=1)]
    teacher = [draw(9, seed=2), draw(9, seed=3)]

    def softmax(query: np.ndarray, gallery: np.ndarray, temperature: float) -> list[float]:
        cosines = [float(query @ g / np.linalg.norm(query) / np.linalg.norm(g)) for g in gallery]
        weights = [math.exp(c / temperature) for c in cosines]
        return [w / sum(weights) for w in weights]

    expected = 0.0
    for one, other in ((0, 1), (1, 0)):
        for i in range(N):
            q = softmax(codes[one][i].double().numpy(), codes[other].double().numpy(), 0.3)
            p = softmax(teacher[one][i].double().numpy(), teacher[other].double().numpy(), 0.6)
            expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / N / 2
    found = similarity_transfer_loss(*codes, *teacher, temperature=0.3, teacher_temperature=0.6)
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_student_that_equals_its_teacher_has_nothing_to_learn(loss):
    codes = draw(6, seed=0).requires_grad_()
    found = loss(codes, codes.detach().clone())
    assert float(found.detach()) == pytest.approx(0.0, abs=1e-6)
    (gradient,) = torch.autograd.grad(found, codes)
    assert float(gradient.abs().max()) < 1e-5
    assert float(loss(codes, draw(6, seed=1)).detach()) > 0.01


@pytest.mark.parametrize("loss", RELATIONAL)
def test_relations_do_not_ask_for_the_width_or_the_frame_of_the_teacher(loss):
    codes = draw(6, seed=0)
    turned = torch.linalg.qr(draw(9, seed=5, n=9))[0][:6]
    assert float(loss(3 * codes @ turned, codes)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_teacher_gets_no_gradient(loss):
    student, teacher = draw(6, seed=0).requires_grad_(), draw(6, seed=1).requires_grad_()
    loss(student, teacher).backward()
    assert student.grad is not None and bool(student.grad.any())
    assert teacher.grad is None


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_finite_differences(loss):
    """In float32, which the losses compute in: of a directional derivative, to some percent."""
    codes, teacher, direction = draw(6, seed=0), draw(6, seed=1), draw(6, seed=2)
    codes.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(codes, teacher), codes)
    step = 3e-3
    with torch.no_grad():
        slope = (loss(codes + step * direction, teacher) - loss(codes - step * direction, teacher)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=0.03)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["equal", "zero", "twins", "half"])
def test_degenerate_codes_give_a_finite_loss_and_gradient(loss, kind):
    codes = {
        "equal": torch.ones(N, 6),
        "zero": torch.zeros(N, 6),
        "twins": torch.cat([draw(6, seed=0)[:4]] * 2)[:N],
        "half": draw(6, seed=0).to(torch.bfloat16),
    }[kind].requires_grad_()
    found = loss(codes, draw(6, seed=1))
    (gradient,) = torch.autograd.grad(found, codes)
    assert found.dtype == torch.float32
    assert math.isfinite(float(found.detach())) and bool(gradient.isfinite().all())
    constant = loss(draw(6, seed=1), torch.zeros(N, 6))
    assert math.isfinite(float(constant))
