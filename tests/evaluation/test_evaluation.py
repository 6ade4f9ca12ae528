from __future__ import annotations

import json

import numpy as np
import pytest

from masln.data import make_class_split
from masln.errors import DataError, ProtocolError, SplitError
from masln.evaluation import DIRECTIONS, Protocol, block_normalize, evaluate, part_rows, random_codes
from tests.evaluation import naive

CLASSES = 6
SPLIT = make_class_split([f"class {i}" for i in range(CLASSES)], rule="parity")


def codes(n=120, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % CLASSES)
    means = rng.normal(size=(CLASSES, 5))
    image = means[labels] + rng.normal(size=(n, 5))
    text = means[labels] + rng.normal(size=(n, 5))
    split = np.array(["train", "test", "validation", "test"])[np.arange(n) // CLASSES % 4]
    return image, text, labels, split


def naive_map(queries, gallery, query_labels, gallery_labels):
    scores = naive.similarities(queries, gallery, "cosine")
    return np.mean(
        [
            naive.average_precision(naive.relevant_ranks(row, gallery_labels == label))
            for row, label in zip(scores, query_labels, strict=True)
        ]
    )


@pytest.mark.parametrize("normalize", ["none", "block"])
@pytest.mark.parametrize(
    ("setting", "gallery"),
    [("standard", "test"), ("seen_unseen", "test"), ("seen_unseen", "train"), ("generalized", "test")],
)
def test_every_part_and_direction_equals_a_plain_loop(setting, gallery, normalize):
    image, text, labels, split = codes()
    protocol = Protocol(setting=setting, gallery=gallery, normalize=normalize)
    evaluation = evaluate(image, text, labels, split, class_split=SPLIT, protocol=protocol)
    change = block_normalize if normalize == "block" else lambda x: x
    for part in part_rows(labels, split, class_split=SPLIT, protocol=protocol):
        of = labels[part.queries], labels[part.gallery]
        there = naive_map(change(image[part.queries]), change(text[part.gallery]), *of)
        back = naive_map(change(text[part.queries]), change(image[part.gallery]), *of)
        assert evaluation.map(part.name, "i2t") == pytest.approx(there, abs=1e-12)
        assert evaluation.map(part.name, "t2i") == pytest.approx(back, abs=1e-12)
        assert evaluation.map(part.name) == pytest.approx((there + back) / 2, abs=1e-12)
        for direction in DIRECTIONS:
            result = evaluation.parts[part.name][direction]
            assert result.rows.tolist() == part.queries.tolist()
            assert result.labels.tolist() == of[0].tolist()
            assert result.gallery_size == len(part.gallery)
            for label, value in result.per_class.items():
                assert value == pytest.approx(result.average_precision[result.labels == label].mean())


def test_the_harmonic_mean_belongs_to_the_generalized_setting():
    image, text, labels, split = codes()
    both = evaluate(image, text, labels, split, class_split=SPLIT, protocol=Protocol(setting="generalized"))
    for direction in (*DIRECTIONS, "average"):
        unseen, seen = both.map("unseen", direction), both.map("seen", direction)
        assert both.map("harmonic", direction) == pytest.approx(2 / (1 / unseen + 1 / seen))
    assert both.to_dict()["parts"]["harmonic"]["average"]["mAP"] == both.map("harmonic")
    apart = evaluate(image, text, labels, split, class_split=SPLIT, protocol=Protocol())
    assert "harmonic" not in apart.to_dict()["parts"]
    with pytest.raises(ProtocolError, match="unknown scored part 'harmonic'"):
        apart.map("harmonic")
    alone = evaluate(
        *(image, text, labels, split),
        class_split=SPLIT,
        protocol=Protocol(setting="generalized"),
        parts=["unseen"],
    )
    assert not alone.has_harmonic and list(alone.parts) == ["unseen"]


def test_instance_relevance_finds_the_paired_item():
    image, text, labels, split = codes()
    protocol = Protocol(setting="standard", relevance="instance", cutoffs=(1, 5, 10))
    evaluation = evaluate(image, text, labels, split, class_split=None, protocol=protocol)
    rows = np.flatnonzero(split == "test")
    scores = naive.similarities(image[rows], text[rows], "cosine")
    ranks = np.array([naive.relevant_ranks(scores[i], np.arange(len(rows)) == i)[0] for i in range(len(rows))])
    metrics = evaluation.parts["all"]["i2t"].metrics
    assert metrics["median_rank"] == np.median(ranks)
    for k in (1, 5, 10):
        assert metrics[f"R@{k}"] == metrics[f"recall@{k}"] == pytest.approx((ranks <= k).mean())
    assert metrics["MRR"] == metrics["mAP"] == pytest.approx((1 / ranks).mean())


def test_captions_of_one_picture_match_each_other():
    image, text, labels, _ = codes()
    protocol = Protocol(setting="standard", relevance="instance", cutoffs=(1, 5))
    pictures = np.arange(len(labels)) // 2
    both_test = np.where(pictures % 2 == 0, "test", "train")
    evaluation = evaluate(
        image, text, np.zeros_like(labels), both_test, class_split=None, protocol=protocol, instances=pictures
    )
    rows = np.flatnonzero(both_test == "test")
    own = pictures[rows]
    scores = naive.similarities(text[rows], image[rows[::2]], "cosine")  # each picture once in the gallery
    first = np.array([naive.relevant_ranks(s, own[::2] == p)[0] for s, p in zip(scores, own, strict=True)])
    assert evaluation.metric("R@5", "all", "t2i") == pytest.approx(np.mean(first <= 5))
    assert evaluation.metric("median_rank", "all", "t2i") == np.median(first)
    back = naive.similarities(image[rows[::2]], text[rows], "cosine")  # and once among the queries
    best = np.array([naive.relevant_ranks(s, own == p)[0] for s, p in zip(back, own[::2], strict=True)])
    assert evaluation.metric("R@5", "all", "i2t") == pytest.approx(np.mean(best <= 5))
    assert evaluation.parts["all"]["i2t"].rows.tolist() == rows[::2].tolist()
    with pytest.raises(ProtocolError, match="more captions than pictures"):
        evaluation.average_precision("all")


def sets_of(labels, seed=0, share=0.15):
    sets = np.random.default_rng(seed).random((len(labels), CLASSES)) < share
    sets[np.arange(len(labels)), labels] = True
    return sets


@pytest.mark.parametrize("denominator", ["hits", "min", "all"])
@pytest.mark.parametrize(
    ("setting", "gallery"),
    [("standard", "test"), ("seen_unseen", "test"), ("seen_unseen", "train"), ("generalized", "test")],
)
def test_every_figure_of_shared_labels_equals_a_plain_loop(setting, gallery, denominator):
    image, text, labels, split = codes(240)
    image, text = np.round(image), np.round(text)  # so that scores tie
    sets = sets_of(labels)
    protocol = Protocol(
        setting=setting,
        gallery=gallery,
        relevance="shared-label",
        similarity="dot",
        cutoffs=(1, 4, 30),
        map_denominator=denominator,
    )
    class_split = None if setting == "standard" else SPLIT
    told = {"class_split": class_split, "protocol": protocol, "label_sets": sets}
    evaluation = evaluate(image, text, labels, split, **told)
    for part in part_rows(labels, split, **told):
        relevant = (sets[part.queries].astype(int) @ sets[part.gallery].T) > 0
        if setting == "standard":
            assert (sets[part.queries].sum(axis=1) > 1).any(), "queries of several labels are among them"
        for direction, (queries, items) in {"i2t": (image, text), "t2i": (text, image)}.items():
            scores = naive.similarities(queries[part.queries], items[part.gallery], "dot")
            ranks = [naive.relevant_ranks(s, r) for s, r in zip(scores, relevant, strict=True)]
            expected = {
                "mAP": [naive.average_precision(r) for r in ranks],
                "MRR": [1 / r[0] for r in ranks],
                "R-precision": [naive.hits(r, len(r)) / len(r) for r in ranks],
            }
            for k in protocol.cutoffs:
                expected[f"mAP@{k}"] = [naive.average_precision_at(r, k, denominator) for r in ranks]
                expected[f"precision@{k}"] = [naive.hits(r, k) / k for r in ranks]
                expected[f"recall@{k}"] = [naive.hits(r, k) / len(r) for r in ranks]
                expected[f"nDCG@{k}"] = [naive.ndcg(r, k) for r in ranks]
            result = evaluation.parts[part.name][direction]
            assert set(result.metrics) == set(expected)
            for name, values in expected.items():
                np.testing.assert_allclose(result.per_query[name], values, rtol=0, atol=1e-12, err_msg=name)
                assert result.metrics[name] == pytest.approx(np.mean(values), abs=1e-12)
            curve = [np.mean([naive.interpolated(r, recall) for r in ranks]) for recall in np.linspace(0, 1, 101)]
            np.testing.assert_allclose(result.precision_recall, curve, atol=1e-12)
            carried = sets[part.queries]
            assert sorted(result.per_class) == np.flatnonzero(carried.any(axis=0)).tolist()
            for label, value in result.per_class.items():
                assert value == pytest.approx(np.mean(np.array(expected["mAP"])[carried[:, label]]), abs=1e-12)
            assert result.skipped == 0 and result.labels.tolist() == labels[part.queries].tolist()


def test_sets_of_one_label_are_relevance_by_class():
    image, text, labels, split = codes()
    sets = np.eye(CLASSES, dtype=bool)[labels]
    for setting in ("seen_unseen", "generalized"):
        plain = evaluate(image, text, labels, split, class_split=SPLIT, protocol=Protocol(setting=setting))
        shared = Protocol(setting=setting, relevance="shared-label")
        found = evaluate(image, text, labels, split, class_split=SPLIT, protocol=shared, label_sets=sets)
        assert found.to_dict()["parts"] == plain.to_dict()["parts"]


def test_label_sets_leave_mixed_queries_out_whatever_the_relevance():
    image, text, labels, split = codes(240)
    sets = sets_of(labels)
    seen = np.isin(np.arange(CLASSES), SPLIT.seen)
    for relevance in ("class", "instance", "shared-label"):
        protocol = Protocol(relevance=relevance)
        result = evaluate(image, text, labels, split, class_split=SPLIT, protocol=protocol, label_sets=sets)
        for part, others in (("seen", ~seen), ("unseen", seen)):
            expected = np.flatnonzero((split == "test") & ~sets[:, others].any(axis=1))
            assert result.parts[part]["i2t"].rows.tolist() == expected.tolist()
            assert 0 < len(expected) < ((split == "test") & np.isin(labels, np.flatnonzero(~others))).sum()


def test_shared_labels_without_label_sets_are_refused():
    protocol = Protocol(relevance="shared-label")
    with pytest.raises(ProtocolError, match="needs label sets, and these data have one label a pair") as caught:
        evaluate(*codes(), class_split=SPLIT, protocol=protocol)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"label_sets \(119, 6\) must have a row for each of 120 pairs"):
        evaluate(*codes(), class_split=SPLIT, protocol=protocol, label_sets=sets_of(codes()[2])[:-1])


