"""Workflows: data that is checked before it runs, run as a graph whose every finished step is stored."""
