"""The benchmark of an accelerator: correctness, counting, fits and applications, in at most six minutes."""
