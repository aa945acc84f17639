"""The computation of a sweep: random targets, a sample of each, fits, and the loss of Eq. 9 (section 3.1).

Everything random about experiment i follows from the seed and i alone: not from the number of experiments, nor from
the algorithm, n or t. Cells that differ in these are therefore paired, and more experiments keep those there were.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import fbgmm

from ..harness.environment import Precision
from ..methods import registry
from ..methods.names import Name
from .targets import Kind, Target, random_target

_NUMBERS_PER_BLOCK = 2**20


@dataclass(frozen=True)
class Shape:
    """What fixes a compiled program; n and the seed are its arguments.

    Attributes:
        kind, data_size, algorithm, t: as in a config; all t and algorithms are measured in one call.
        capacity: the largest n.
        experiments: as in a config; they are computed in blocks, so that memory stays bounded.
        precision: as in a config; it must be JAX's default when the program is compiled and run.
    """

    kind: Kind
    data_size: int
    algorithm: tuple[Name, ...]
    t: tuple[float, ...]
    capacity: int
    experiments: int
    precision: Precision

    @property
    def block(self) -> int:
        """Experiments in a block: blocks of about equal size, each of about a million numbers at a time."""
        each = max(self.data_size, self.capacity * (16 + len(self.t) * len(self.algorithm)))
        blocks = math.ceil(self.experiments / max(1, _NUMBERS_PER_BLOCK // each))
        return math.ceil(self.experiments / blocks)


class Program:
    """The compiled computation of all cells of a `Shape`.

    Attributes:
        compile_seconds: seconds spent tracing and compiling it (less where the cache of compiled programs had it).
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        started = time.perf_counter()
        arguments = [jax.ShapeDtypeStruct((), jnp.int32)] * 3
        self._block = jax.jit(partial(block_losses, shape)).lower(*arguments).compile()
        self.compile_seconds = time.perf_counter() - started

    def blocks(self, seed: int, n: int) -> Iterator[np.ndarray]:
        """Losses block by block, each of shape (experiments in the block, len(t), len(algorithm))."""
        experiments, block = self.shape.experiments, self.shape.block
        for start in range(0, experiments, block):
            losses = self._block(*(np.asarray(value, np.int32) for value in (seed, start, n)))
            yield np.asarray(losses, np.float64)[: experiments - start]


def block_losses(shape: Shape, seed: jax.Array, start: jax.Array, n: jax.Array) -> jax.Array:
    """Losses of the experiments start … start + block − 1, shape (block, len(t), len(algorithm))."""
    algorithms = [algorithm for name in shape.algorithm if (algorithm := registry.find(name)[1].algorithm) is not None]

    def measure(target: Target, x: jax.Array) -> jax.Array:
        def at_width(basis: fbgmm.Basis) -> jax.Array:
            pi = jnp.stack([fit_pi(algorithm, basis, x) for algorithm in algorithms])
            return jax.vmap(lambda p: fbgmm.information_loss(target.cdf, fbgmm.Mixture(basis, p)))(pi)

        return over_widths(at_width, x, n, shape.t, shape.capacity)

    return map_experiments(measure, shape.kind, shape.data_size, seed, start, shape.block)


def map_experiments(
    measure: Callable[[Target, jax.Array], Any],
    kind: Kind,
    data_size: int,
    seed: jax.Array,
    start: jax.Array,
    number: int,
    spread: float = 1.0,
) -> Any:
    """`measure(target, sample)`, a pytree, of the experiments start … start + number − 1 along a leading axis.

    Args:
        spread: factor of the standard deviations of the target's components.
    """
    key_target, key_sample = jax.random.split(jax.random.key(seed))

    def one(i: jax.Array) -> Any:
        target = random_target(jax.random.fold_in(key_target, i), kind)
        target = replace(target, scale=spread * target.scale)
        return measure(target, target.sample(jax.random.fold_in(key_sample, i), (data_size,)))

    return jax.vmap(one)(start + jnp.arange(number, dtype=jnp.int32))


def over_widths(
    measure: Callable[[fbgmm.Basis], Any], x: jax.Array, n: jax.Array | int, t: Sequence[float], capacity: int
) -> Any:
    """`measure(basis)`, a pytree, of the bases over the data's range with sigma = t·r, along a leading axis."""
    widest = fbgmm.init_basis(jnp.min(x), jnp.max(x), n, max(t), capacity=capacity)
    return jax.vmap(lambda t: measure(replace(widest, sigma=t * widest.r)))(jnp.asarray(t, x.dtype))


def fit_pi(algorithm: fbgmm.Algorithm, basis: fbgmm.Basis, x: jax.Array) -> jax.Array:
    """The weights that an algorithm learns on a basis that is already there."""
    return algorithm.weights(algorithm.update(algorithm.init(basis), basis, x, None), basis)
