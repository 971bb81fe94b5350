"""Holds the licence of every dependency against the list in the deny configuration.

An expression passes if one of its alternatives (`OR`, `/`) has every part (`AND`) on the list. Banned crates and crates that
come from anywhere but the registry fail too.
"""

import json
import re
import subprocess
import sys
import tomllib


def parse(expression):
    """The expression as alternatives, each a set of licences that all apply."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def either():
        alternatives = both()
        while peek() == "OR":
            take()
            alternatives = alternatives + both()
        return alternatives

    def both():
        alternatives = one()
        while peek() == "AND":
            take()
            others = one()
            alternatives = [left | right for left in alternatives for right in others]
        return alternatives

    def one():
        if take() == "(":
            alternatives = either()
            take()
            return alternatives
        licence = tokens[position - 1]
        if peek() == "WITH":
            take()
            licence = f"{licence} WITH {take()}"
        return [{licence}]

    return either()


def problems(package, allowed, banned):
    name = f"{package['name']} {package['version']}"
    if package["name"] in banned:
        yield f"{name}: banned"
    source = package["source"]
    if source is None:
        return
    if not source.startswith("registry+"):
        yield f"{name}: comes from {source}"
    expression = package["license"]
    if not expression:
        yield f"{name}: names no licence"
    elif not any(parts <= allowed for parts in parse(expression)):
        yield f"{name}: {expression} is not on the list"


def self_check():
    assert parse("MIT OR Apache-2.0") == [{"MIT"}, {"Apache-2.0"}]
    assert parse("(MIT OR Apache-2.0) AND Unicode-3.0") == [{"MIT", "Unicode-3.0"}, {"Apache-2.0", "Unicode-3.0"}]
    assert parse("Apache-2.0 WITH LLVM-exception/MIT") == [{"Apache-2.0 WITH LLVM-exception"}, {"MIT"}]


def main():
    self_check()
    with open(sys.argv[1], "rb") as file:
        deny = tomllib.load(file)
    allowed = set(deny["licenses"]["allow"])
    banned = {entry["crate"] for entry in deny["bans"]["deny"]}
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    # Crates for other systems alone are in the lock, not in any program built here.
    host = re.search(r"host: (\S+)", subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout)
    command.append(f"--filter-platform={host.group(1)}")
    packages = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]
    found = sorted(problem for package in packages for problem in problems(package, allowed, banned))
    print("\n".join(found) or f"{len(packages)} packages, all on the list")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
