"""RFC 9162, 2.1: roots that are known, and what holds of every tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.merkle import EMPTY, Tree, inclusion_path, leaf_hash, node_hash, root_by_path, root_of

pytestmark = pytest.mark.unit

# The leaves and roots that the logs of Certificate Transparency test themselves with.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
SIZES = st.integers(1, 300)


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition, word by word: the left subtree is the largest power of two below the size."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return node_hash(plain_root(leaves[:left]), plain_root(leaves[left:]))


def plain_path(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    if index < left:
        return [*plain_path(leaves[:left], index), plain_root(leaves[left:])]
    return [*plain_path(leaves[left:], index - left), plain_root(leaves[:left])]


def some(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_that_others_compute(size):
    assert root_of(HASHES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", range(70))
def test_a_root_is_that_of_the_definition(size):
    assert root_of(some(size)) == plain_root(some(size))


@given(size=SIZES, data=st.data())
def test_every_leaf_has_a_path_to_the_root_and_no_other_leaf_or_place_has_it(size, data):
    leaves = some(size)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(iter(leaves), index, size)

    assert path == plain_path(leaves, index)
    assert root_by_path(leaves[index], index, size, path) == root_of(leaves)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index) if size > 1 else st.just(size))
    if other < size:
        assert root_by_path(leaves[other], index, size, path) != root_of(leaves)
        assert root_by_path(leaves[index], other, size, path) != root_of(leaves)
    assert root_by_path(leaves[index], index, size, [*path, leaves[index]]) is None
    if path:
        assert root_by_path(leaves[index], index, size, path[:-1]) is None


@given(size=SIZES, cut=st.integers(0, 300))
def test_a_tree_goes_on_from_where_another_stood(size, cut):
    leaves = some(size)
    before = Tree()
    for leaf in leaves[:cut]:
        before.append(leaf)
    after = Tree(before.size, before.full)
    for leaf in leaves[cut:]:
        after.append(leaf)

    assert after.size == size
    assert after.root() == root_of(leaves)
    assert len(after.full) <= size.bit_length()


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_place_that_is_none_has_no_path(index, size):
    with pytest.raises(ValueError, match="index"):
        inclusion_path(some(3), index, size)
    assert root_by_path(EMPTY, index, size, []) is None


def test_fewer_leaves_than_were_said_are_no_tree():
    with pytest.raises(ValueError, match="fewer"):
        inclusion_path(some(3), 0, 5)
    with pytest.raises(ValueError, match="full subtree"):
        Tree(3, [EMPTY])
