"""Training: linear heads on frozen or tuned base models, and fine-tuned language models, by one loop.

Importing this package imports neither torch nor scikit-learn; its modules do so at first use.
"""
