"""Filters: what they mean, what they refuse, and that LanceDB and the mask in memory keep the same rows."""

import random

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibind.errors import UnibindError, UnknownNameError
from unibind.retrieval.conditions import COMPARISONS, All, Comparison, Empty, Like, Member, Not, Some, quoted
from unibind.retrieval.filters import COLUMNS, parse_filter

TEXTS = [name for name, kind in COLUMNS.items() if kind == "string"]
NUMBERS = [name for name, kind in COLUMNS.items() if kind == "number"]
ODD = (
    "dog", "Dog", "", " ", "it's", "''", "' OR 1=1 --", "'; DROP TABLE items; --", '"', "`label`", "a%b", "a_b", "axb",
    "\n", "a\nb", "\t", "\x00", "\u2028", "schön", "犬", "\U0001f415", "\ud800", "null", "\\", "\\'", "$1", "?", "%",
    "_", "/* x */", "{0}", "x" * 300,
)  # fmt: skip


def table(**columns):
    """Rows with these columns; the others are empty."""
    count = len(next(iter(columns.values())))
    kinds = {"string": pyarrow.string(), "number": pyarrow.float64()}
    return pyarrow.table(
        {name: pyarrow.array(columns.get(name, [None] * count), kinds[kind]) for name, kind in COLUMNS.items()}
    )


ROWS = table(
    label=["dog", "cat", None, "it's"],
    split=["train", "test", "test", None],
    start_s=[None, 0, 30, 60.5],
    uri=["a/dog_1.png", "a/cat-1.png", None, "b/DOG.wav"],
)


def kept(text):
    return [i for i, keep in enumerate(parse_filter(text).matches(ROWS).to_pylist()) if keep]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("label = 'dog'", [0]),
        ("label != 'dog'", [1, 3]),  # an item without a label is neither
        ("not label = 'dog'", [1, 3]),
        ("label = 'it''s'", [3]),
        ("label in ('cat', 'it''s')", [1, 3]),
        ("label not in ('cat')", [0, 3]),
        ("label is null", [2]),
        ("label is not null", [0, 1, 3]),
        ("start_s >= 30", [2, 3]),
        ("start_s < 3e1", [1]),
        ("start_s = -0.0", [1]),
        ("start_s in (0, 60.5)", [1, 3]),
        ("uri like 'a/%'", [0, 1]),
        ("uri like 'a/dog_1.png'", [0]),
        ("uri like 'a/cat_1.png'", [1]),
        ("uri not like '%dog%'", [1, 3]),
        ("label = 'dog' or split = 'test' and start_s > 0", [0, 2]),  # and binds tighter
        ("(label = 'dog' or split = 'test') and start_s >= 0", [1, 2]),
        ("NOT (label IS NULL OR split IS NULL)", [0, 1]),
        ("label = 'cat' or start_s > 1", [1, 2, 3]),  # null or true is true
        ("not (label = 'cat' and start_s > 1)", [0, 1, 3]),  # null and false is false, row 2 is null
    ],
)
def test_what_a_filter_keeps(text, rows):
    assert kept(text) == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a column at character 1, where it ends"),
        ("label", "needs one of = != < <= > >= in like is at character 6, where it ends"),
        ("label = dog", "a text in single quotes, or a number at character 9, where it has 'dog'"),
        ('label = "dog"', "needs a text in single quotes, closed by one at character 9"),
        ("label = 'dog", "needs a text in single quotes, closed by one at character 9"),
        ("label == 'dog'", "at character 8, where it has '='"),
        ("label = 'a' label = 'b'", "needs and, or, or the end at character 13, where it has 'label'"),
        ("label = 'a'; drop table items", "at character 12, where it has ';'"),
        ("label = 'a' -- comment", "at character 13, where it has '-'"),
        ("(label = 'a'", r"needs \) at character 13, where it ends"),
        ("label in ()", "a text in single quotes, or a number at character 11"),
        ("label not = 'a'", "needs in or like at character 11"),
        ("label = null", "a text in single quotes, or a number"),
        ("start_s = 1.2.3", "at character 11"),
        ("start_s > 1e999", "needs a finite number"),
        ("start_s > nan", "a text in single quotes, or a number"),
        ("start_s = '3'", "start_s of the filter holds numbers, not '3'"),
        ("start_s like '3'", "start_s of the filter holds numbers"),
        ("label = 3", r"label of the filter holds texts, not 3\.0"),
        ("label = split", "needs a text in single quotes, or a number"),
        ("label like 'a\\%'", "contains a backslash"),
        ("lower(label) = 'a'", "unknown column in the filter: 'lower'; choose one of: id, modality, label"),
        ("vector = 'a'", "unknown column in the filter: 'vector'"),
        ("and = 'a'", "needs a column at character 1, where it has 'and'"),
        ("(" * 51 + "label = 'a'" + ")" * 51, "nested more than 50 deep"),
        ("not " * 51 + "label = 'a'", "nested more than 50 deep"),
        ("label = '" + "a" * 10_000 + "'", "has 10,010 characters; write at most 10,000"),
    ],
)
def test_what_is_refused(text, words):
    with pytest.raises(UnibindError, match=words) as refused:
        parse_filter(text)
    assert "\n" not in str(refused.value)


