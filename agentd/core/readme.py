"""What a README says the project is, in few words: for a model whose window is small. Pure."""

import re

SKIPPED = re.compile(r"^\s*(#|!\[|\[!\[|<|\||=+\s*$|-+\s*$|\.\. )")
FENCE = re.compile(r"^\s*(```|~~~)")


def first_words(readme: str, limit: int) -> str:
    """The first paragraphs of prose, up to ``limit`` characters: no headings, badges, pictures, tables or code."""
    kept: list[str] = []
    fenced = False
    for line in readme.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced and not SKIPPED.match(line):
            kept.append(line.strip())
    paragraphs = [" ".join(block.split()) for block in "\n".join(kept).split("\n\n") if block.strip()]
    text = ""
    for paragraph in paragraphs:
        if text and len(text) + len(paragraph) > limit:
            break
        text = f"{text}\n\n{paragraph}".strip()
    return text[:limit].strip()
