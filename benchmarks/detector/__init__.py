"""Measuring the sensitivity detector."""
