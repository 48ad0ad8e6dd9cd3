# source_text.py - what the checks of this folder share: finding sources, and telling code from comments and strings.
import os
import re

# A comment, a raw string, a string or a character, in this order.
NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"|(?<![0-9A-Fa-f])\'(?:[^\'\\\n]|\\.)+\'', re.DOTALL)


def cpp_files(root, *folders):
    """C++ sources and headers below these folders, relative to the root, sorted."""
    found = []
    for folder in folders:
        for where, _, names in os.walk(os.path.join(root, folder)):
            found += [os.path.relpath(os.path.join(where, name), root) for name in names if name.endswith((".cpp", ".hpp"))]
    return sorted(found)


def code_of(text):
    """The text with comments and strings blanked; every character stays at its place."""
    return NO_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
