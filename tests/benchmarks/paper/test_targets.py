"""The random targets against scipy, and pdf, cdf and samples against each other."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from benchmarks.paper.targets import COMPONENTS, KINDS, NORMAL, STUDENT_T, UNIFORM, Target, random_target

# One grid for everything, so that few programs are compiled; the last points lie far in both tails.
GRID = np.concatenate([np.linspace(-40, 40, 40_001), [-1e3, -200.0, 200.0, 1e3]])
INNER = slice(0, 40_001)


@jax.jit
def pdf_and_cdf(target: Target, points: jax.Array) -> tuple[jax.Array, jax.Array]:
    return target.pdf(points), target.cdf(points)


@partial(jax.jit, static_argnames=("kind", "number"))
def some_targets(key: jax.Array, kind: str, number: int) -> Target:
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(number))
    return jax.vmap(lambda k: random_target(k, kind))(keys)


def former_target(key: jax.Array, family: str) -> tuple[jax.Array, ...]:
    """Weight, loc, scale, kind and df as they were drawn before there were laws."""
    keys = jax.random.split(key, 5)
    shape = (COMPONENTS,)
    weight = jax.random.uniform(keys[0], shape)
    kind = jax.random.randint(keys[3], shape, 0, 3) if family == "mixed" else jnp.zeros(COMPONENTS, jnp.int32)
    loc = jax.random.uniform(keys[1], shape, minval=-10, maxval=10)
    scale = jax.random.uniform(keys[2], shape, minval=1, maxval=2)
    return weight / jnp.sum(weight), loc, scale, kind, jax.random.randint(keys[4], shape, 2, 10).astype(weight.dtype)


def components(target: Target) -> list:
    """The target's components as scipy distributions."""

    def one(kind, loc, scale, df):
        if kind == STUDENT_T:
            return stats.t(df, loc, scale)
        if kind == UNIFORM:
            return stats.uniform(loc - np.sqrt(3) * scale, 2 * np.sqrt(3) * scale)
        return stats.norm(loc, scale)

    columns = (target.kind, target.loc, target.scale, target.df)
    return [one(*row) for row in zip(*(np.asarray(column, np.float64) for column in columns), strict=True)]


def one_of_each_kind() -> Target:
    """A target with known components of all three kinds; the heaviest is Student-t with df 2."""
    kind = jnp.asarray([NORMAL, STUDENT_T, UNIFORM, STUDENT_T, UNIFORM, NORMAL, NORMAL, NORMAL])
    df = jnp.asarray([5.0, 2.0, 5.0, 9.0, 5.0, 5.0, 5.0, 5.0])
    weight = jnp.asarray([4.0, 16.0, 8.0, 4.0, 2.0, 2.0, 2.0, 2.0]) / 40
    return Target(weight, jnp.linspace(-9.0, 9.0, 8), jnp.linspace(1.0, 2.0, 8), kind, df, "mixed")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("mixed", "one of each kind")]


@pytest.fixture(scope="module", params=["normal", *SLOW])
def target(request) -> Target:
    if request.param == "one of each kind":
        return one_of_each_kind()
    return jax.tree.map(lambda leaf: leaf[3], some_targets(jax.random.key(3), request.param, 50))


@pytest.fixture(scope="module")
def evaluated(target) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The grid, as it is in the current precision, with pdf and cdf there."""
    points = jnp.asarray(GRID)
    return tuple(np.asarray(array, np.float64) for array in (points, *pdf_and_cdf(target, points)))


@pytest.mark.slow
def test_pdf_and_cdf_agree_with_scipy(target, evaluated, dtype):
    points, *found = evaluated
    for name, values in zip(("pdf", "cdf"), found, strict=True):
        expected = sum(
            weight * getattr(component, name)(points)
            for weight, component in zip(np.asarray(target.weight, np.float64), components(target), strict=True)
        )
        # In float32 the incomplete beta function costs digits near the centre of a Student-t component.
        accuracy = 1e-12 if dtype == np.float64 else 1e-6 if target.family == "normal" else 1e-4
        np.testing.assert_allclose(values, expected, rtol=0, atol=accuracy, err_msg=name)


def test_cdf_is_the_integral_of_the_pdf(evaluated):
    points, density, cdf = (values[INNER] for values in evaluated)
    integral = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(points))])
    # A jump of the density, at the edge of a Uniform component, costs up to its height times the step.
    np.testing.assert_allclose(cdf - cdf[0], integral, rtol=0, atol=3e-4)


def test_samples_follow_the_cdf(target):
    x = jax.jit(lambda target: target.sample(jax.random.key(11), (GRID.size,)))(target)
    share = np.asarray(pdf_and_cdf(target, jnp.sort(x))[1], np.float64)
    distance = stats.kstest(share, "uniform").statistic
    assert distance * np.sqrt(x.size) < 1.63  # the 99 % point of Kolmogorov's distribution


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_does_not_depend_on_how_many_are_drawn(kind):
    few, many = (some_targets(jax.random.key(0), kind, number) for number in (2, 50))
    for a, b in zip(jax.tree.leaves(few), jax.tree.leaves(many), strict=True):
        np.testing.assert_array_equal(a, b[:2])


@pytest.mark.parametrize("family", ["normal", "mixed"])
def test_the_former_kinds_are_bit_for_bit_what_they_were(family):
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(4), jnp.arange(50))
    expected = jax.jit(jax.vmap(lambda key: former_target(key, family)))(keys)
    target = some_targets(jax.random.key(4), f"{family}-1", 50)
    for a, b in zip((target.weight, target.loc, target.scale, target.kind, target.df), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kind", "most_df", "half_width"), [("mixed", 30, 1.0), ("mixed-1", 9, np.sqrt(3))])
def test_mixed_targets_have_all_kinds_and_degrees_of_freedom(kind, most_df, half_width):
    targets = some_targets(jax.random.key(0), kind, 50)
    assert set(np.unique(targets.kind)) == {NORMAL, STUDENT_T, UNIFORM}
    assert set(np.unique(targets.df)) == set(range(2, most_df + 1))
    plain = some_targets(jax.random.key(0), kind.replace("mixed", "normal"), 50)  # the same numbers, all Normal
    assert not np.asarray(plain.kind).any()
    factor = np.where(np.asarray(targets.kind) == UNIFORM, half_width / np.sqrt(3), 1)
    np.testing.assert_allclose(targets.scale, factor * plain.scale, rtol=1e-6)
    low, high = (1.1, 2.3) if kind == "mixed" else (1, 2)
    assert low <= np.min(plain.scale) < low + 0.05
    assert high - 0.05 < np.max(plain.scale) <= high
