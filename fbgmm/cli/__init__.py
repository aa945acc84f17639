"""The command `fbgmm`."""
