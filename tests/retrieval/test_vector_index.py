"""Which vector index is chosen, by the number of rows, their width and the memory of the machine."""

from unibind.retrieval.views import VectorIndex

GB = 1 << 30


def test_few_rows_need_none():
    assert VectorIndex.chosen(999, 384, 16 * GB) is None


def test_a_graph_where_it_fits_and_partitions_where_it_does_not():
    assert VectorIndex.chosen(100_000, 384, 16 * GB) == VectorIndex("IVF_HNSW_SQ", 1, 0, 100_000)
    assert VectorIndex.chosen(100_000, 384, GB // 2).kind == "IVF_PQ"  # a graph would take more than its share
    assert VectorIndex.chosen(1_000_000, 384, 512 * GB) == VectorIndex("IVF_PQ", 1000, 192, 1_000_000)


def test_an_even_number_of_codes_divides_the_vector_into_equal_parts():
    assert VectorIndex.chosen(10**6, 1024, 16 * GB).codes == 512
    assert VectorIndex.chosen(10**6, 770, 16 * GB).codes == 154  # 385 would be odd
    assert VectorIndex.chosen(10**6, 769, 16 * GB).kind == "IVF_HNSW_SQ"  # a prime: no codes stand for it
