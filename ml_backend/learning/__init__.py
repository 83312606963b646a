"""Training: frozen-feature regression first, LoRA on top of it, and the gate that a new version must pass.

Importing this package imports neither torch nor scikit-learn; its modules do so at first use.
"""