def test_all_metrics_of_the_protocol_are_there_and_json_able():
    image, text, labels, split = codes()
    protocol = Protocol(cutoffs=(2, 7), map_denominator="hits")
    evaluation = evaluate(image, text, labels, split, class_split=SPLIT, protocol=protocol)
    saved = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    metrics = saved["parts"]["unseen"]["i2t"]["metrics"]
    per_k = [f"{name}@{k}" for k in (2, 7) for name in ("mAP", "precision", "recall", "nDCG")]
    assert set(metrics) == {"mAP", "MRR", "R-precision", *per_k}
    assert saved["protocol"]["hash"] == protocol.hash
    assert saved["parts"]["unseen"]["average"]["metrics"]["mAP"] == evaluation.map("unseen")
    assert set(saved["parts"]["seen"]["i2t"]["per_class_mAP"]) == {"1", "3", "5"}
    curve = evaluation.parts["unseen"]["i2t"]
    assert curve.precision_recall.shape == (101,) and curve.eleven_point.shape == (11,)
    assert (np.diff(curve.precision_recall) <= 1e-12).all()
    assert saved["parts"]["unseen"]["i2t"]["eleven_point_precision"] == curve.eleven_point.tolist()
    # the denominator of mAP@k is the protocol's
    other = Protocol(cutoffs=(2, 7), map_denominator="all")
    again = evaluate(image, text, labels, split, class_split=SPLIT, protocol=other)
    assert again.metric("mAP@2", "unseen") < evaluation.metric("mAP@2", "unseen")


