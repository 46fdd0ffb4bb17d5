#!/usr/bin/env python3
"""Fails when a crate depends on what its place in the design forbids.

Functions and local -> app -> connectors -> core; simulators stand alone; tests may use everything.
Only what ends up in a program counts: normal and build dependencies. Tests of a crate may use what they like.
"""

import json
import subprocess
import sys

# Which workspace crates each crate may name. A crate that is not listed is a Lambda function.
ALLOWED_CRATES = {
    "tandem-core": set(),
    "tandem-simulators": set(),
    "tandem-connectors": {"tandem-core"},
    "tandem-app": {"tandem-core", "tandem-connectors"},
    "tandem-local": {"tandem-core", "tandem-connectors", "tandem-app", "tandem-simulators"},
}
UNRESTRICTED = {"tandem-tests"}

# A function is a dozen lines over the app: everything else it needs, the app gives it.
FUNCTION_CRATES = {"tandem-app"}
FUNCTION_LIBRARIES = {"lambda_http", "lambda_runtime", "tokio"}

# What must not be reached, not even through another library. A trailing `*` stands for any ending.
FORBIDDEN_LIBRARIES = {
    "tandem-core": ["aws-*", "aws_*", "axum", "hyper", "lambda_*", "reqwest", "rusqlite", "tokio"],
    "tandem-connectors": ["aws-config", "aws-sdk-*", "aws_*", "lambda_*"],
    "tandem-simulators": ["aws-config", "aws-sdk-*", "aws_*", "lambda_*"],
}


def matches(name, pattern):
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def read_metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def dependencies_by_id(metadata):
    """For each package id, the ids of what goes into the program with it."""
    return {
        node["id"]: [
            dependency["pkg"]
            for dependency in node["deps"]
            if any(kind["kind"] in (None, "build") for kind in dependency["dep_kinds"])
        ]
        for node in metadata["resolve"]["nodes"]
    }


def paths_to_all(start, dependencies):
    """A shortest path from `start` to each package that it reaches."""
    paths = {start: [start]}
    frontier = [start]
    while frontier:
        reached = []
        for package in frontier:
            for dependency in dependencies[package]:
                if dependency not in paths:
                    paths[dependency] = [*paths[package], dependency]
                    reached.append(dependency)
        frontier = reached
    del paths[start]
    return paths


def violations(metadata):
    names = {package["id"]: package["name"] for package in metadata["packages"]}
    dependencies = dependencies_by_id(metadata)
    members = set(metadata["workspace_members"])

    for member in sorted(members, key=names.get):
        crate = names[member]
        if crate in UNRESTRICTED:
            continue
        is_function = crate not in ALLOWED_CRATES
        allowed = FUNCTION_CRATES if is_function else ALLOWED_CRATES[crate]

        for dependency in dependencies[member]:
            name = names[dependency]
            if dependency in members and name not in allowed:
                yield f"{crate} must not depend on {name}"
            elif is_function and dependency not in members and name not in FUNCTION_LIBRARIES:
                yield f"{crate} is a function and must not depend on {name}: let tandem-app do it"

        for dependency, path in paths_to_all(member, dependencies).items():
            if any(matches(names[dependency], pattern) for pattern in FORBIDDEN_LIBRARIES.get(crate, [])):
                yield f"{crate} must not reach {names[dependency]}: {' -> '.join(names[step] for step in path)}"


def main():
    found = list(violations(read_metadata()))
    for violation in found:
        print(f"dependency direction: {violation}", file=sys.stderr)
    if found:
        sys.exit(1)
    print("dependency direction: ok")


main()
