"""Rule engines: what can be said about a text, a diagram or source code without asking a model. Pure: values in, values out."""