def test_queries_with_nothing_relevant_are_counted():
    image, text, labels, split = codes()
    split[labels == 2] = "test"  # no training item of this unseen class is left to be found
    with pytest.raises(ProtocolError, match="no train pair of class 2"):
        evaluate(image, text, labels, split, class_split=SPLIT, protocol=Protocol(gallery="train"))
    protocol = Protocol(gallery="train", empty="skip")
    result = evaluate(image, text, labels, split, class_split=SPLIT, protocol=protocol).parts["unseen"]["i2t"]
    assert result.skipped == (labels == 2).sum() == np.isnan(result.average_precision).sum()
    scored = result.labels != 2
    assert result.metrics["mAP"] == pytest.approx(result.average_precision[scored].mean())
    saved = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert saved["skipped"] == result.skipped and saved["per_class_mAP"]["2"] is None


def test_per_query_figures_serve_the_statistics():
    image, text, labels, split = codes()
    evaluation = evaluate(image, text, labels, split, class_split=SPLIT, protocol=Protocol())
    figures = evaluation.average_precision("unseen")
    assert figures.shape == (len(evaluation.parts["unseen"]["i2t"].rows), 2)
    assert figures.mean() == pytest.approx(evaluation.map("unseen"))


def test_the_result_does_not_depend_on_threads():
    image, text, labels, split = codes(2400)
    one, three = (
        evaluate(image, text, labels, split, class_split=SPLIT, protocol=Protocol(), threads=threads).to_dict()
        for threads in (1, 3)
    )
    assert one == three


