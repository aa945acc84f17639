"""Type annotations for arrays.

The core imports jax and numpy only. The shape annotations of jaxtyping are therefore real for a type checker and
wherever jaxtyping was imported first (the tests do, and check every shape); elsewhere they stand for plain arrays.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    AnyArray = Any
else:
    ArrayLike = Any  # arrays, numbers and nested sequences of them: what users may give
    AnyArray = jax.Array | np.ndarray | np.generic  # for functions that run in JAX and in numpy

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Array, Bool, Float, Int, Shaped, UInt
    from jaxtyping import PRNGKeyArray as Key
else:
    Array = jax.Array

    class _Annotation:
        """`Float[Array, "n"]` at run time: just the array type."""

        def __class_getitem__(cls, item: Any) -> Any:
            return item[0]

    Bool = Float = Int = Shaped = UInt = _Annotation
    Key = jax.Array

__all__ = ["AnyArray", "Array", "ArrayLike", "Bool", "Float", "Int", "Key", "Shaped", "UInt"]
