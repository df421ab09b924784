"""What a session's directory may be called."""

import re

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
