"""What a cached answer is: its name, its bytes, its pieces, who waits for it, and the port of the store it is kept in."""
