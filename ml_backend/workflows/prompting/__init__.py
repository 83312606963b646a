"""Put a language model to it: requests with examples, each asked once, counted and priced."""
