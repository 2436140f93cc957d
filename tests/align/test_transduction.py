import numpy as np
import pytest

from unibind.align.expectation_maximization import ExpectationMaximization
from unibind.align.transclip import TransClip, neighbor_affinity
from unibind.align.transduction import METHODS, _as_confident, transduce
from unibind.data.embeddings import unit
from unibind.errors import UnibindError, UnknownNameError


def two_clusters(counts=(20, 20), dim=6, spread=0.2, seed=0):
    """Items about two axes; centers that are nearly right: they give the first class too much."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], counts)
    vectors = unit(np.eye(dim)[truth] + spread * rng.normal(size=(len(truth), dim))).astype(np.float32)
    scores = 1.5 * vectors[:, :2] + [0.5, 0] + rng.normal(size=(len(truth), 2))
    return vectors, scores - np.logaddexp(*scores.T)[:, None], truth


def accuracy(posterior, truth):
    return float(np.mean(posterior.argmax(axis=1) == truth))


@pytest.mark.parametrize("method", METHODS)
def test_clusters_correct_what_the_centers_got_wrong(method):
    vectors, text, truth = two_clusters()
    posterior = transduce(vectors, text, method=method)
    assert posterior.shape == text.shape
    assert posterior.sum(axis=1) == pytest.approx(np.ones(len(truth)))
    assert accuracy(text, truth) == 0.85
    assert accuracy(posterior, truth) >= {"em": 1, "transclip": 0.9}[method]


@pytest.mark.parametrize("method", METHODS)
def test_constants_and_the_order_of_items_make_no_difference(method):
    vectors, text, _ = two_clusters()
    posterior = transduce(vectors, text, method=method)
    order = np.random.default_rng(1).permutation(len(text))
    shifted = transduce(vectors[order], text[order] + 7, method=method)
    assert shifted == pytest.approx(posterior[order], abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_one_item_and_one_class_are_answered(method):
    vectors, text, _ = two_clusters()
    assert np.isfinite(transduce(vectors[:1], text[:1], method=method)).all()
    assert transduce(vectors, text[:, :1], method=method) == pytest.approx(np.ones((len(text), 1)))


def test_what_cannot_be_done_is_named():
    vectors, text, _ = two_clusters()
    with pytest.raises(UnknownNameError, match="transductive method"):
        transduce(vectors, text, method="k-means")
    for prior in ([0.5, 0.6], [1.0], [1.5, -0.5]):
        with pytest.raises(UnibindError, match="as many shares that sum to 1"):
            transduce(vectors, text, class_prior=np.array(prior))
    with pytest.raises(UnibindError, match="not 'equal'"):
        transduce(vectors, text, class_prior="equal")
    with pytest.raises(UnibindError, match="has no class prior"):
        transduce(vectors, text, method="transclip", class_prior="uniform")


@pytest.mark.parametrize("method", METHODS)
def test_answers_are_no_surer_than_those_of_the_centers(method):
    vectors, text, _ = two_clusters((200, 200), dim=32, spread=0.15)
    posterior = transduce(vectors, text, method=method)
    assert (posterior.argmax(axis=1) != text.argmax(axis=1)).any()
    assert posterior.max(axis=1).mean() <= np.exp(text).max(axis=1).mean() + 0.01
    assert METHODS[method].run(vectors, text, None).max(axis=1).mean() > posterior.max(axis=1).mean() + 0.03


def test_a_power_worked_by_hand():
    """Odds of 81 to 1, where 3 to 1 are expected: the fourth root is nearest."""
    posterior, expected = np.array([[81 / 82, 1 / 82]] * 3), np.array([[0.75, 0.25]] * 3)
    assert _as_confident(posterior, expected)[0, 0] == pytest.approx(0.75, abs=0.01)
    assert _as_confident(expected, posterior) == pytest.approx(expected)  # never surer than the posterior


# --- expectation-maximization -----------------------------------------------------------------------------------------


def test_a_class_prior_worked_by_hand():
    """Items at one point tell nothing: what remains is the centers times the class prior."""
    vectors = np.tile(unit(np.ones((1, 3), np.float32)), (4, 1))
    text = np.log([[0.6, 0.4]] * 4)
    given = transduce(vectors, text, class_prior=np.array([0.2, 0.8]))
    assert given == pytest.approx(np.array([[0.12 / 0.44, 0.32 / 0.44]] * 4))
    assert transduce(vectors, text, class_prior="uniform") == pytest.approx(np.exp(text))
    assert (transduce(vectors, text)[:, 0] > 0.6).all()  # learned: the first class is the more frequent one


def test_a_rare_class_needs_no_uniform_prior():
    vectors, text, truth = two_clusters((57, 3), spread=0.3)
    assert accuracy(transduce(vectors, text), truth) >= accuracy(text, truth)
    learned, uniform = transduce(vectors, text), transduce(vectors, text, class_prior="uniform")
    assert learned[:, 1].sum() < uniform[:, 1].sum()


def slow_step(model):
    """One step of expectation-maximization, item by item; returns means, covariance and posterior."""
    (items, dim), classes = model.x.shape, model.text.shape[1]
    means, scatter = np.zeros((classes, dim)), np.zeros((dim, dim))
    for c in range(classes):
        z = model.posterior[:, c]
        means[c] = (sum(z[i] * model.x[i] for i in range(items)) + 4 * model.prior_means[c]) / (z.sum() + 4)
        for i in range(items):
            scatter += z[i] * np.outer(model.x[i] - means[c], model.x[i] - means[c])
        scatter += 4 * np.outer(means[c] - model.prior_means[c], means[c] - model.prior_means[c])
    covariance = 0.5 * scatter / items + 0.5 * model.prior_variance * np.eye(dim)
    frequency = (model.posterior.sum(axis=0) + 1) / (items + classes)
    p = np.zeros((items, classes))
    for i in range(items):
        for c in range(classes):
            off = model.x[i] - means[c]
            p[i, c] = frequency[c] * np.exp(
                model.text[i, c] - model.weight / 2 * off @ np.linalg.solve(covariance, off)
            )
    return means, covariance, p / p.sum(axis=1, keepdims=True)


def test_a_step_is_that_of_the_slow_version():
    model = ExpectationMaximization(*two_clusters()[:2])
    for _ in range(2):
        means, covariance, posterior = slow_step(model)
        model.step()
        assert model.gaussians.means == pytest.approx(means)
        lower = np.tril(model.gaussians.factor[0])
        assert lower @ lower.T == pytest.approx(covariance)
        assert model.posterior == pytest.approx(posterior)


def test_unseen_log_likelihoods_are_those_of_means_without_the_item():
    model = ExpectationMaximization(*two_clusters()[:2])
    inverse = model.gaussians.solved(np.eye(model.x.shape[1]))
    for i, found in enumerate(model._unseen_log_likelihoods()):
        others = np.arange(len(model.x)) != i
        z = model.posterior[others]
        means = (z.T @ model.x[others] + 4 * model.prior_means) / (z.sum(axis=0)[:, None] + 4)
        expected = [m @ inverse @ model.x[i] - m @ inverse @ m / 2 for m in means]
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("prior", [None, "uniform"])
@pytest.mark.parametrize("dim", [6, 60])
def test_every_step_raises_the_objective(prior, dim):
    vectors, text, _ = two_clusters((30, 15), dim=dim)
    model = ExpectationMaximization(vectors, text, None if prior is None else np.array([0.5, 0.5]))
    values = []
    for _ in range(15):
        model.step()
        values.append(model.objective)
    assert values[-1] > values[0]
    assert (np.diff(values) > -1e-9 * abs(values[0])).all()


def test_fewer_items_than_dimensions_are_the_same_items_in_fewer_dimensions():
    vectors, text, _ = two_clusters(dim=6)
    padded = np.pad(vectors, ((0, 0), (0, 34)))
    small, large = ExpectationMaximization(vectors, text), ExpectationMaximization(padded, text)
    assert large.x.shape == (40, 40)
    assert small.prior_variance * 6 == pytest.approx(large.prior_variance * 40)


def test_gaussians_that_predict_nothing_have_no_weight():
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(60, 8))).astype(np.float32)  # no clusters
    text = np.log(np.where(rng.random((60, 1)) < 0.5, [[0.9, 0.1]], [[0.1, 0.9]]))
    assert ExpectationMaximization(vectors, text).weight <= 0.1
    vectors, text, _ = two_clusters()
    assert ExpectationMaximization(vectors, text).weight > 0.1


# --- TransCLIP --------------------------------------------------------------------------------------------------------


def test_assignments_worked_by_hand():
    """Two items that are each other's neighbor; with equal Gaussians, only text and the neighbor speak."""
    model = TransClip(np.tile(np.array([[1, 0]], np.float32), (2, 1)), np.log([[0.9, 0.1], [0.5, 0.5]]))
    assert model.affinity.toarray() == pytest.approx(np.array([[0, 1], [1, 0]]))  # mutual neighbors, cosine 1: 2 / 2
    model.means[:] = 0
    first, second = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    for _ in range(5):
        a = np.array([0.9, 0.1]) * np.exp(second)
        b = np.array([0.5, 0.5]) * np.exp(first)
        first, second = a / a.sum(), b / b.sum()
    model.assign()
    assert model.posterior == pytest.approx(np.stack([first, second]))


