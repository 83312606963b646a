"""How answers are exported that have columns with types, one file per head."""
