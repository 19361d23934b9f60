# SPDX-License-Identifier: MIT
"""Builds, dumps and parses JSON. usage: python_json.py COUNT"""
import json
import random
import sys

random.seed(1)
count = int(sys.argv[1])
items = [{"id": i, "name": f"item {i}", "tags": [str(random.random()) for _ in range(5)],
          "nested": {"a": i, "b": [i] * 3}} for i in range(count)]
text = json.dumps(items)
for _ in range(2):
    parsed = json.loads(text)
print(len(parsed), len(text))
