"""The disk: transcript, journal, metadata, queue and event log of every session. Nothing else writes the store."""
