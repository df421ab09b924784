"""A session as something to read or to process: JSON, Markdown, HTML. Pure: sessions and turns in, text out.

All that comes from a session is hostile here: it must neither break out of its place nor do anything.
"""
