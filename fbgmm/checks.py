"""Checks of arguments on the host: each error names the argument, what was found and what is allowed.

Traced values cannot be checked; what they hold wrong ends in a `Status` instead.
"""

from __future__ import annotations

import math
import operator
import os
from decimal import Decimal
from numbers import Real
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


def as_floats(name: str, value: ArrayLike, like: Any = None) -> Array:
    """The value as an array of float32 or float64: the one door of all that becomes an array of numbers.

    Args:
        like: None, or the precision that integers take and that floats of any precision are raised to at least.

    Raises:
        TypeError: strings, dates, durations, objects, complex numbers; half precision where `like` is None.
        ValueError: a ragged list; missing or masked values, with their number.
    """
    if not isinstance(value, jax.Array):
        try:
            return jnp.asarray(as_host_floats(name, value, like))
        except jax.errors.TracerArrayConversionError:  # a list of traced numbers
            value = jnp.asarray(value)
    return value.astype(_float_of(name, value.dtype, like))


def as_host_floats(name: str, value: ArrayLike, like: Any = None) -> np.ndarray:
    """As `as_floats`, without a transfer to a device; arguments and what it raises are the same."""
    array = _host_array(name, value)
    with np.errstate(over="ignore"):  # beyond float32 becomes inf, which is then refused by name
        return array.astype(jax.dtypes.canonicalize_dtype(_float_of(name, array.dtype, like)), copy=False)


def _host_array(name: str, value: Any) -> np.ndarray:
    """The value as numpy has it; objects become numbers where they are such. Other libraries by their protocols."""
    if type(value) is np.ndarray and value.dtype != object:
        return value
    _refuse_missing(name, value)
    if _is_masked(value):
        value = value.data
    if hasattr(value, "detach"):  # a tensor that records gradients
        value = value.detach()
    try:
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
    except jax.errors.TracerArrayConversionError:
        raise
    except ValueError as error:
        raise ValueError(
            f"{name} must be a rectangular array or list of numbers; found rows of different lengths"
        ) from error
    except (TypeError, RuntimeError, BufferError, OverflowError) as error:
        raise TypeError(f"{name} is a {type(value).__name__} that numpy cannot read: {error}") from error
    return _numbers(name, value, array) if array.dtype == object else array


def _refuse_missing(name: str, value: Any) -> None:
    """Raises ValueError for masked points, and for missing values of pandas, polars and Arrow."""
    if _is_masked(value):
        missing, drop = int(np.ma.count_masked(value)), "x.compressed()"
    elif hasattr(value, "isna"):
        missing, drop = int(np.sum(np.asarray(value.isna()))), "x.dropna()"
    elif hasattr(value, "null_count"):
        found = value.null_count() if callable(value.null_count) else value.null_count
        missing, drop = int(np.sum(np.asarray(found))), f"x.drop_null{'s' * callable(value.null_count)}()"
    else:
        return
    if missing:
        what = "masked" if _is_masked(value) else "missing"
        raise ValueError(
            f"{name} has {missing} {what} of {np.size(value)} values; allowed: none; drop them, as with {drop}"
        )


def refuse_masked(name: str, value: Any) -> None:
    """Raises ValueError for masked points, which scikit-learn's checks would take as they are."""
    if _is_masked(value):
        _refuse_missing(name, value)


def _numbers(name: str, value: Any, array: np.ndarray) -> np.ndarray:
    """An array of Python's own numbers, such as integers of more than 64 bits, in float64."""
    items = array.reshape(-1).tolist()
    missing = sum(item is None or type(item).__name__ in ("NAType", "NaTType") for item in items)
    others = {type(item).__name__ for item in items if not isinstance(item, (Real, Decimal, np.bool_))}
    if array.ndim and 0 < missing < len(items) and others <= {"NoneType", "NAType", "NaTType"}:
        raise ValueError(f"{name} has {missing} missing values of {len(items)}; allowed: none; leave them out")
    if others or (not array.ndim and not isinstance(value, (Real, Decimal))):
        held = ", ".join(sorted(others)) or type(value).__name__
        raise TypeError(f"{name} has dtype object, of {held}; {_ALLOWED}")
    return np.array([_as_float(item) for item in items]).reshape(array.shape)


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def _float_of(name: str, dtype: Any, like: Any = None) -> Any:
    """float32 and float64 stay; integers, booleans and longer floats become the default float, or `like`."""
    kind = "f" if dtype == jnp.bfloat16 else getattr(dtype, "kind", "")
    if kind not in "fiub" or not kind:
        raise TypeError(f"{name} has dtype {dtype}{_REMEDIES.get(kind, '')}; {_ALLOWED}")
    if like is not None:
        half = dtype in (np.float16, jnp.bfloat16)
        return like if half or kind != "f" else np.promote_types(float_dtype() if dtype.itemsize > 8 else dtype, like)
    if dtype in (np.float16, jnp.bfloat16):
        raise TypeError(
            f"{name} has dtype {dtype}, which cannot hold counts or cell edges; allowed: float32, float64, integers"
        )
    return dtype.newbyteorder("=") if kind == "f" and dtype.itemsize in (4, 8) else float_dtype()


