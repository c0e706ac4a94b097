"""The pure parts of the provider router: who is able to answer, who is well, when to try again, how many at once."""
