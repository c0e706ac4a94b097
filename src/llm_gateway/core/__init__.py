"""The values every part of the gateway speaks in; knows nothing of the parts."""
