"""The commands that the documents show, and what they show as the answer."""

import pathlib
import re
from dataclasses import dataclass, field

TOP = pathlib.Path(__file__).parents[2]
MAN = sorted((TOP / "docs" / "man").glob("*.[1-8]"))
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md",
         *sorted((TOP / "docs").glob("*.md")), *MAN]


@dataclass
class Shown:
    command: str
    output: list[str] = field(default_factory=list)


def name(page):
    return str(page.relative_to(TOP))


def blocks(page):
    """Each block of code, as its lines without what they are indented by."""
    text = page.read_text()
    if page in MAN:
        text = "".join(re.findall(r"(?ms)^\.Sh EXAMPLES\n(.*?)(?=^\.Sh|\Z)",
                                  text))
        found = re.findall(r"(?ms)^\.Bd.*?\n(.*?)^\.Ed", text)
        found += re.findall(r"(?m)(?:^\.Dl [^\n]*\n)+", text)
        found = [re.sub(r"(?m)^\.Dl |\\(?=-)", "", block) for block in found]
    else:
        found = re.findall(r"(?ms)^```\w*\n(.*?)^```", text)
        found += re.findall(r"(?<=\n\n)(?: {4,}\S[^\n]*\n)+", text)
    for block in found:
        lines = block.splitlines()
        indent = min(len(li) - len(li.lstrip()) for li in lines if li.strip())
        yield [li[indent:] for li in lines]


def shown(block):
    """Where lines begin with "$ ", the others are output; else all commands."""
    if not any(li.startswith("$ ") for li in block):
        return [Shown(li) for li in block if li.strip()]
    found = []
    for line in block:
        if line.startswith("$ "):
            found.append(Shown(line[2:]))
        else:
            assert found, f"output of which command? {line}"
            found[-1].output.append(line)
    return found
