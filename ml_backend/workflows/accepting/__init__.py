"""Accept answers by certificates, let people audit them, and take them back."""
