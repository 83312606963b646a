"""Forms of answers that a language model is asked for, one file each."""
