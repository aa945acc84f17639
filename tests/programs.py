"""What a traced function is made of: its equations, the size of its arrays, the number of its operations."""

import jax


def equations(jaxpr, repeats=1):
    """Every equation of a program, with the number of times that the loops around it run it."""
    for eqn in jaxpr.eqns:
        yield eqn, repeats
        times = repeats * eqn.params.get("length", 1) if eqn.primitive.name == "scan" else repeats
        for value in eqn.params.values():
            for sub in value if isinstance(value, (tuple, list)) else [value]:
                sub = getattr(sub, "jaxpr", sub)
                if hasattr(sub, "eqns"):
                    yield from equations(sub, times)


def largest_array(f, *args):
    jaxpr = jax.make_jaxpr(f)(*args).jaxpr
    return max(v.aval.size for eqn, _ in equations(jaxpr) for v in eqn.outvars if hasattr(v.aval, "size"))


def operations(f, *args):
    jaxpr = jax.make_jaxpr(f)(*args).jaxpr
    return sum(times * v.aval.size for eqn, times in equations(jaxpr) for v in eqn.outvars if hasattr(v.aval, "size"))
