"""What an application says of itself, read on the host. Nothing of it is run here."""
