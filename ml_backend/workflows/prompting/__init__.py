"""Put prompts to a language model: with examples, in a cache, at a price, and beside the models that are trained."""
