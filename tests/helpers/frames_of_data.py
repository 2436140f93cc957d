"""Stand-ins for data frames and data sets, with the part of their interface that is used."""


class Column:
    """A column of a data frame."""

    def __init__(self, cells):
        self._cells = list(cells)

    def to_list(self):
        return self._cells


class Frame:
    """A data frame as of pandas and polars: a list of names in `columns`, and columns by name."""

    def __init__(self, columns):
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name):
        return Column(self._columns[name])


class LazyFrame:
    """A frame whose cells are computed on demand, as of polars."""

    def __init__(self, columns):
        self._columns = columns

    def collect(self):
        return Frame(self._columns)

    def collect_schema(self):
        return list(self._columns)


class Image:
    """A feature of pictures; without `decode` its cells are {bytes, path}."""

    def __init__(self, decode=True):
        self.decode = decode


class ClassLabel:
    """A feature of labels, whose cells are positions in `names`."""

    def __init__(self, names):
        self._names = names

    def int2str(self, index):
        return self._names[index]


class DataSet:
    """A data set as of Hugging Face: rows with features; it counts how often each row is read."""

    def __init__(self, rows, features, read=None):
        self._rows, self.features = rows, features
        self.read = [0] * len(rows) if read is None else read

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        self.read[index] += 1
        row = self._rows[index]
        decoded = [name for name, feature in self.features.items() if getattr(feature, "decode", False)]
        assert not decoded, f"{decoded} would be decoded"
        return {name: row[name] for name in self.features}

    def cast_column(self, name, feature):
        return DataSet(self._rows, self.features | {name: feature}, self.read)

    def select_columns(self, names):
        return DataSet(self._rows, {name: self.features[name] for name in names}, self.read)

    def with_format(self, kind):
        assert kind is None
        return self


class StreamedDataSet:
    """A data set that can only be iterated."""

    def __init__(self):
        self.features = {"image": Image()}

    def cast_column(self, name, feature):
        return self

    def __iter__(self):
        raise AssertionError("a stream must not be consumed")
