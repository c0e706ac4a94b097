"""One file for each version of the schema. They are never changed once they are released."""
