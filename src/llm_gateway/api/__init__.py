"""HTTP in and out: decodes requests, encodes replies and errors, decides nothing."""
