"""Ways to rank eligible targets, one file a strategy."""
