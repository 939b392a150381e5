"""Figures over time: what cells showed in one run after another."""
