"""Checks of arguments on the host: each error names the argument, what was found and what is allowed.

Traced values cannot be checked; what they hold wrong ends in a `Status` instead.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from ._typing import AnyArray, Array, ArrayLike

Edges = Literal["find", "none", "low", "high", "both"]
Outside = Literal["end", "drop"]


def drops_outside(outside: Outside) -> bool:
    """Whether points outside [low, high] are left out; raises ValueError for an unknown choice."""
    if outside not in get_args(Outside):
        raise ValueError(f"outside must be 'end' or 'drop'; found {outside!r}")
    return outside == "drop"


def is_concrete(*values: Any) -> bool:
    """Whether every array among the values (or in their pytrees) has values that the host can read."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def float_dtype() -> Any:
    """float64 where `jax_enable_x64` is set, else float32."""
    return jnp.result_type(float)


def largest(dtype: Any) -> float:
    """The largest magnitude of data: the variance of a mixture over [-a, a] must be a finite number of that dtype."""
    return math.sqrt(float(jnp.finfo(dtype).max)) / 16


def finite(values: AnyArray) -> AnyArray:
    """Which values are finite and have finite squares, in numpy or in JAX; integers and booleans all do."""
    if not jnp.issubdtype(values.dtype, jnp.floating):
        return values == values
    return abs(values) <= largest(values.dtype)  # False for NaN


def usable(x: AnyArray, weights: AnyArray | None = None) -> AnyArray:
    """Which points count: they are finite, and their data weights finite and above zero."""
    if weights is None:
        return finite(x)
    return finite(x) & (weights if weights.dtype == bool else finite(weights) & (weights > 0))


def faulty(x: AnyArray, weights: AnyArray | None = None) -> AnyArray:
    """Which points are not finite though they have a weight, or have a weight that is not finite."""
    return ~finite(x) if weights is None else (~finite(x) & (weights != 0)) | ~finite(weights)


def usable_ends(x: np.ndarray) -> tuple[Any, Any] | None:
    """Minimum and maximum, which numpy finds at the speed of memory; None where there are none, or not all usable."""
    if not x.size:
        return None
    low, high = x.min(), x.max()
    fine = max(abs(low), abs(high)) <= largest(x.dtype)  # False for NaN, which comes through both
    return (low, high) if fine else None


def as_floats(name: str, value: ArrayLike) -> Array:
    """The value as an array of float32 or float64.

    Raises:
        TypeError: strings, objects, complex numbers, half precision.
        ValueError: a ragged list.
    """
    if isinstance(value, jax.Array):
        return value.astype(_float_of(name, value.dtype))
    return jnp.asarray(as_host_floats(name, value))


def as_host_floats(name: str, value: ArrayLike) -> np.ndarray:
    """As `as_floats`, without a transfer to a device; raises the same."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name} must be a rectangular array or list of numbers; found rows of different lengths"
        ) from error
    with np.errstate(over="ignore"):  # beyond float32 becomes inf, which is then refused by name
        return array.astype(jax.dtypes.canonicalize_dtype(_float_of(name, array.dtype)), copy=False)


def _float_of(name: str, dtype: Any) -> Any:
    """float32 and float64 stay; integers, booleans and longer floats become the default float."""
    if dtype in (np.float16, jnp.bfloat16):
        raise TypeError(
            f"{name} has dtype {dtype}, which cannot hold counts or cell edges; allowed: float32, float64, integers"
        )
    if not (np.issubdtype(dtype, np.floating) or np.issubdtype(dtype, np.integer) or dtype == np.bool_):
        raise TypeError(f"{name} has dtype {dtype}; allowed: real numbers (float32, float64, integers, lists of them)")
    return dtype if dtype in (np.float32, np.float64) else float_dtype()


def as_weights(weights: ArrayLike | None, shape: tuple[int, ...]) -> Array | None:
    """Data weights as an array of the data's shape: integers and booleans stay exact, floats become floats.

    Raises:
        TypeError: not real numbers.
        ValueError: another shape than the data's; integers whose sum is no int32.
    """
    if weights is None:
        return None
    raw = weights if isinstance(weights, jax.Array) else np.asarray(weights)
    if raw.dtype == np.bool_:
        array = jnp.asarray(raw)
    elif np.issubdtype(raw.dtype, np.integer):
        if is_concrete(raw) and (heavy := np.abs(np.asarray(raw, np.float64)).sum()) >= 2**31:
            raise ValueError(f"weights must have a sum below 2^31 where they are integers; found {heavy:.3g}")
        array = jnp.asarray(raw, dtype=np.int32)
    else:
        array = as_floats("weights", raw)
    if array.shape != shape:
        raise ValueError(f"weights has shape {array.shape}; allowed: the shape of x, {shape}")
    return array


def positive_integer(name: str, value: Any) -> int:
    """The value as an int.

    Raises:
        TypeError: not an integer, or a boolean.
        ValueError: below 1.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer of at least 1; found {value!r}")
    if number < 1:
        raise ValueError(f"{name} must be at least 1; found {number}")
    return number


