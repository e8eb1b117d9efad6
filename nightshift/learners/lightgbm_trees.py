"""LightGBM's trees as it writes them, and the same trees averaged over columns that are not known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

_CATEGORY, _MISSING_TYPE = 1, 12
_NO_NULLS_ASKED = "[use_missing: 0]"


@dataclass(frozen=True)
class Leaf:
    """A leaf's value, and what a linear leaf adds: its constant, and columns with coefficients."""

    value: float
    constant: float = 0.0
    columns: tuple[str, ...] = ()
    coefficients: tuple[float, ...] = ()


@dataclass(frozen=True)
class Split:
    """A split and its two sides, each with what the values of all its leaves are multiplied by.

    Attributes:
        column: its place.
        share: of the training rows that came here, those that went left.
        words: of a category, the set of codes that go left, as LightGBM's bits.
    """

    column: int
    threshold: str
    decision: int
    share: float
    words: tuple[str, ...]
    left: Side
    right: Side


Side = tuple[float, "Leaf | Split"]
NOTHING: Side = (0.0, Leaf(0.0))


@dataclass(frozen=True)
class Forest:
    """A booster's text in parts.

    Attributes:
        trees: the fields of each, as text.
        per_round: trees a round: one a class.
        without_nulls: the columns that have a split which never saw a null. Where the declaration says that a null is
            no missing value (`use_missing: false`), there are none.
    """

    head: tuple[str, ...]
    trees: tuple[dict[str, str], ...]
    tail: str
    per_round: int
    without_nulls: frozenset[int]

    def averaged(self, columns: frozenset[int]) -> str:
        """The text of a booster whose answer is the mean over what `columns` may be, by the training rows."""
        written: list[str] = []
        rounds = [self.trees[at : at + self.per_round] for at in range(0, len(self.trees), self.per_round)]
        sums = [[_averaged(tree, columns) for tree in trees] for trees in rounds]
        after = sum(max(len(one) for one in sides) for sides in sums)
        # A random forest's answer is the mean of its rounds, of which there are more now.
        factor = after / len(rounds) if "average_output" in self.head else 1.0
        is_linear = any(tree.get("is_linear") == "1" for tree in self.trees)
        for sides in sums:
            for together in zip_longest(*sides, fillvalue=NOTHING):
                for scale, root in together:
                    written.append(_written(len(written), (scale * factor, root), is_linear))
        head = [line for line in self.head if not line.startswith("tree_sizes=")]
        return "\n".join([*head, "", *written, self.tail])


def forest_of(text: str) -> Forest:
    """The parts of `Booster.model_to_string`."""
    end = text.index("\nend of trees")
    begin, *blocks = text[:end].split("\nTree=")
    head = tuple(line for line in begin.split("\n") if line)
    trees = tuple(
        dict(line.split("=", 1) for line in block.split("\n")[1:] if "=" in line) for block in blocks
    )
    per_round = next(
        (int(line.partition("=")[2]) for line in head if line.startswith("num_tree_per_iteration=")), 1
    )
    without = frozenset[int]() if _NO_NULLS_ASKED in text else _without_nulls(trees)
    return Forest(head, trees, text[end + 1 :], per_round, without)


def _without_nulls(trees: tuple[dict[str, str], ...]) -> frozenset[int]:
    found: set[int] = set()
    for tree in trees:
        columns, decisions = tree["split_feature"].split(), tree["decision_type"].split()
        found.update(
            int(column)
            for column, decision in zip(columns, decisions, strict=True)
            if not int(decision) & _MISSING_TYPE
        )
    return frozenset(found)


def _averaged(tree: dict[str, str], columns: frozenset[int]) -> list[Side]:
    """Trees whose sum is the mean of `tree` over `columns`. From the last split to the first: a side stands behind."""
    leaves = _leaves(tree)
    splits = _splits(tree)
    sides: list[list[Side]] = [[] for _ in splits]

    def side(place: int) -> list[Side]:
        return [(1.0, leaves[~place])] if place < 0 else sides[place]

    for place in range(len(splits) - 1, -1, -1):
        split, left, right = splits[place]
        if split.column in columns and not split.decision & _MISSING_TYPE:
            sides[place] = _mixed(side(left), side(right), split.share)
        else:
            sides[place] = [
                (1.0, _between(split, ours, theirs))
                for ours, theirs in zip_longest(side(left), side(right), fillvalue=NOTHING)
            ]
    return sides[0] if splits else [(1.0, leaves[0])]


def _between(split: Split, left: Side, right: Side) -> Split:
    return Split(split.column, split.threshold, split.decision, split.share, split.words, left, right)


