"""Frames as text for pipes and files."""
