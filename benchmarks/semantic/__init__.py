"""How the semantic cache tells questions apart: labelled pairs, and what comes of them."""
