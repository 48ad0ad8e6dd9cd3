# help_text.py - what `agentvm VERB --help` lists, read as a user reads it: verbs, options, examples.
import re


def _sections(text):
    """Title to lines; a title is a line of its own that ends with a colon."""
    sections, title = {}, ""
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][\w' ]*:", line):
            title = line[:-1]
        elif line.strip() or title != "Examples":
            sections.setdefault(title, []).append(line)
        else:
            title = ""  # an empty line ends the examples
    return sections


def verbs(run):
    """Every verb, as words: ("run",), ("profile", "show")."""
    found = []

    def walk(path):
        below = [line.split()[0] for line in _sections(run(*path, "--help").stdout).get("Subcommands", [])
                 if re.match(r"  \S", line)]
        for name in below:
            found.append((*path, name))
            walk((*path, name))

    walk(())
    return found


def options(run, verb):
    """The long names (a short one where there is no long) of a verb's options, with the section each is in."""
    found = {}
    for title, lines in _sections(run(*verb, "--help").stdout).items():
        for line in lines:
            match = re.match(r"  (-\S+)", line)
            if match and title != "Examples":
                found[match.group(1).split(",")[-1]] = title
    return found


def examples(run, verb):
    """The examples as they are to be typed: what is explained behind them is left out."""
    lines = _sections(run(*verb, "--help").stdout).get("Examples", [])
    return [re.split(r" {3,}", line.strip())[0] for line in lines if line.strip()]
