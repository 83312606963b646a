"""The views that pages show: one function per thing asked, read from the database and from files alone."""
