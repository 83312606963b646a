"""The API of the admin's page: one module per thing, each with the endpoints about it."""
