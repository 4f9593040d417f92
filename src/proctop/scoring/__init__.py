"""Detectors: features in, scores and reasons out."""
