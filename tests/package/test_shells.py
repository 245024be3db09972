"""What the installed completions offer, in the shells themselves."""

import os
import pty
import re
import select
import subprocess
import time

import pytest

from conftest import NAME


@pytest.fixture(scope="module")
def m(installed):
    installed.run("podfs", "mount", "/k8s")
    yield installed
    installed.run("podfs", "umount", "/k8s")


def bash(m, line):
    script = ("source /usr/share/bash-completion/completions/podfs\n"
              "COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n"
              "_podfs\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
    return m.run("bash", "-c", script, "bash", *line.split(" ")).stdout


def fish(m, line):
    done = m.run("fish", "-c", 'complete -C "$argv"', line)
    return "".join(word.split("\t")[0] + "\n"
                   for word in done.stdout.splitlines())


class Zsh:
    """One in a terminal: what it makes of a line at the tab key."""

    def __init__(self, m):
        self.main, side = pty.openpty()
        self.seen = ""
        self.child = subprocess.Popen(
            ["nsenter", "-t", m.first, "-m", "-p", "-n", "-u", "-i", "-C",
             "-r", "-w", "setsid", "-c", "-w", "zsh", "-f", "-i"],
            stdin=side, stdout=side, stderr=side,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                 "TERM": "dumb", "PS1": ""})
        os.close(side)
        os.write(self.main, b"autoload -U compinit && compinit -D; "
                 b"accept-line() { print -r -- \"GOT<$BUFFER>\"; "
                 b"BUFFER=; zle .accept-line }; "
                 b"zle -N accept-line; print -r -- READ'Y'\n")
        self.until("READY")

    def until(self, pattern):
        end = time.monotonic() + 60
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, self.seen
            if select.select([self.main], [], [], 1)[0]:
                self.seen += os.read(self.main, 4096).decode(errors="replace")
        self.seen = self.seen[found.end():]
        return found

    def complete(self, line):
        os.write(self.main, line.encode() + b"\t\r")
        return self.until(r"GOT<([^>]*)>")[1].split()[-1]

    def end(self):
        self.child.kill()
        self.child.wait()
        os.close(self.main)


WORDS = [
    ("podfs um", "umount"), ("podfs umount /k", "/k8s"),
    ("podfs status /k", "/k8s"),
    ("podfs mount --max-rung b", "baseline"), ("podfs completion z", "zsh"),
    ("podfs mount -n d", "db"), ("podfs doctor db/p", "db/postpod"),
    ("podfs release db/postpod/", NAME), ("podfs mount --exc", "--exclude"),
    ("podfs superdebug --keep-lab", "--keep-labels")]


@pytest.mark.parametrize("shell", [bash, fish])
@pytest.mark.parametrize("line, word", WORDS)
def test_a_word_is_completed(m, shell, line, word):
    assert shell(m, line) == f"{word}\n"


def test_zsh_completes_too(m):
    zsh = Zsh(m)
    try:
        for line, word in WORDS:
            assert zsh.complete(line) == word, line
    finally:
        zsh.end()


@pytest.mark.parametrize("shell", [bash, fish])
def test_all_commands_and_the_options_of_one(m, shell):
    said = m.run("podfs", "--help").stdout
    commands = set(re.findall(r"^  podfs (\w+)", said, re.M))
    assert set(shell(m, "podfs ").split()) == commands
    said = m.run("podfs", "mount", "--help").stdout
    options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", said, re.M))
    assert set(shell(m, "podfs mount --").split()) == options
