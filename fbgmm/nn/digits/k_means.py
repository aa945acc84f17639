"""Codes split into parts: k-means (Lloyd 1982), started as by Arthur and Vassilvitskii (2007), many classes at once."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from ..._typing import Array, Float, Int, Key

_STEPS = 20


@partial(jax.jit, static_argnames=("parts", "least"))
def k_means(
    key: Key, x: Float[Array, "C N D"], weights: Float[Array, "C N"], parts: int, least: int
) -> Int[Array, "C N"]:
    """The part that each point belongs to, 0 to parts − 1, for each of C data sets.

    Parts with fewer than `least` points are dissolved: their points go to the nearest of the others.

    Args:
        key: of the start: each centre a point drawn with probability as its squared distance to those before.
        x: points.
        weights: 0 for points that are absent, 1 for others.
        parts: how many; static.
        least: points that a part needs; static.
    """
    return jax.vmap(lambda k, x, w: _one(k, x, w, parts, least))(jax.random.split(key, x.shape[0]), x, weights)


def _one(key: Array, x: Array, w: Array, parts: int, least: int) -> Array:
    keys = jax.random.split(key, parts)

    def another(k: Array, centres: Array) -> Array:
        near = jnp.min(jnp.where((jnp.arange(parts) < k)[None, :], _squares(x, centres), jnp.inf), axis=1)
        chance = w * jnp.where(k == 0, 1.0, near)
        return centres.at[k].set(x[jax.random.categorical(keys[k], jnp.log(chance))])

    def step(centres: Array, _: None) -> tuple[Array, None]:
        members = _members(jnp.argmin(_squares(x, centres), axis=1), w, parts)
        size = jnp.sum(members, axis=0)[:, None]
        return jnp.where(size > 0, members.T @ x / jnp.maximum(size, 1), centres), None

    centres = jax.lax.fori_loop(0, parts, another, jnp.zeros((parts, x.shape[1]), x.dtype))
    centres, _ = jax.lax.scan(step, centres, None, length=_STEPS)
    squares = _squares(x, centres)
    size = jnp.sum(_members(jnp.argmin(squares, axis=1), w, parts), axis=0)
    large = (size >= least) | (size == jnp.max(size))
    return jnp.argmin(jnp.where(large[None, :], squares, jnp.inf), axis=1)


def _squares(x: Array, centres: Array) -> Array:
    """Squared distances, shape (N, parts)."""
    cross = jnp.matmul(x, centres.T, precision=jax.lax.Precision.HIGHEST)
    square = jnp.sum(x * x, axis=1)[:, None] - 2 * cross + jnp.sum(centres * centres, axis=1)[None, :]
    return jnp.maximum(square, 0)


def _members(part: Array, w: Array, parts: int) -> Array:
    return jax.nn.one_hot(part, parts, dtype=w.dtype) * w[:, None]
