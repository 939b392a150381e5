"""The commands as sequences of stages: expand → select → lock → build → measure → collate."""
