"""Time and memory: fits, evaluation, first calls, and peers."""