def test_conditions_made_in_python_are_checked_too():
    with pytest.raises(UnknownNameError, match="key"):
        Comparison("key", "=", "a")
    with pytest.raises(UnknownNameError, match="operator"):
        Comparison("label", "= 'a' OR", "a")
    with pytest.raises(UnibindError, match="holds numbers"):
        Member("start_s", (1.0, "a"))
    assert (Comparison("label", "=", "a") & Empty("split")).to_sql() == "(`label` = 'a') AND (`split` IS NULL)"


# --- the two ways agree ----------------------------------------------------------------------------------------------


def a_value(rng, column):
    return rng.choice(ODD) if column in TEXTS else rng.choice([-1.5, 0.0, 1e-7, 30.0, 1e22])


def a_condition(rng, depth=0):
    """A random condition; the deeper, the more often a plain comparison."""
    kind = rng.randrange(7) if depth < 3 else rng.randrange(4)
    column = rng.choice(list(COLUMNS))
    if kind == 0:
        return Comparison(column, rng.choice(COMPARISONS), a_value(rng, column))
    if kind == 1:
        return Member(column, tuple(a_value(rng, column) for _ in range(rng.randrange(2, 4))))
    if kind == 2:
        pattern = "".join(rng.choice(["%", "_", "a", "\n", rng.choice(ODD)]) for _ in range(rng.randrange(4)))
        return Like(rng.choice(TEXTS), pattern.replace("\\", "_"))
    if kind == 3:
        return Empty(column)
    if kind == 4:
        return Not(a_condition(rng, depth + 1))
    return (All if kind == 5 else Some)(tuple(a_condition(rng, depth + 1) for _ in range(rng.randrange(2, 4))))


def written(condition):
    """A condition as a person would write it."""
    match condition:
        case Not(inner):
            return f"not ({written(inner)})"
        case All(parts):
            return " AND ".join(f"({written(part)})" for part in parts)
        case Some(parts):
            return " or ".join(f"( {written(part)} )" for part in parts)
        case Comparison(column, operator, value):
            return f"{column}{operator}{value_written(value)}"
        case Member(column, values):
            return f"{column} in ({', '.join(map(value_written, values))})"
        case Like(column, pattern):
            return f"{column} like {value_written(pattern)}"
        case Empty(column):
            return f"{column} is null"


def value_written(value):
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def random_rows(rng, count):
    from unibind.data.stored_text import stored

    return table(
        **{name: [rng.choice([None, stored(rng.choice(ODD))]) for _ in range(count)] for name in TEXTS},
        **{name: [rng.choice([None, -1.5, 0.0, 30.0, 1e22]) for _ in range(count)] for name in NUMBERS},
    )


def lance_keeps(opened, sql):
    return sorted(opened.search().where(sql).select(["row"]).limit(10_000).to_arrow()["row"].to_pylist())


@pytest.mark.slow
def test_lance_keeps_the_rows_of_the_mask_and_what_is_written_is_read_back(tmp_path):
    import lancedb

    rng = random.Random(0)
    rows = random_rows(rng, 200)
    opened = lancedb.connect(tmp_path).create_table("rows", rows.append_column("row", [list(range(200))]))
    some = 0
    for _ in range(150):
        condition = a_condition(rng)
        mask = condition.matches(rows).to_pylist()
        assert lance_keeps(opened, condition.to_sql()) == [i for i, keep in enumerate(mask) if keep], condition
        assert parse_filter(written(condition)) == condition
        some += 0 < sum(mask) < 200
    assert some > 50
    assert len(opened) == 200


@pytest.mark.slow
def test_no_value_reaches_beyond_its_quotes(tmp_path):
    """Whatever a value is, the rows that have it are found and no others, and the table is as it was."""
    import lancedb

    opened = lancedb.connect(tmp_path).create_table("rows", table(label=["secret"]).append_column("row", [[0]]))

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(st.text(max_size=30).filter(lambda text: text != "secret") | st.sampled_from(ODD))
    def try_value(value):
        assert lance_keeps(opened, parse_filter(f"label = {value_written(value)}").to_sql()) == []
        assert lance_keeps(opened, parse_filter(f"label != {value_written(value)}").to_sql()) == [0]
        assert quoted(value)[1:-1].replace("''", "").count("'") == 0

    try_value()
    assert opened.count_rows() == 1


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(
    st.text(alphabet=st.sampled_from("label='dog' ()<>!,;-%_\\\"\n\x00and or not in is null like 3.e+"), max_size=60)
)
def test_whatever_is_written_is_a_filter_or_one_sentence(text):
    try:
        sql = parse_filter(text).to_sql()
    except UnibindError as refused:
        assert "filter" in str(refused)
    else:
        assert sql.startswith(("`", "NOT (", "("))
