"""Label sources: reasons, lists and patterns in a folder that an analyst owns, which answer texts."""
