"""Work with experts while they label: events come in, predictions go out."""
