"""Names, literals and lists in the text of a statement."""

from __future__ import annotations

import re

IDENTIFIER = r'(?:"(?:[^"]|"")+"|\[[^\]]+\]|[A-Za-z_][A-Za-z0-9_$]*)'
QUALIFIED = rf"{IDENTIFIER}(?:\s*\.\s*{IDENTIFIER})?"


def stored(name: str) -> str:
    """The name that an identifier means: one that is not quoted is folded to capitals."""
    name = name.strip()
    if name[0] == '"':
        return name[1:-1].replace('""', '"')
    return name[1:-1] if name[0] == "[" else name.upper()


def parts(qualified: str) -> list[str]:
    """Stored names of a qualified one."""
    return [stored(part) for part in re.findall(IDENTIFIER, qualified)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def listed(text: str) -> list[str]:
    """Items between the commas that are in no brackets and no quotes."""
    items, item, depth, quote = [], "", 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            items.append(item.strip())
            item = ""
            continue
        item += character
    return [*items, item.strip()] if item.strip() else items


def without_comments(sql: str) -> str:
    """Without comments in front and the semicolon at the end."""
    return re.sub(r"^(\s*(/\*.*?\*/|--[^\n]*\n))+", "", sql.strip().rstrip(";"), flags=re.DOTALL).strip()
