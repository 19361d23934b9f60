#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the page of the HTML report, as a C header.

bundle.py --try|--need HEADER DEPFILE SOURCES WORK npm|no

Everything below SOURCES goes through esbuild, which npm fetches into WORK with the libraries that
package-lock.json names. Without npm, or the network, --try makes an empty page and says so; the
depfile then names a file that never exists, so that the next build tries again.
"""

import os
import shutil
import subprocess
import sys

import embed

LIMIT_S = 300  # for npm: a registry that does not answer


def sources(folder):
    found = []
    for path, _, names in os.walk(folder):
        found += [os.path.join(path, name) for name in names
                  if name.endswith((".js", ".css", ".html", ".json", ".py"))]
    return sorted(found)


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def run(command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)
    if done.returncode:
        raise OSError(f"{os.path.basename(command[0])} failed:\n{done.stdout.strip()}")


def fetch(npm, folder, work):
    """What the lock names, in WORK/node_modules. Nothing is done where it is there."""
    lock = read(os.path.join(folder, "package-lock.json"))
    mine = os.path.join(work, "fetched-lock.json")
    if os.path.exists(mine) and read(mine) == lock:
        return
    os.makedirs(work, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(folder, name), work)
    run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=2",
         "--fetch-retry-mintimeout=1000", "--fetch-retry-factor=2", "--loglevel=error"], cwd=work,
        timeout=LIMIT_S)
    with open(mine, "w", encoding="utf-8") as out:
        out.write(lock)


def bundle(folder, work):
    out = os.path.join(work, "bundle")
    modules = os.path.join(work, "node_modules")
    run(["node", os.path.join(modules, "esbuild", "bin", "esbuild"),
         os.path.join(folder, "page.js"), "--bundle", "--minify", "--format=iife",
         "--target=es2020", "--charset=utf8", "--legal-comments=none", f"--outdir={out}",
         "--log-level=warning"], env={**os.environ, "NODE_PATH": modules})
    page = read(os.path.join(folder, "page.html"))
    for place, name in (("/*STYLE*/", "page.css"), ("/*SCRIPT*/", "page.js")):
        before, after = page.split(place)
        page = before + read(os.path.join(out, name)).strip() + after
    return page


def main(need, header, depfile, folder, work, wanted):
    depends = sources(folder)
    page = ""
    npm = shutil.which("npm")
    try:
        if wanted == "no":
            raise OSError("it is not wanted (-Dreport=disabled)")
        if not npm or not shutil.which("node"):
            depends.append(os.path.join(work, "npm-was-not-found"))
            raise OSError("npm is not installed (Debian: apt-get install npm)")
        depends.append(os.path.join(work, "npm-did-not-fetch"))
        fetch(npm, folder, work)
        depends.pop()
        page = bundle(folder, work)
    except (OSError, subprocess.TimeoutExpired) as trouble:
        print(f"The page of seep report is left out of this build: {trouble}", file=sys.stderr)
        if need == "--need":
            sys.exit(1)
    with open(header, "w", encoding="utf-8") as out:
        out.write(f"static const char web_page[] =\n{embed.literal(page)};\n")
    with open(depfile, "w", encoding="utf-8") as out:
        escaped = [name.replace(" ", "\\ ") for name in depends]
        out.write(f"{header}: {' '.join(escaped)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
