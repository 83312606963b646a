"""Label configs: from Label Studio's XML to values, and predictions checked against them."""
