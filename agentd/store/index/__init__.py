"""The file store's index: SQLite with FTS5, derived from the sessions' files and disposable at any time.

Owns ``index.sqlite3`` and the one connection to it. Holds nothing that the files do not say; no text is kept in it
but the words themselves (a contentless table): what is shown of a match is read back from the transcript.
"""
