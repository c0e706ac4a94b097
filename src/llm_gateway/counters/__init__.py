"""Where limits are counted: in this process (`memory`), or in Redis or Valkey (`redis`) for all processes together."""
