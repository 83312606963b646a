"""The bundle folder that training writes and serving reads."""
