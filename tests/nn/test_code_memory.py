"""The code memory against a list that forgets its oldest entries, and pytorch-metric-learning's cross-batch memory."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from masln.errors import ConfigError, DataError
from masln.losses import supervised_contrastive_loss
from masln.nn import CodeMemory

NOTHING = torch.empty(0, dtype=torch.int64)


def add(memory: CodeMemory, rows: list[int]) -> None:
    """Pairs whose codes, labels and ids can be told from their number."""
    ids = torch.tensor(rows, dtype=torch.int64)
    codes = ids[:, None] * torch.ones(1, 2)
    memory.add(codes, -codes, ids % 3, ids)


def contents(memory: CodeMemory, without: torch.Tensor = NOTHING) -> set[tuple[float, float, int]]:
    found = memory.recall(without=without)
    assert found.first.shape == found.second.shape == (len(found.labels), 2)
    firsts, seconds = found.first[:, 0].tolist(), found.second[:, 1].tolist()
    return set(zip(firsts, seconds, found.labels.tolist(), strict=True))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 7), st.lists(st.integers(0, 9), max_size=6))
def test_the_last_pairs_are_remembered(length, batches):
    memory, expected, seen = CodeMemory(length, 2), deque(maxlen=length), 0
    for size in batches:
        rows = list(range(seen, seen + size))
        add(memory, rows)
        expected.extend(rows)
        seen += size
        assert contents(memory) == {(float(r), -float(r), r % 3) for r in expected} and len(memory) == len(expected)


def test_pairs_of_the_batch_are_left_out():
    memory = CodeMemory(5, 2)
    add(memory, [0, 1, 2])
    assert contents(memory, torch.tensor([0, 2, 4])) == {(1.0, -1.0, 1)}
    assert contents(memory, torch.tensor([3])) == contents(memory), "places that were never written hold id 0"
    assert len(CodeMemory(5, 2).recall(without=torch.tensor([7])).labels) == 0


def test_a_loaded_memory_goes_on_where_it_was():
    """Pointer and number of pairs too, which pytorch-metric-learning's memory forgets."""
    memory, copy = CodeMemory(4, 2), CodeMemory(4, 2)
    add(memory, [0, 1, 2, 3, 4])
    copy.load_state_dict(memory.state_dict())
    for each in (memory, copy):
        add(each, [5, 6])
    assert contents(copy) == contents(memory) == {(float(r), -float(r), r % 3) for r in (3, 4, 5, 6)}
    assert all(torch.equal(value, copy.state_dict()[name]) for name, value in memory.state_dict().items())


def test_codes_are_kept_without_a_graph_and_in_float32():
    memory = CodeMemory(4, 2)
    codes = torch.ones(2, 2, dtype=torch.bfloat16, requires_grad=True)
    memory.add(codes, codes, torch.tensor([1, 2]), torch.tensor([0, 1]))
    found = memory.recall(without=NOTHING)
    assert found.first.dtype == torch.float32 and not found.first.requires_grad


def test_losses_with_it_are_those_of_pytorch_metric_learning():
    """Its memory takes the batch in before the loss, ours after it: both then see the same candidates."""
    from pytorch_metric_learning.losses import CrossBatchMemory, SupConLoss

    def make() -> CrossBatchMemory:
        return CrossBatchMemory(SupConLoss(temperature=0.2), embedding_size=6, memory_size=20)

    there, back, ours = make(), make(), CodeMemory(14, 6)
    generator = torch.Generator().manual_seed(0)
    queued = torch.arange(12) >= 6  # of the codes handed over, the candidates; the others are the anchors
    for step in range(6):
        first, second = torch.randn(2, 6, 6, generator=generator)
        labels, rows = torch.arange(6) % 3, torch.arange(6 * step, 6 * step + 6)
        expected = (
            there(torch.cat([first, second]), labels.repeat(2), enqueue_mask=queued)
            + back(torch.cat([second, first]), labels.repeat(2), enqueue_mask=queued)
        ) / 2
        loss = supervised_contrastive_loss(first, second, labels, scale=5.0, memory=ours.recall(without=rows))
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        ours.add(first, second, labels, rows)


def test_mistakes_are_refused():
    with pytest.raises(ConfigError, match="must hold at least one pair, got length 0"):
        CodeMemory(0, 2)
    with pytest.raises(DataError, match=r"as many of each, got \[2, 2, 1, 2\] rows"):
        CodeMemory(4, 2).add(torch.ones(2, 2), torch.ones(2, 2), torch.ones(1), torch.ones(2))
