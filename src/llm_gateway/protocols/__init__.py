"""What is said on each wire: pure translations that providers and ingresses share."""
