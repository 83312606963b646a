"""The admin's pages: one module per page, each with a template of the same name."""
