"""What all benchmarks share: finished work on disk, the environment, timing and tables."""
