"""One upstream protocol a file: `kind: openai` in the configuration is `providers/openai.py`."""
