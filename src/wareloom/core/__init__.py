"""What everything stands on: families, state, runs, kernels, files."""
