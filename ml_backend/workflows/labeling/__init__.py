"""What happens while experts label: events come in, predictions go out."""
