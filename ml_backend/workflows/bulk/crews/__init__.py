"""Where the workers of a bulk run come from: a module each."""
