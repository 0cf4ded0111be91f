"""Streams of noise: 256 for each simulation, so that no two of them share a random number."""

HISTOGRAM, MOMENTS, HARMONIC, ESCAPE, WALK, DRIFT, DENSITY, STILL, POSTERIOR = range(0, 9 * 256, 256)
