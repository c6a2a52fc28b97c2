"""Who may ask: API keys with budgets, signed addresses, the key of administration."""
