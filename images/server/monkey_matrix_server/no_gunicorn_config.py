"""What gunicorn reads as its configuration where it must not read one: nothing."""
