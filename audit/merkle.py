"""Merkle trees as RFC 9162, 2.1, has them: roots, and proofs that a leaf is under a root. Pure functions."""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf that holds *data*."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that leaves are added to: it holds one hash for each full subtree, as many as its size has bits set."""

    def __init__(self, size: int = 0, full: Iterable[bytes] = ()) -> None:
        """Begin with *size* leaves, of which *full* are the full subtrees, the largest first; raise ValueError."""
        self.size, self.full = size, list(full)
        if size.bit_count() != len(self.full):
            raise ValueError("a tree has a full subtree for each bit that is set in its size")

    def append(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        size = self.size
        while size & 1:
            leaf = node_hash(self.full.pop(), leaf)
            size >>= 1
        self.full.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over the leaves so far."""
        if not self.full:
            return EMPTY
        *left, root = self.full
        for subtree in reversed(left):
            root = node_hash(subtree, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over the hashes of leaves."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_path(leaves: Iterable[bytes], index: int, size: int) -> list[bytes]:
    """Return the proof that leaf *index* is one of *size*, from the leaf up; the leaves are read once, in order.

    Raises ValueError where there is no such leaf, or there are fewer leaves than *size*.
    """
    if not 0 <= index < size:
        raise ValueError("no leaf has this index")
    ranges = _siblings(index, size)
    trees = {begin: Tree() for begin, _end in ranges}
    begins = iter([*sorted(trees), size])
    tree, coming = Tree(), next(begins)
    for number, leaf in zip(range(size), leaves, strict=False):
        if number == coming:
            tree, coming = trees[coming], next(begins)
        elif number == index:
            tree = Tree()  # the leaf itself belongs to no sibling
        tree.append(leaf)
    if sum(found.size for found in trees.values()) != size - 1:
        raise ValueError("there are fewer leaves than that")
    return [trees[begin].root() for begin, _end in ranges]


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that *path* leads to from the hash of leaf *index* of *size*; None for a path of a wrong length.

    RFC 9162, 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None


def _siblings(index: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges of leaves under each node of the path, from the leaf up."""
    ranges, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]
