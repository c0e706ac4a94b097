"""Diagrams, manifests and prose read into components and relations, and what their graph says."""
