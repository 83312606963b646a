"""Export formats, one file each: how reviewed rows are written for other tools."""
