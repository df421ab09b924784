"""Turns METHODS, events and shapes into the pages and types that clients are written against. Not in the wheel."""
