"""Sampling: random words, and which component each draw comes from.

The component is found by Walker's alias table for many draws, by bisection for few.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax.extend.random import threefry_2x32

from .._typing import Array, Float, Int, Key, UInt
from .cumulative import running_max, running_sum

_ALIAS_PAYS = 4  # draws for each component above which making the table costs less than it saves
_ALIAS_MOST = 1 << 16  # components that 32 random bits can choose from with 16 bits to spare


@partial(jax.jit, static_argnames=("shape", "dtype"))
def bits_and_normal(key: Key, shape: tuple[int, ...], dtype: jnp.dtype) -> tuple[Array, Array]:
    """Uniform random words, uint32, and independent standard normal draws, both of that shape."""
    size, words = math.prod(shape), jax.random.key_data(key)
    if dtype == jnp.float32 and words.shape == (2,) and 0 < size < 2**32:
        # Threefry makes two words at a time and `jax.random` keeps one: taking both halves the time of sampling.
        i = jax.lax.iota(jnp.uint32, size)
        both = threefry_2x32(words, jnp.concatenate([i, jnp.zeros_like(i)])).reshape(2, *shape)
        return both[0], _normal(both[1])
    key_bits, key_normal = jax.random.split(key)
    return jax.random.bits(key_bits, shape, jnp.uint32), jax.random.normal(key_normal, shape, dtype)


def _normal(bits: Array) -> Array:
    """Standard normal draws from random words, by inversion of 23 bits, each in the middle of its interval."""
    unit = jax.lax.bitcast_convert_type((bits >> 9) | jnp.uint32(0x3F800000), jnp.float32)  # in [1, 2)
    return math.sqrt(2) * jax.lax.erf_inv(2 * (unit - 1.5) + 2.0**-23)


def choose_components(pi: Float[Array, " n"], bits: UInt[Array, "*draws"]) -> Int[Array, "*draws"]:
    """Component indices with probabilities pi.

    Args:
        pi: weights, at least 0 and of sum 1, shape (n,).
        bits: uniform random bits, uint32, one for each draw.
    """
    n = pi.shape[0]
    if n < _ALIAS_MOST and bits.size >= _ALIAS_PAYS * n:
        return _by_alias(pi, bits)
    return _by_bisection(pi, bits)


def _by_bisection(pi: Array, bits: Array) -> Array:
    heap = jnp.cumsum(pi)
    i = jnp.searchsorted(heap, bits.astype(pi.dtype) * 2.0**-32 * heap[-1], side="right")
    # A draw at the very end may round up to the whole mass: it belongs to the last weight above zero.
    return jnp.minimum(i, jnp.max(jnp.where(pi > 0, jnp.arange(pi.shape[0]), 0)))


def _by_alias(pi: Array, bits: Array) -> Array:
    n = pi.shape[0]
    accept, alias = alias_table(pi)
    # bits·n in 16-bit halves: its upper word is a uniform index, its lower one a uniform fraction.
    high, low = bits >> 16, (bits & 0xFFFF) * jnp.uint32(n)
    product = high * jnp.uint32(n) + (low >> 16)
    index = (product >> 16).astype(jnp.int32)
    fraction = (((product & 0xFFFF) << 16) | (low & 0xFFFF)).astype(pi.dtype) * 2.0**-32
    return jnp.where(fraction < accept[index], index, alias[index])


def alias_table(pi: Float[Array, " n"]) -> tuple[Float[Array, " n"], Int[Array, " n"]]:
    """Walker's table: take a uniform index i; keep it with probability accept_i, else take alias_i.

    Made without a loop: the cells lacking mass are filled in order from those with too much, so that who fills whom
    follows from where the running sums of what is lacking and of what is left over meet (Hübschle-Schneider and
    Sanders 2022, section 4.1, as a sweep).
    """
    n = pi.shape[0]
    mass = pi * (n / jnp.sum(pi))
    over = mass > 1
    order = jnp.argsort(over, stable=True)  # lacking cells first
    sorted_mass, is_over = mass[order], over[order]
    # Who fills whom is read off twice, from either side: it must be the same sums, and they must never fall.
    lacking = running_max(running_sum(jnp.where(is_over, 0, 1 - sorted_mass)), 0)
    left = running_max(running_sum(jnp.where(is_over, sorted_mass - 1, 0)), 0)
    before = jnp.concatenate([jnp.zeros(1, pi.dtype), lacking[:-1]])
    # A lacking cell is filled by the first whose sum of leftovers exceeds what was lacking before it …
    filler = jnp.searchsorted(left, before, side="right")
    # … and a cell with leftovers lacks itself once what is lacking exceeds the sum; the next one fills it.
    emptied = jnp.searchsorted(lacking, left, side="left")
    rest = 1 + left - lacking[jnp.minimum(emptied, n - 1)]
    accept = jnp.where(is_over, jnp.where(emptied < n, rest, 1), sorted_mass)
    other = order[jnp.minimum(jnp.where(is_over, jnp.arange(n) + 1, filler), n - 1)]
    accept = jnp.where(other == order, 1, jnp.clip(accept, 0, 1))
    return jnp.zeros_like(pi).at[order].set(accept), jnp.zeros(n, order.dtype).at[order].set(other)
