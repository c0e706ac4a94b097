"""The dashboard: pages for people, made on the server from what the API answers. `door` is loaded with the gateway, the rest of it,
templates and all, when somebody opens a page."""
