"""`python -m ml_backend`: the same as `labelloop`."""

from .cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
