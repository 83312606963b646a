"""Have label sources read texts: measure them by what people labeled, and propose answers where nobody has."""
