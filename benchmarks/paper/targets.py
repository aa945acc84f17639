"""The random target densities of section 3.1, with exact cdf, pdf and sampling.

The paper says that they have 8 components and gives no other parameter. A `Law` says what the parameters are drawn
from; that of "normal" and "mixed" was fitted to the paper's tables (`python -m benchmarks ambiguities --targets`, see
docs/reproduction.md), that of "normal-1" and "mixed-1" was the default before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax.scipy import stats
from jax.scipy.special import betainc

Family = Literal["normal", "mixed"]
"""What the components are: all Normal, or each Normal, Student-t or Uniform."""
FAMILIES: tuple[Family, ...] = get_args(Family)

Kind = Literal["normal", "mixed", "normal-1", "mixed-1"]
"""A family and the law of its parameters, by name."""
KINDS: tuple[Kind, ...] = get_args(Kind)

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

    def cdf(self, x: jax.Array, student_t: Callable[[jax.Array, jax.Array], jax.Array] | None = None) -> jax.Array:
        """P(X ≤ x) at points of any shape.

        Args:
            student_t: cdf of Student's t, a function of the point and the degrees of freedom; None: by the incomplete
                beta function, right to rounding and slow.
        """
        z = self._standardised(x)
        values = stats.norm.cdf(z)
        if self.family == "mixed":
            uniform = jnp.clip(0.5 + z / (2 * math.sqrt(3.0)), 0, 1)
            values = self._choose(values, (student_t or _student_t_cdf)(z, self._spread(self.df, x)), uniform, x)
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


class Law(NamedTuple):
    """What the parameters of a random target are drawn from; numbers, or arrays of one shape for many laws.

    Attributes:
        low, high: the standard deviations are uniform between them.
        power: the weights are proportional to U^power, U uniform on (0, 1).
        normal_locations: 0: locations uniform on (−reach, reach); 1: normal about 0 with standard deviation reach.
        reach: in the units of the data, as low and high.
        half_width: of a Uniform component, in units of the number drawn as its scale: √3 makes that number the
            standard deviation, 1 makes the component location ± scale.
        most_df: the degrees of freedom of a Student-t component are 2 … most_df with equal chance.
    """

    low: float | jax.Array = 1.0
    high: float | jax.Array = 2.0
    power: float | jax.Array = 1.0
    normal_locations: float | jax.Array = 0.0
    reach: float | jax.Array = 10.0
    half_width: float | jax.Array = math.sqrt(3.0)
    most_df: int | jax.Array = 9


_FITTED = Law(low=1.1, high=2.3, half_width=1.0, most_df=30)

LAWS: dict[Kind, Law] = {"normal": _FITTED, "mixed": _FITTED, "normal-1": Law(), "mixed-1": Law()}


def family_of(kind: Kind) -> Family:
    """The family that a kind names."""
    return "mixed" if kind.startswith("mixed") else "normal"


def random_target(key: jax.Array, kind: Kind = "normal") -> Target:
    """A random target of section 3.1."""
    return draw_target(key, family_of(kind), LAWS[kind])


def draw_target(key: jax.Array, family: Family, law: Law) -> Target:
    """A random target by any law: 8 Normals, or 8 components each Normal, Student-t or Uniform with equal chance.

    The same key gives targets of different laws that belong together: they differ by the laws, not by chance.
    """
    keys = jax.random.split(key, 5)
    shape = (COMPONENTS,)
    u = jax.random.uniform(keys[0], shape)
    weight = u if isinstance(law.power, float) and law.power == 1 else u**law.power  # u^1 is u, but not to the last bit
    even = jax.random.uniform(keys[1], shape, minval=-law.reach, maxval=law.reach)
    loc = jnp.where(law.normal_locations, law.reach * jax.random.normal(keys[1], shape), even)
    scale = jax.random.uniform(keys[2], shape, minval=law.low, maxval=law.high)
    kind = jax.random.randint(keys[3], shape, 0, 3) if family == "mixed" else jnp.zeros(COMPONENTS, jnp.int32)
    scale = jnp.where(kind == UNIFORM, scale * (law.half_width / math.sqrt(3.0)), scale)
    df = jax.random.randint(keys[4], shape, 2, law.most_df + 1).astype(weight.dtype)
    return Target(weight=weight / jnp.sum(weight), loc=loc, scale=scale, kind=kind, df=df, family=family)


def _student_t_cdf(z: jax.Array, df: jax.Array) -> jax.Array:
    df = jnp.broadcast_to(df, z.shape)
    half = jnp.full_like(z, 0.5)
    # Near the centre the other tail of the beta distribution keeps its digits: df/(df + z²) is 1 there, to rounding.
    near = z * z < df
    part = jnp.where(near, z * z, df) / (df + z * z)
    share = betainc(jnp.where(near, half, df / 2), jnp.where(near, df / 2, half), part)
    tail = jnp.where(near, 1 - share, share) / 2
    return jnp.where(z > 0, 1 - tail, tail)