def _mixed(left: list[Side], right: list[Side], share: float) -> list[Side]:
    """Both sides by their shares; leaves that are plain values are added up."""
    parts = [(scale * share, node) for scale, node in left]
    parts += [(scale * (1 - share), node) for scale, node in right]
    rest: list[Side] = []
    total, has_plain = 0.0, False
    for scale, node in parts:
        if isinstance(node, Leaf) and not node.columns and node.constant == node.value:
            total, has_plain = total + scale * node.value, True
        else:
            rest.append((scale, node))
    return [*rest, (1.0, Leaf(total, total))] if has_plain else rest


def _leaves(tree: dict[str, str]) -> list[Leaf]:
    values = [float(one) for one in tree["leaf_value"].split()]
    if tree.get("is_linear") != "1":
        return [Leaf(value, value) for value in values]
    counts = [int(one) for one in tree["num_features"].split()]
    columns, coefficients = tree["leaf_features"].split(), tree["leaf_coeff"].split()
    found, at = [], 0
    for value, constant, count in zip(values, tree["leaf_const"].split(), counts, strict=True):
        own = tuple(float(one) for one in coefficients[at : at + count])
        found.append(Leaf(value, float(constant), tuple(columns[at : at + count]), own))
        at += count
    return found


def _splits(tree: dict[str, str]) -> list[tuple[Split, int, int]]:
    """Each split, its sides not yet known, and the places of these: those of leaves are negative."""
    rows = zip(
        tree["split_feature"].split(), tree["threshold"].split(), tree["decision_type"].split(),
        (int(one) for one in tree["left_child"].split()), (int(one) for one in tree["right_child"].split()),
        strict=True,
    )  # fmt: skip
    reached = [float(one) for one in tree.get("internal_count", "").split()]
    ended = [float(one) for one in tree.get("leaf_count", "").split()]
    ends, words = tree.get("cat_boundaries", "").split(), tree.get("cat_threshold", "").split()
    found = []
    for column, threshold, decision, left, right in rows:
        own: tuple[str, ...] = ()
        if int(decision) & _CATEGORY:
            place = int(float(threshold))
            own = tuple(words[int(ends[place]) : int(ends[place + 1])])
        counts = [ended[~one] if one < 0 else reached[one] for one in (left, right)] if ended else [0.0, 0.0]
        share = counts[0] / sum(counts) if sum(counts) else 0.5
        split = Split(int(column), threshold, int(decision), share, own, NOTHING, NOTHING)
        found.append((split, left, right))
    return found


def _written(number: int, root: Side, is_linear: bool) -> str:
    """A tree as LightGBM reads it: splits and leaves numbered as they are met from the root on."""
    splits: list[Split] = []
    leaves: list[tuple[float, Leaf]] = []
    children: list[list[int]] = []
    ahead: list[tuple[Side, int, int]] = [(root, -1, 0)]
    while ahead:
        (scale, node), parent, which = ahead.pop()
        if isinstance(node, Split):
            place = len(splits)
            splits.append(node)
            children.append([0, 0])
            for at, (factor, side) in enumerate((node.left, node.right)):
                ahead.append(((scale * factor, side), place, at))
        else:
            place = ~len(leaves)
            leaves.append((scale, node))
        if parent >= 0:
            children[parent][which] = place
    fields = {"num_leaves": str(len(leaves)), **_of_splits(splits, children), **_of_leaves(leaves, is_linear)}
    return "\n".join([f"Tree={number}", *(f"{name}={value}" for name, value in fields.items()), "", ""])


def _of_splits(splits: list[Split], children: list[list[int]]) -> dict[str, str]:
    thresholds, ends, words = [], ["0"], list[str]()
    for split in splits:
        is_category = bool(split.decision & _CATEGORY)
        thresholds.append(str(len(ends) - 1) if is_category else split.threshold)
        if is_category:
            words += split.words
            ends.append(str(len(words)))
    categories = {"cat_boundaries": " ".join(ends), "cat_threshold": " ".join(words)} if words else {}
    return {
        "num_cat": str(len(ends) - 1),
        "split_feature": " ".join(str(split.column) for split in splits),
        "threshold": " ".join(thresholds),
        "decision_type": " ".join(str(split.decision) for split in splits),
        "left_child": " ".join(str(left) for left, _ in children),
        "right_child": " ".join(str(right) for _, right in children),
        **categories,
    }


def _of_leaves(leaves: list[tuple[float, Leaf]], is_linear: bool) -> dict[str, str]:
    fields = {"leaf_value": " ".join(repr(scale * leaf.value) for scale, leaf in leaves)}
    if is_linear:
        fields |= {
            "is_linear": "1",
            "leaf_const": " ".join(repr(scale * leaf.constant) for scale, leaf in leaves),
            "num_features": " ".join(str(len(leaf.columns)) for _, leaf in leaves),
            "leaf_features": " ".join(column for _, leaf in leaves for column in leaf.columns),
            "leaf_coeff": " ".join(repr(scale * one) for scale, leaf in leaves for one in leaf.coefficients),
        }
    else:
        fields["is_linear"] = "0"
    return {**fields, "shrinkage": "1"}
