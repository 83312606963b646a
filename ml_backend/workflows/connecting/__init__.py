"""Connect Label Studio projects and remember them."""
