"""The ledger: a row for every attempt that reached an upstream, sums over them, and the budgets that are held against them."""
