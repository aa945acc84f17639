"""The random target densities of section 3.1, with exact cdf, pdf and sampling.

The paper does not give their parameters; these meet its tables (see docs/reproduction.md): 8 components, locations
uniform on (−10, 10), standard deviations uniform on (1, 2), weights proportional to uniforms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax.scipy import stats
from jax.scipy.special import betainc

Family = Literal["normal", "mixed"]
FAMILIES: tuple[Family, ...] = get_args(Family)

COMPONENTS = 8
NORMAL, STUDENT_T, UNIFORM = 0, 1, 2


@partial(jax.tree_util.register_dataclass, data_fields=["weight", "loc", "scale", "kind", "df"], meta_fields=["family"])
@dataclass(frozen=True)
class Target:
    """A mixture of 8 densities. A pytree; use `jax.vmap` for many.

    Attributes:
        weight, loc, scale: shape (8,). scale is the standard deviation of a Normal or Uniform component and the scale
            of a Student-t component, whose standard deviation may be infinite.
        kind: NORMAL, STUDENT_T or UNIFORM for each component, shape (8,).
        df: degrees of freedom, used by Student-t components, shape (8,).
        family: "normal" (all components Normal) or "mixed"; static.
    """

    weight: jax.Array
    loc: jax.Array
    scale: jax.Array
    kind: jax.Array
    df: jax.Array
    family: Family

    def pdf(self, x: jax.Array) -> jax.Array:
        """Density at points of any shape."""
        z = self._standardised(x)
        values = stats.norm.pdf(z)
        if self.family == "mixed":
            edge = math.sqrt(3.0)
            uniform = jnp.where(jnp.abs(z) <= edge, 1 / (2 * edge), 0)
            values = self._choose(values, stats.t.pdf(z, self._spread(self.df, x)), uniform, x)
        return jnp.sum(self._spread(self.weight / self.scale, x) * values, axis=-1)

    def cdf(self, x: jax.Array) -> jax.Array:
        """P(X ≤ x) at points of any shape."""
        z = self._standardised(x)
        values = stats.norm.cdf(z)
        if self.family == "mixed":
            uniform = jnp.clip(0.5 + z / (2 * math.sqrt(3.0)), 0, 1)
            values = self._choose(values, _student_t_cdf(z, self._spread(self.df, x)), uniform, x)
        return jnp.sum(self._spread(self.weight, x) * values, axis=-1)

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Independent draws."""
        key_component, key_normal, key_t, key_uniform = jax.random.split(key, 4)
        dtype = self.loc.dtype
        u = jax.random.uniform(key_component, shape, dtype)
        i = jnp.minimum(jnp.searchsorted(jnp.cumsum(self.weight), u, side="right"), COMPONENTS - 1)
        z = jax.random.normal(key_normal, shape, dtype)
        if self.family == "mixed":
            kind = self.kind[i]
            edge = math.sqrt(3.0)
            z = jnp.where(kind == STUDENT_T, jax.random.t(key_t, self.df[i], shape, dtype), z)
            z = jnp.where(kind == UNIFORM, jax.random.uniform(key_uniform, shape, dtype, -edge, edge), z)
        return self.loc[i] + self.scale[i] * z

    def _standardised(self, x: jax.Array) -> jax.Array:
        return (x[..., None] - self._spread(self.loc, x)) / self._spread(self.scale, x)

    def _spread(self, parameter: jax.Array, x: jax.Array) -> jax.Array:
        """A parameter with leading axes of size one, to broadcast against x[..., None]."""
        return parameter.reshape((1,) * x.ndim + (COMPONENTS,))

    def _choose(self, normal: jax.Array, student_t: jax.Array, uniform: jax.Array, x: jax.Array) -> jax.Array:
        kind = self._spread(self.kind, x)
        return jnp.where(kind == NORMAL, normal, jnp.where(kind == STUDENT_T, student_t, uniform))


def random_target(key: jax.Array, family: Family = "normal") -> Target:
    """A random target of section 3.1: 8 Normals, or 8 components each Normal, Student-t (df 2 … 9) or Uniform."""
    keys = jax.random.split(key, 5)
    weight = jax.random.uniform(keys[0], (COMPONENTS,))
    kind = jax.random.randint(keys[3], (COMPONENTS,), 0, 3) if family == "mixed" else jnp.zeros(COMPONENTS, jnp.int32)
    return Target(
        weight=weight / jnp.sum(weight),
        loc=jax.random.uniform(keys[1], (COMPONENTS,), minval=-10, maxval=10),
        scale=jax.random.uniform(keys[2], (COMPONENTS,), minval=1, maxval=2),
        kind=kind,
        df=jax.random.randint(keys[4], (COMPONENTS,), 2, 10).astype(weight.dtype),
        family=family,
    )


def random_targets(key: jax.Array, family: Family, number: int) -> Target:
    """Targets with a leading axis. The first of them do not depend on how many are drawn."""
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(number))
    return jax.vmap(lambda k: random_target(k, family))(keys)


def _student_t_cdf(z: jax.Array, df: jax.Array) -> jax.Array:
    df = jnp.broadcast_to(df, z.shape)
    half = jnp.full_like(z, 0.5)
    # Near the centre the other tail of the beta distribution keeps its digits: df/(df + z²) is 1 there, to rounding.
    near = z * z < df
    part = jnp.where(near, z * z, df) / (df + z * z)
    share = betainc(jnp.where(near, half, df / 2), jnp.where(near, df / 2, half), part)
    tail = jnp.where(near, 1 - share, share) / 2
    return jnp.where(z > 0, 1 - tail, tail)
