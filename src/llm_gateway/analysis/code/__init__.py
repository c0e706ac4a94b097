"""Source code read by its grammar: structure, complexity, smells, and the HTTP endpoints it serves."""
