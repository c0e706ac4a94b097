"""Who may call: API keys, the admin token, and the brake on those who guess."""
