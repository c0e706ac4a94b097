"""What is measured: aggregates that merge, records of requests, and what is read off both."""
