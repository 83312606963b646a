"""One repository per table or two: rows in and out as domain values, each method one transaction."""
