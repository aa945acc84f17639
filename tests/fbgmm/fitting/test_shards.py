"""The same fit on many devices and in many processes: counts bit-equal to one device's."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

DEVICES = """
import jax, numpy as np, fbgmm, pytest
from jax.sharding import NamedSharding, PartitionSpec as P
assert jax.device_count() == 8
x = np.random.default_rng(0).standard_normal(8000)
mesh = jax.make_mesh((8,), ("d",))
for algorithm in (1, 2):
    spread = jax.device_put(x, NamedSharding(mesh, P("d")))
    one, many = (fbgmm.fit(data, n=50, algorithm=algorithm) for data in (x, spread))
    jax.block_until_ready(many)
    assert np.array_equal(one.pi, many.pi) and int(many.status) == 0
    assert np.array_equal(fbgmm.fit(x, weights=x > 0, n=50).pi, fbgmm.fit(spread, weights=spread > 0, n=50).pi)
    dropped = fbgmm.fit(spread, n=50, low=-1.0, high=1.0, outside="drop")
    assert int(dropped.outside) == (np.abs(x) > 1).sum()
table = x.reshape(80, 100)
raw = fbgmm.algorithms.base.from_counts(lambda c, basis: c)  # pi = the counts: bit-equal, not to rounding
one = fbgmm.fit_batch(table, n=(10, 50), t=(1.0, 3.0), algorithm=raw)
grid = jax.make_mesh((4, 2), ("rows", "points"))
for spec in (P("rows", "points"), P("rows"), P(None, "points"), P(("rows", "points"))):
    spread_table = jax.device_put(table, NamedSharding(grid, spec))
    many = jax.block_until_ready(fbgmm.fit_batch(spread_table, n=(10, 50), t=(1.0, 3.0), algorithm=raw))
    assert np.array_equal(one.pi, many.pi), spec
clipped = fbgmm.algorithm2("minus_dL_over_n_clipped")
try:
    fbgmm.fit(spread, algorithm=clipped)
except ValueError as error:
    assert "do not add up" in str(error)
else:
    raise AssertionError("an algorithm whose states do not add up ran on points spread over devices")
print("equal")
"""

PROCESS = """
import sys, jax, numpy as np, fbgmm
from jax.sharding import NamedSharding, PartitionSpec as P
number, port = int(sys.argv[1]), sys.argv[2]
jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=number)
x = np.random.default_rng(0).standard_normal(8000)
mesh = jax.make_mesh((jax.device_count(),), ("d",))
mine = x[number * 4000 : (number + 1) * 4000]  # each host reads its own part
whole = jax.make_array_from_process_local_data(NamedSharding(mesh, P("d")), mine)
gmm = jax.block_until_ready(fbgmm.fit(whole, n=50))
assert whole.shape == (8000,) and jax.process_count() == 2
assert np.array_equal(gmm.pi.addressable_data(0), fbgmm.fit(x, n=50).pi)
print("equal")
"""


def run(program, *arguments, devices=None):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    if devices:
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)


def finish(processes, seconds):
    """Their outputs; none is left behind, whatever happens."""
    try:
        return [process.communicate(timeout=seconds) for process in processes]
    except subprocess.TimeoutExpired:
        pytest.fail(f"not done within {seconds} s")
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.communicate()


@pytest.mark.slow
def test_eight_devices_of_one_process():
    [(out, errors)] = finish([run(DEVICES, devices=8)], 240)
    assert out.split() == ["equal"], errors


@pytest.mark.slow
def test_two_processes():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for out, errors in finish([run(PROCESS, number, port) for number in (0, 1)], 240):
        assert out.split()[-1:] == ["equal"], errors
