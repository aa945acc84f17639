"""The protocol of an algorithm: three pure functions, in the manner of optax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from ..basis import Basis
from ..counts import Counts, add, count, no_counts, total


class Algorithm(NamedTuple):
    """A way from data to the weights pi on a fixed basis.

    All three functions are pure and take one basis without batch axes; `fit_batch` maps them. They run under jit with
    traced arrays, so shapes may depend on `basis.capacity` alone. `fbgmm.testing.check_algorithm` checks the contract.

    Attributes:
        init: `init(basis) → state`, a pytree of arrays: the state before any data.
        update: `update(state, basis, x, weights) → state`, of the same structure, shapes and dtypes. x has shape (N,);
            weights is None or has shape (N,), and a weight of 0 means that the point is absent.
        weights: `weights(state, basis) → pi`, shape (capacity,), at least 0, of sum 1, 0 where not `basis.live`.
        merge: `merge(state, state) → state` for states that add up, so that parts of the data can be fitted apart and
            put together; None if the order of the data matters.

    Example:
        >>> import fbgmm
        >>> from fbgmm.algorithms.base import from_counts
        >>> histogram = from_counts(lambda c, basis: fbgmm.normalize(c + 1e-9))  # pi = the cells' shares
        >>> gmm = fbgmm.fit([0.0, 0.1, 1.0], n=2, t=0.5, algorithm=histogram)
        >>> [round(float(p), 2) for p in gmm.pi]
        [0.67, 0.33]
    """

    init: Callable[[Basis], Any]
    update: Callable[[Any, Basis, jax.Array, jax.Array | None], Any]
    weights: Callable[[Any, Basis], jax.Array]
    merge: Callable[[Any, Any], Any] | None = None


@dataclass(frozen=True)
class Bound:
    """A function with its first arguments: unlike closures, equal ones are equal, hash alike and can be pickled.

    So do algorithms made of them, which therefore share compiled programs, also with those of other processes.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __call__(self, *others: Any) -> Any:
        return self.function(*self.arguments, *others)


def from_counts(weights: Callable[[jax.Array, Basis], jax.Array]) -> Algorithm:
    """The algorithm whose state is the counts of the cells, and whose weights are `weights(c, basis)`.

    Args:
        weights: from c, shape (capacity,), and the basis to pi; pure.
    """
    return Algorithm(no_counts, _count_more, Bound(_weights_of, (weights,)), add)


def _count_more(counts: Counts, basis: Basis, x: jax.Array, data_weights: jax.Array | None) -> Counts:
    return add(counts, count(basis, x, data_weights))


def _weights_of(weights: Callable[[jax.Array, Basis], jax.Array], counts: Counts, basis: Basis) -> jax.Array:
    return weights(total(counts), basis)