def width_factor(t: ArrayLike, axes: int = 1) -> None:
    """Checks t, sigma in units of the spacing r: one number, or with `axes` = 1 also a sequence of them.

    Raises:
        TypeError: not real numbers.
        ValueError: not above 0, not finite or beyond the range of float32; too many axes; none.
    """
    values = np.asarray(t)
    real = np.issubdtype(values.dtype, np.number) and not np.issubdtype(values.dtype, np.complexfloating)
    if values.size and not real:
        raise TypeError(f"t must be a number, sigma / r; found {t!r}")
    if values.ndim > axes or not values.size:
        raise ValueError(f"t must be a number{' or a sequence of numbers' * axes}; found {t!r}")
    # The range of float32, whatever the default: the data may be of it, and no use of t comes near its ends.
    if not ((values >= float(jnp.finfo(np.float32).tiny)) & (values <= largest(np.float32))).all():
        raise ValueError(f"t must be finite and above 0, usually 1 to 5; found {t!r}")


def value_range(low: ArrayLike, high: ArrayLike, dtype: Any = None) -> None:
    """Raises ValueError unless low < high, both finite and small enough for their squares in that dtype."""
    dtype = float_dtype() if dtype is None else dtype
    limit = largest(dtype)
    for name, value in (("low", low), ("high", high)):
        as_host_floats(name, value)  # for its TypeError; the value is judged and shown as it was given
        values = np.asarray(value, np.float64)
        if not (np.abs(values) <= limit).all():  # False for NaN
            raise ValueError(f"{name} must be finite and within ±{limit:.3g} ({dtype}); found {_first(values)}")
    lows, highs = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if not (lows < highs).all():
        raise ValueError(f"low must be below high; found low = {_first(lows)}, high = {_first(highs)}")


def support(edges: Edges) -> int:
    """At which ends the support of a density ends, as a number: 1 low, 2 high, 3 both; −1: to be found.

    Raises:
        ValueError: another word.
    """
    words = {"find": -1, "none": 0, "low": 1, "high": 2, "both": 3}
    if not isinstance(edges, str) or edges not in words:
        raise ValueError(f"edges must be one of {', '.join(map(repr, words))}; found {edges!r}")
    return words[edges]


def one_dimension(name: str, x: AnyArray, hint: str = "") -> None:
    """Raises ValueError unless x has the shape (N,)."""
    if x.ndim != 1:
        raise ValueError(f"{name} has shape {x.shape}; allowed: one dimension, (N,){hint}")


def given_range(
    low: ArrayLike | None, high: ArrayLike | None, shape: tuple[int, ...] = (), dtype: Any = None
) -> tuple[Array | None, Array | None]:
    """low and high, where given, as arrays of that shape and dtype (None: their own); checked where both are.

    Raises:
        TypeError, ValueError: as `value_range`.
        ValueError: neither a number nor of that shape.
    """
    ends: list[Array | None] = []
    for name, value in (("low", low), ("high", high)):
        if value is None:
            ends.append(None)
            continue
        end = as_floats(name, value)
        if end.shape not in ((), shape):
            raise ValueError(f"{name} has shape {end.shape}; allowed: a number{f' or {shape}' if shape else ''}")
        ends.append(jnp.broadcast_to(end if dtype is None else end.astype(dtype), shape))
    if low is not None and high is not None and is_concrete(low, high):
        value_range(low, high, dtype)
    return ends[0], ends[1]


def _first(values: np.ndarray) -> str:
    return f"{values.item()}" if values.ndim == 0 else f"an array of shape {values.shape} with {values.flat[0]} …"
