"""The sensitivity detector: small rules, each data where data will do, over one scan of a request's text.

`extraction` lists every string of a request, `normalise` and `decode` undo disguises, the families (`secrets_*`,
`pii_*`, `markers`, `matters`) say what they see, `inspector` runs them and adds up. Pure: no clock, no I/O.
"""
