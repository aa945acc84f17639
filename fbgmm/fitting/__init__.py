"""From data to a fitted mixture: one data set, batches, streams and sharded arrays."""
