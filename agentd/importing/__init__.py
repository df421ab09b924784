"""Other programs' sessions, read: from their bytes to turns of our shape. ``files`` alone touches the disk.

Everything in here is hostile: nesting, numbers, ids, times and text of any kind. A reader takes what is whole and says
what was not; what is not a session at all is ``ImportFailed``.
"""
