"""What will be spent, and what could be saved: read off the ledger and the records of requests."""
