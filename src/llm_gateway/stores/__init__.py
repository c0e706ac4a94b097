"""Where state lives that must survive the process."""
