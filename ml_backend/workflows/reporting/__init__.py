"""The report of a project or an export: what labels cost, what they bought, and what the target still costs."""
