"""The integrated services: one file each, embedded in the gateway, or reached over HTTP by the routes that the file names."""
