"""Histogram by matrix products of one-hot codes: a Pallas kernel whose histograms stay on the chip.

A cell's index is written in two digits. For a block of points, the product of the one-hot codes of the first digits
with those of the second is the block's histogram, a small matrix that each program keeps in registers until its points
are done; operands of the product pass through shared memory. Pallas has no atomic additions in shared memory, which is
why this is not the histogram of CUB. Products of 0 and 1 are exact, and sums of them up to 2^24 in float32.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from .._typing import Array, Int

MOST_CELLS = 1 << 14  # 128 × 128 sums of 4 bytes: half of the registers of a multiprocessor
_POINTS = 128  # of one matrix product
_STEPS = 64  # products of one program


def multiplied(index: Int[Array, "B N"], values: Array | None, capacity: int, interpret: bool | None = None) -> Array:
    """Sums of the values of each row in its cells, shape (B, capacity); arguments as those of `ways.histograms`.

    Args:
        interpret: whether Pallas's interpreter runs the kernel; None: where the default device is a CPU.

    Raises:
        ValueError: more than `MOST_CELLS` cells, or values that are not float32.
    """
    if capacity > MOST_CELLS:
        raise ValueError(f"capacity must be at most {MOST_CELLS} in the matrix kernel; found {capacity}")
    if values is not None and values.dtype != jnp.float32:
        raise ValueError(f"values must be float32 in the matrix kernel; found {values.dtype}")
    interpret = jax.default_backend() == "cpu" if interpret is None else interpret
    rows, points = index.shape
    blocks = -(-points // _POINTS)
    steps = min(_STEPS, blocks)
    programs = -(-blocks // steps)
    spare = programs * steps * _POINTS - points
    arrays = [jnp.pad(index, ((0, 0), (0, spare)), constant_values=capacity)]
    arrays += [] if values is None else [jnp.pad(values, ((0, 0), (0, spare)))]
    parts = _programs(_digits(capacity), rows * programs, steps, values is None, interpret)(
        *(a.reshape(rows * programs, steps * _POINTS) for a in arrays)
    )
    return jnp.sum(parts.reshape(rows, programs, -1), axis=1, dtype=parts.dtype)[:, :capacity]


def _digits(capacity: int) -> tuple[int, int]:
    """How many values the two digits have: powers of two, at least the 16 of a matrix unit."""
    bits = max((capacity - 1).bit_length(), 8)
    return 1 << (bits - bits // 2), 1 << bits // 2


def _programs(digits: tuple[int, int], number: int, steps: int, whole: bool, interpret: bool) -> Any:
    """So many programs of the kernel: arrays of shape (number, steps·points) → histograms (number, *digits)."""
    from jax.experimental import pallas  # here: it takes long to import, and few need it
    from jax.experimental.pallas import triton

    return pallas.pallas_call(
        partial(_kernel, digits, steps, whole),
        out_shape=jax.ShapeDtypeStruct((number, *digits), jnp.int32 if whole else jnp.float32),
        grid=(number,),
        in_specs=[pallas.BlockSpec((None, steps * _POINTS), lambda i: (i, 0))] * (1 if whole else 2),
        out_specs=pallas.BlockSpec((None, *digits), lambda i: (i, 0, 0)),
        interpret=interpret,
        compiler_params=triton.CompilerParams(num_warps=4),  # names Triton: the default has other limits
    )


def _kernel(digits: tuple[int, int], steps: int, whole: bool, index: Any, *more: Any) -> None:
    """One program: the histogram of its points."""
    from jax.experimental import pallas

    *values, out = more
    first, second = digits
    kind = jnp.bfloat16 if whole else jnp.float32  # the matrix units' own; values must keep all their bits
    precision = None if whole else jax.lax.Precision.HIGHEST

    def add(step: Array, sums: Array) -> Array:
        at = pallas.ds(step * _POINTS, _POINTS)
        cell = index[at]
        upper = jax.lax.broadcasted_iota(jnp.int32, (first, _POINTS), 0) == (cell // second)[None, :]
        lower = (cell % second)[:, None] == jax.lax.broadcasted_iota(jnp.int32, (_POINTS, second), 1)
        left = upper.astype(kind) if whole else jnp.where(upper, values[0][at][None, :], 0.0)
        return sums + jnp.dot(left, lower.astype(kind), precision=precision, preferred_element_type=jnp.float32)

    sums = jax.lax.fori_loop(0, steps, add, jnp.zeros(digits, jnp.float32))
    out[...] = sums.astype(jnp.int32) if whole else sums