_ALLOWED = "allowed: real numbers (float32, float64, integers, lists of them)"
_REMEDIES = {
    "m": " (durations: divide by a unit, such as numpy.timedelta64(1, 's'))",
    "M": " (dates: subtract one and divide by a unit, such as numpy.timedelta64(1, 'D'))",
    "U": " (text)",
    "S": " (text)",
}


def points(name: str, x: Any, weights: Any) -> tuple[Any, Any]:
    """One data set and its weights, as they were given, without masked points; of a table its only column.

    Raises:
        ValueError: a table of several columns; weights of another shape than masked data.
    """
    if hasattr(x, "columns"):
        x = _only_column(name, x)
    if _is_masked(x) or _is_masked(weights):
        masked = np.broadcast_to(np.ma.getmaskarray(x), np.shape(x))
        if weights is not None:
            _same_shape(np.shape(weights), np.shape(x))
            masked = masked | np.ma.getmaskarray(weights)
            weights = np.asarray(np.ma.getdata(weights))[~masked]
        x = np.asarray(np.ma.getdata(x))[~masked]
    return x, weights


def _is_masked(x: Any) -> bool:
    # Plain arrays first: numpy.ma is loaded when it is first named.
    return type(x) is not np.ndarray and not isinstance(x, jax.Array) and isinstance(x, np.ma.MaskedArray)


def _only_column(name: str, table: Any) -> Any:
    """The column of a table of pandas or polars that has one."""
    names = [str(column) for column in table.columns]
    if len(names) != 1:
        raise ValueError(
            f"{name} is a table with the {len(names)} columns {', '.join(map(repr, names[:20]))}; "
            f"allowed: one of them, such as {name}[{names[0]!r}]"
            if names
            else f"{name} is a table without columns"
        )
    return table[table.columns[0]]


def as_weights(weights: ArrayLike | None, shape: tuple[int, ...]) -> Array | None:
    """Data weights as an array of the data's shape: integers and booleans stay exact, floats become floats.

    Raises:
        TypeError: not real numbers.
        ValueError: another shape than the data's; integers whose sum is no int32; missing or masked values.
    """
    if weights is None:
        return None
    raw = weights if isinstance(weights, jax.Array) else _host_array("weights", weights)
    if raw.dtype == np.bool_:
        array = jnp.asarray(raw)
    elif raw.dtype.kind in "iu":
        if is_concrete(raw) and (heavy := np.abs(np.asarray(raw, np.float64)).sum()) >= 2**31:
            raise ValueError(f"weights must have a sum below 2^31 where they are integers; found {heavy:.3g}")
        array = jnp.asarray(raw, dtype=np.int32)
    else:
        array = as_floats("weights", raw)
    _same_shape(array.shape, shape)
    return array


def _same_shape(found: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if found != shape:
        raise ValueError(f"weights has shape {found}; allowed: the shape of x, {shape}")


def memory(what: str, size: int) -> None:
    """Raises ValueError where so many bytes are more than the machine has; nothing where the system does not say."""
    try:
        room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return
    if size > room:
        raise ValueError(f"{what} would take {size:,} bytes of memory; allowed: at most {room:,}, all there is")


def components(n: Any, dtype: Any = np.float32) -> int:
    """n, the number of components, as an int whose weights and counts the machine can hold.

    Raises:
        TypeError, ValueError: as `positive_integer` and `memory`.
    """
    number = positive_integer("n", n)
    if number >= 1 << 20:
        memory(f"n = {number}", _BYTES_EACH * np.dtype(dtype).itemsize * number)
    return number


_BYTES_EACH = 8
"""Numbers held for each component while a basis is fitted: mean, three counts, their total, step, weight, and pi."""


def draw_shape(shape: Any, dtype: Any) -> tuple[int, ...]:
    """The shape of draws, from an integer or integers of any kind.

    Raises:
        TypeError: not integers.
        ValueError: below 0; more draws than the machine can hold.
    """
    try:
        sizes = tuple(map(operator.index, shape if np.ndim(shape) else (shape,)))
    except TypeError as error:
        raise TypeError(f"shape must be an integer or a sequence of integers; found {shape!r}") from error
    if any(size < 0 for size in sizes):
        raise ValueError(f"shape must hold integers of at least 0; found {shape!r}")
    memory(f"a sample of shape {sizes}", 3 * np.dtype(dtype).itemsize * math.prod(sizes))
    return sizes


def random_key(key: Any) -> None:
    """Raises TypeError for what is no random key of JAX; raw keys of two words are."""
    if not isinstance(key, jax.Array) or not (key.ndim or jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise TypeError(f"key must be a random key of JAX, such as jax.random.key(0); found {key!r}")


def broadcasts(name: str, shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    """Raises ValueError where points of that shape do not broadcast against the batch."""
    try:
        np.broadcast_shapes(shape, batch)
    except ValueError as error:
        raise ValueError(
            f"{name} has shape {shape}; allowed: one that broadcasts against the batch, {batch}"
        ) from error


def equal(a: Any, b: Any) -> bool:
    """Whether two pytrees of one structure hold the same numbers; traced ones only where they are one object."""
    if not is_concrete(a, b):
        return a is b
    same = bool(jax.tree.structure(a) == jax.tree.structure(b))  # type: ignore[operator]
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=False)
    return same and all(np.array_equal(x, y, equal_nan=True) for x, y in pairs)


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