def test_chance_is_repeatable_and_collapsed_codes_score_it():
    _, _, labels, split = codes(1200)
    n = len(labels)
    chance = evaluate(
        random_codes(n, 8, 1), random_codes(n, 8, 2), labels, split, class_split=SPLIT, protocol=Protocol()
    )
    for normalize in ("none", "block"):
        collapsed = evaluate(
            *(np.full((n, 8), 0.3), np.full((n, 8), 0.3), labels, split),
            class_split=SPLIT,
            protocol=Protocol(normalize=normalize),
        )
        for part in ("unseen", "seen"):
            assert collapsed.map(part) == pytest.approx(chance.map(part), abs=0.02)
    np.testing.assert_array_equal(random_codes(5, 3, 1), random_codes(5, 3, 1))
    assert not np.array_equal(random_codes(5, 3, 1), random_codes(5, 3, 2))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda a: a[0].__setitem__((3, 1), np.inf), DataError, "image codes: 1 of 120 rows.*row 3"),
        (lambda a: a[1].__setitem__((0, 0), np.nan), DataError, "text codes: 1 of 120 rows.*row 0"),
        (lambda a: a.__setitem__(1, a[1][:-1]), DataError, "119 text codes"),
        (lambda a: a.__setitem__(2, a[2][:-1]), DataError, "119 labels"),
        (lambda a: a.__setitem__(1, a[1][:, :3]), DataError, "5 wide and gallery codes 3"),
        (lambda a: a[3].__setitem__(a[2] == 2, "train"), ProtocolError, r"no test pair of class 2 \(class 2\)"),
    ],
)
def test_bad_input_is_named(change, kind, message):
    arguments = list(codes())
    change(arguments)
    with pytest.raises(kind, match=message):
        evaluate(*arguments, class_split=SPLIT, protocol=Protocol(), class_names=SPLIT.class_names)


def test_what_was_not_scored_is_named():
    image, text, labels, split = codes()
    evaluation = evaluate(image, text, labels, split, class_split=SPLIT, protocol=Protocol(), parts=["unseen"])
    for arguments, message in [
        (("mAP", "seen"), "unknown scored part 'seen'"),
        (("precison@5", "unseen"), "did you mean 'precision@5'"),
        (("mAP", "unseen", "i2i"), "unknown direction"),
        (("precision@3", "unseen"), "unknown metric"),
    ]:
        with pytest.raises(ProtocolError, match=message):
            evaluation.metric(*arguments)
    with pytest.raises(SplitError, match="needs a class split"):
        evaluate(image, text, labels, split, class_split=None, protocol=Protocol())


@pytest.mark.parametrize(
    ("setting", "gallery", "part", "expected"),
    [
        ("seen_unseen", "train", "unseen", 0.216),
        ("seen_unseen", "test", "unseen", 0.237),
        ("standard", "test", "all", 0.120),
    ],
)
def test_chance_on_wikipedia_is_the_documented_one(shared_data, setting, gallery, part, expected):
    with np.load(shared_data / "wikipedia" / "wikipedia.npz", allow_pickle=False) as arrays:
        labels = arrays["label"].astype(np.int64)
        split = np.where(arrays["split"] == 1, "test", "train")
    class_split = make_class_split([str(i) for i in range(10)], rule="parity")
    figures = [
        evaluate(
            *(random_codes(len(labels), 32, seed), random_codes(len(labels), 32, seed + 100), labels, split),
            class_split=class_split,
            protocol=Protocol(setting=setting, gallery=gallery),
            parts=[part],
        ).map(part)
        for seed in range(10)
    ]
    assert np.mean(figures) == pytest.approx(expected, abs=0.01)
