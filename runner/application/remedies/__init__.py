"""What helps an application that cannot be built, does not start, or does not answer."""
