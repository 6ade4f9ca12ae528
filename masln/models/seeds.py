"""Several seeds of one method, fitted in one pass where its network allows it and one after another where not."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from sklearn.base import clone

from masln.data import PairedDataset
from masln.errors import ConfigError
from masln.models.base import Method, ValidationScore, mean_map
from masln.models.deep import DeepMethod
from masln.training import NotBatchedError, RandomStreams, Runtime, resolve_device, train_seeds

__all__ = ["SeedFits", "fit_seeds", "fit_together", "why_seeds_run_apart"]


class SeedFits(NamedTuple):
    """Fits of one method that differ in the seed.

    Attributes:
        methods: Fitted, in the order of the seeds.
        apart: Why they were fitted one after another; empty where one pass fitted them all.
    """

    methods: list[Method]
    apart: str


def why_seeds_run_apart(method: Method, *, precision: str = "fp32") -> str:
    """Why seeds of a method cannot train in one pass; empty where nothing is known to be in the way.

    What a network's objectives do shows in the first step alone: ``fit_seeds`` then starts anew, one after another.
    """
    name = type(method).__name__
    if not isinstance(method, DeepMethod):
        return f"{name} trains no network"
    if type(method)._fit is not DeepMethod._fit:
        return f"{name} does more in a fit than to train its network"
    if method.rounding_grows:
        return f"rounding grows into the codes of {name}"
    if precision != "fp32":
        return f"in {precision} the order of a sum changes more than rounding"
    return ""


def fit_seeds(
    method: Method,
    seeds: Sequence[int],
    train: PairedDataset,
    validation: PairedDataset | None = None,
    *,
    runtime: Runtime | Sequence[Runtime] | None = None,
    score: ValidationScore | None = None,
) -> SeedFits:
    """Fit a method with several seeds: each as ``fit`` would alone, in one batched pass where that is possible.

    Every seed has its own initial weights, order of pairs and dropout, drawn as in a fit of its own; the products of
    matrices are batched, which rounds otherwise. Codes agree with those of a fit alone to 1e-4 over the few epochs of
    the tests; over a long training rounding may grow, as it does after any change in the last place
    (``benchmarks/batched_seeds.py``).

    Args:
        method: Its hyper-parameters are taken, but for the seed; itself it stays as it is.
        seeds: One for each fit.
        train: As for ``Method.fit``, like all that follow.
        validation: For early stopping; each seed has a patience of its own.
        runtime: One for all, or one for each seed. A pass writes and reads no checkpoints: stopped, it starts anew.
        score: Of validation codes.

    Raises:
        ConfigError: the method has no seed, or there are not as many runtimes as seeds.
    """
    if "seed" not in method.get_params():
        raise ConfigError(f"{type(method).__name__} has no seed: fit it once")
    alone = Runtime() if runtime is None else runtime
    runtimes = [alone] * len(seeds) if isinstance(alone, Runtime) else list(alone)
    if len(runtimes) != len(seeds):
        raise ConfigError(f"{len(seeds)} seeds need as many runtimes, got {len(runtimes)}")
    try:
        return SeedFits(fit_together(method, seeds, train, validation, runtimes=runtimes, score=score), "")
    except NotBatchedError as error:
        fits = zip(seeded(method, seeds), runtimes, strict=True)
        methods = [one.fit(train, validation, runtime=own, score=score) for one, own in fits]
        return SeedFits(methods, str(error))


def fit_together(
    method: Method,
    seeds: Sequence[int],
    train: PairedDataset,
    validation: PairedDataset | None = None,
    *,
    runtimes: Sequence[Runtime],
    score: ValidationScore | None = None,
) -> list[Method]:
    """Fit a method with several seeds in one pass; see ``fit_seeds``.

    Raises:
        NotBatchedError: it must be done one after another.
    """
    reason = "there is one seed" if len(seeds) < 2 else why_seeds_run_apart(method, precision=runtimes[0].precision)
    if reason:
        raise NotBatchedError(reason)
    methods: list[DeepMethod] = seeded(method, seeds)
    device = resolve_device(runtimes[0].device)
    streams = RandomStreams(device)
    with ExitStack() as stack:
        sources = []
        for one, runtime in zip(methods, runtimes, strict=True):
            one._accept(train, validation)
            stack.enter_context(one._seeded(device))
            sources.append(one._prepare(train, device, runtime))
            streams.add()
        data = sources[0]  # scaled features are the same for every seed
        del sources
        results = train_seeds(
            [one.network_ for one in methods],
            data,
            [one.plan() for one in methods],
            runtimes=runtimes,
            streams=streams,
            validate=[
                one._validation(data, validation, runtime, score or mean_map)
                for one, runtime in zip(methods, runtimes, strict=True)
            ],
            title=type(method).__name__,
        )
        for one, result in zip(methods, results, strict=True):
            one._conclude(data, result)
    return list(methods)


def seeded(method: Method, seeds: Sequence[int]) -> list[Any]:
    """Unfitted copies of a method, one for each seed."""
    return [clone(method).set_params(seed=seed) for seed in seeds]
