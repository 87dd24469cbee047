"""Statistics: bootstrap, power, correction, distances."""
