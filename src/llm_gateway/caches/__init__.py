"""The kinds of store behind `caching.store.Store`."""
