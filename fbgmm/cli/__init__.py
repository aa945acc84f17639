"""The command line `fbgmm`."""
