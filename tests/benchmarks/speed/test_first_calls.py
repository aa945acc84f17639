"""What first calls cost: the call alone is measured, in a process of its own."""

import numpy as np

from benchmarks.speed.first_calls import _PROGRAM, CALLS, in_process, of_command


def test_the_call_alone_is_measured():
    busy = "[time.sleep(0.3), sum(range(3_000_000))] and np.zeros(1)"
    (processor, wall), (_, imported) = in_process("time.sleep(1)", busy)
    assert 0 < processor < wall - 0.25
    assert wall < 1
    assert imported > 0


def test_the_calls_are_programs():
    for before, call in CALLS.values():
        compile(_PROGRAM.format(before=before, call=call), "first call", "exec")


def test_help_answers_without_jax_and_keeps_nothing(tmp_path):
    assert np.all(np.array(of_command(["--help"], tmp_path)) > 0)
    assert not (tmp_path / "cache").exists()
