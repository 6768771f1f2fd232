"""The self-organising map as a scikit-learn transformer."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_array, check_is_fitted

from skextras.som.judging import JudgedMap
from skextras.som.quality import topographic_error
from skextras.som.search import stripes
from skextras.som.training import Course, train

__all__ = ["SelfOrganizingMap"]


class SelfOrganizingMap(TransformerMixin, JudgedMap):
    """Self-organising map: units on a grid that spread over the data, neighbours near neighbours.

    Each row is assigned to the unit of the nearest weights (its best-matching unit); units move to
    the mean of their rows and, by the neighbourhood h, of those of the units around them [1]_. In
    the batch algorithm [2]_ an epoch is

    .. math:: w_j = \\frac{\\sum_i h(c_i, j) x_i}{\\sum_i h(c_i, j)}, \\quad
              c_i = \\arg\\min_j |x_i - w_j|

    The nearest unit is that of brute force in float64, ties to the lowest number, and the map is
    the same bit for bit for any number of threads.

    Parameters
    ----------
    shape : tuple of int, default=(10, 10)
        Rows and columns of units, before any growth. There may be more units than rows of data.
    topology : {"rectangular", "hexagonal", "gas"}, default="rectangular"
        Units have four neighbours or six. Those of a neural gas have none: ranks take the place of
        distances on the map, exp(-rank / radius), and ``shape`` says how many there are.
    boundary : {"planar", "cylindrical", "toroidal"}, default="planar"
        Whether the left edge touches the right one, and the top the bottom.
    neighborhood : {"gaussian", "bubble", "mexican_hat", "epanechnikov"}, default="gaussian"
        h as a function of the distance on the map. The Mexican hat repels at a distance, and so
        spreads the map further; with "online" it does so without bound (low learning rates).
    radius : tuple of float, default=None
        σ in the first step and in the last one, in units; at 0 a unit learns from its own rows
        alone, which is k-means. None goes from a quarter of the longer side to 0.7.
    decay : {"exponential", "linear", "inverse"} or callable, default="exponential"
        How the radius and the learning rate go from start to end; a function of (start, end,
        share of the steps done), whose values are cut to at least 0, and to 1 for rates.
    metric : {"euclidean", "cosine", "correlation", "manhattan"}, default="euclidean"
        Which unit is the nearest. Units move to means of rows for all of them.
    algorithm : {"batch", "online", "minibatch"}, default="batch"
        "online" moves the units by each row in turn, in the order given. "minibatch" takes batch
        steps on a memory of rows: the last mini-batch counts by the learning rate, older ones fade.
    n_epochs : int, default=20
        Passes over the rows.
    learning_rate : tuple of float, default=(0.5, 0.01)
        First and last, for "online" and "minibatch".
    batch_size : int, default=1024
        Rows of a mini-batch.
    growth : float or None, default=None
        Lets the map grow from ``shape`` by rows and columns, where it fits worst, until the mean
        distance of a row to its unit is this share of that to the mean of all rows (0.2, say).
        Only where edges are open.
    init : {"pca", "sample", "random"} or array-like, default="pca"
        Where units begin: on the plane of the two greatest principal components (of at most 20,000
        rows, evenly spaced), on rows, in the box around them, or at given weights of shape
        (n_rows, n_cols, n_features) or (n_units, n_features).
    n_jobs : int or None, default=None
        Threads; None takes what OpenMP would, -1 all.
    random_state : int, RandomState or None, default=None
        Decides the start of "sample" and "random"; nothing else is drawn.

    Attributes
    ----------
    weights_ : ndarray of shape (n_rows, n_cols, n_features)
        Of the units; in float32 if X is.
    labels_ : ndarray of int32 of shape (n_samples,)
        Unit of each row of the last ``fit``; units are numbered row by row.
    quantization_error_ : float
        Mean distance of a row to its unit.
    topographic_error_ : float
        Share of the rows whose two nearest units do not touch; NaN for a gas.
    n_units_ : int
        Units of the map.
    n_iter_ : int
        Epochs done.
    n_features_in_ : int
        Features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they are all strings.

    See Also
    --------
    sklearn.cluster.KMeans : Units without a map.

    References
    ----------
    .. [1] T. Kohonen, "Self-Organizing Maps", 3rd edition, Springer, 2001.
    .. [2] T. Kohonen, "Essentials of the self-organizing map", Neural Networks 37, 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skextras import SelfOrganizingMap
    >>> X, _ = load_iris(return_X_y=True)
    >>> som = SelfOrganizingMap(shape=(6, 8), topology="hexagonal").fit(X)
    >>> som.weights_.shape
    (6, 8, 4)
    >>> bool(som.quantization_error_ < 0.3)
    True
    >>> som.transform(X).shape
    (150, 48)
    """

    def __init__(
        self,
        shape: tuple[int, int] = (10, 10),
        *,
        topology: str = "rectangular",
        boundary: str = "planar",
        neighborhood: str = "gaussian",
        radius: tuple[float, float] | None = None,
        decay: str | Callable[[float, float, float], float] = "exponential",
        metric: str = "euclidean",
        algorithm: str = "batch",
        n_epochs: int = 20,
        learning_rate: tuple[float, float] = (0.5, 0.01),
        batch_size: int = 1024,
        growth: float | None = None,
        init: Any = "pca",
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            shape,
            topology=topology,
            boundary=boundary,
            neighborhood=neighborhood,
            radius=radius,
            decay=decay,
            metric=metric,
            algorithm=algorithm,
            n_epochs=n_epochs,
            learning_rate=learning_rate,
            batch_size=batch_size,
            growth=growth,
            init=init,
            n_jobs=n_jobs,
            random_state=random_state,
        )

    def __sklearn_tags__(self) -> Tags:
        """Distances come in the precision of the rows."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Make a map of rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; NaN is a missing value for the metrics "euclidean" and "manhattan".
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight 2 counts as two rows, one of weight 0 is not there.

        Returns
        -------
        SelfOrganizingMap
            The estimator itself.

        Raises
        ------
        ValueError
            If an option is out of range, or a row or a column has missing values alone.
        """
        X = self._check_X(X, reset=True)
        weights = self._check_weights(sample_weight, X)
        self._learn(X, weights)
        fate = self._fates(X, n_best=2, with_distance=True)
        self.labels_ = fate.labels
        self.quantization_error_ = float(np.average(fate.distances, weights=weights))
        self.topographic_error_ = topographic_error(self._fitted_grid, fate, weights)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some rows: one epoch of the algorithm, on these alone.

        The radius goes on by one epoch a call, and stays where it ends after ``n_epochs`` calls.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the rows.

        Returns
        -------
        SelfOrganizingMap
            The estimator itself; the attributes that describe the rows of ``fit`` are not set.
        """
        is_first = not hasattr(self, "_course")
        X = self._check_X(X, reset=is_first)
        weights = self._check_weights(sample_weight, X)
        grid = self._grid() if is_first else self._course.grid
        plan = self._plan(grid)
        course = Course(self._start(X, weights, grid), grid) if is_first else self._course
        train(course, plan, X, weights, 1)
        self._check_near(course, X)
        self._keep(course, X.dtype)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Find the nearest unit of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of int32 of shape (n_samples,)
            Units, row by row of the map: ``divmod(unit, n_cols)`` is where it lies.
        """
        check_is_fitted(self)
        return self._fates(self._check_X(X, reset=False)).labels

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Make a map, and find the nearest unit of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the rows.

        Returns
        -------
        ndarray of int32 of shape (n_samples,)
            Units.
        """
        labels: np.ndarray = self.fit(X, y, sample_weight).labels_
        return labels

    def transform(self, X: Any) -> np.ndarray:
        """Distances of rows to all units.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_units)
            In the units of the metric; in float32 if X is.
        """
        check_is_fitted(self)
        X, codebook = self._check_X(X, reset=False), self._codebook()
        out = np.empty((X.shape[0], self.n_units_), dtype=X.dtype)
        for rows in stripes(X.shape[0]):
            out[rows] = codebook.distances(codebook.part(X, rows))
        return out

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Weights of the unit that is nearest by given distances.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_units)
            Distances, as ``transform`` gives them.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            What ``quantize`` makes of the rows that the distances are of.
        """
        check_is_fitted(self)
        distances = check_array(X, dtype=[np.float64, np.float32])
        if distances.shape[1] != self.n_units_:
            raise self._refusal(
                "X",
                f"distances to the {self.n_units_} units",
                f"{distances.shape[1]} columns",
                "Give what transform returned.",
            )
        return self._units()[distances.argmin(axis=1)]

    def quantize(self, X: Any) -> np.ndarray:
        """Put the weights of its nearest unit in each row's place.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Weights of units.
        """
        return self._units()[self.predict(X)]

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal rows are: minus the distance to the nearest unit.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            At most 0; the lowest are anomalies.
        """
        check_is_fitted(self)
        return -self._fates(self._check_X(X, reset=False), with_distance=True).distances

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """How well the map stands for rows: minus the quantization error.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the rows.

        Returns
        -------
        float
            At most 0.
        """
        distances = self.score_samples(X)
        return float(np.average(distances, weights=self._check_weights(sample_weight, distances)))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of ``transform``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Checked against the names seen in ``fit``, and not used otherwise.

        Returns
        -------
        ndarray of str objects
            "som0", "som1", and so on.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array([f"som{unit}" for unit in range(self.n_units_)], dtype=object)
