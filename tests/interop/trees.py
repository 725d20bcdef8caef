# SPDX-License-Identifier: MIT
"""Descriptions of peer.py, as lists of named tensors and as trees that two
ages may be compared by."""

# What unguarded loads alone give back; weights_only refuses these.
UNGUARDED = ("rich", "arrays", "cycle_tuple", "scalars")


def label(key):
    if isinstance(key, str):
        return key
    if isinstance(key, dict):
        return str(next(iter(key.values())))
    return str(key)


def tensors(tree):
    """[(name, tensor)] in the order of the tree, shared parts unfolded."""
    found, seen = [], {}

    def number(node):
        """Numbers containers as peer.py did, so that `again` is found."""
        if not isinstance(node, dict) or "again" in node:
            return
        kind = next(iter(node))
        if kind in ("int", "float", "complex", "bytes", "dtype", "device",
                    "slice", "range"):
            return
        if node != {"tuple": []}:
            seen[len(seen)] = node
        for part in node.values():
            for child in children(part):
                number(child)

    def children(part):
        if isinstance(part, dict) and "tensor" not in part and \
                "dtype" in part and "sha256" in part:
            return [part["attributes"]] if "attributes" in part else []
        if isinstance(part, dict):
            return [part]
        if not isinstance(part, list):
            return []
        flat = []
        for item in part:
            flat += item if isinstance(item, list) else [item]
        return flat

    def walk(node, path, above):
        if not isinstance(node, dict):
            return
        if "again" in node:
            node = seen[node["again"]]
        if id(node) in above:
            return
        above = above | {id(node)}
        if "tensor" in node:
            found.append((".".join(path), node["tensor"]))
            return
        kind, part = next(iter(node.items()))
        if kind in ("list", "tuple", "deque", "Size"):
            for index, item in enumerate(part):
                walk(item, path + [str(index)], above)
        elif kind in ("dict", "OrderedDict", "defaultdict", "Counter"):
            for key, value in part:
                walk(value, path + [label(key)], above)

    number(tree)
    walk(tree, [], frozenset())
    return found


def ties(values):
    """The same partition as numbers in order of first meeting."""
    order = {}
    return [None if value is None else order.setdefault(value, len(order))
            for value in values]