def test_means_and_variances_are_those_of_the_slow_version():
    model = TransClip(*two_clusters()[:2])
    model.assign()
    model.update()
    z, x = model.posterior, model.x.astype(np.float64)
    means = np.stack([(z[:, c, None] * x).sum(axis=0) / z[:, c].sum() for c in range(2)])
    variance = sum(z[:, c] @ (x - means[c]) ** 2 for c in range(2)) / len(x)
    assert model.means == pytest.approx(means)
    assert model.variance == pytest.approx(variance)


def test_assignments_and_updates_raise_the_objective():
    model = TransClip(*two_clusters((30, 10), spread=0.4)[:2])
    model.assign()
    values = [model.objective]
    for _ in range(6):
        model.update()
        values.append(model.objective)
        model.assign()
        values.append(model.objective)
    assert (np.diff(values) > -1e-9 * abs(values[0])).all()
    assert values[-1] > values[0]


def test_neighbors_are_found_in_blocks(monkeypatch):
    vectors = two_clusters()[0]
    whole = neighbor_affinity(vectors, 3).toarray()
    monkeypatch.setattr("unibind.align.blockwise.BLOCK", 100)  # 2 rows of 40 at a time
    assert neighbor_affinity(vectors, 3).toarray() == pytest.approx(whole)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    directed = np.zeros_like(cosines)
    for i, row in enumerate(cosines):
        for j in np.argsort(-row)[:3]:
            directed[i, j] = row[j] / 6
    assert whole == pytest.approx(directed + directed.T)
