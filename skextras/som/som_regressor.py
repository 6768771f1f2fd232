"""A self-organising map that predicts numbers."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_y

from skextras.som.supervised import LabelLayer

__all__ = ["SOMRegressor"]


class SOMRegressor(RegressorMixin, LabelLayer):
    """Regressor on a self-organising map: each unit holds a mean target.

    While it learns, rows are joined with their labels (an X-fused map [1]_); afterwards a row is
    answered by the unit that its features are nearest to. A unit answers with the mean of the
    labels of its rows and, by a Gaussian of radius 0.7 on the map, of those around it.

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
    label_weight : float, default=0.5
        How much labels count beside the features in the search of ``fit``: at 1 as much as all
        features together; at 0 the map does not look at them. Above 0 it needs the metric
        "euclidean" or "manhattan".
    n_jobs : int or None, default=None
        Threads; None takes what OpenMP would, -1 all.
    random_state : int, RandomState or None, default=None
        Decides the start of "sample" and "random"; nothing else is drawn.

    Attributes
    ----------
    value_map_ : ndarray of shape (n_rows, n_cols)
        Mean target around each unit.
    weights_ : ndarray of shape (n_rows, n_cols, n_features)
        Of the units, labels left out.
    quantization_error_ : float
        Mean distance of a row to its unit, by the features.
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
    SelfOrganizingMap : The map without labels.

    References
    ----------
    .. [1] W. Melssen, R. Wehrens, L. Buydens, "Supervised Kohonen networks for classification
       problems", Chemometrics and Intelligent Laboratory Systems 83, 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skextras import SOMRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SOMRegressor(shape=(6, 6)).fit(X, y)
    >>> bool(model.score(X, y) > 0.4)
    True
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
        label_weight: float = 0.5,
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
            label_weight=label_weight,
            n_jobs=n_jobs,
            random_state=random_state,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Make a map of rows and their targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows; NaN is a missing value for the metrics "euclidean" and "manhattan".
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight 2 counts as two rows, one of weight 0 is not there.

        Returns
        -------
        SOMRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            If an option is out of range, or y holds NaN.
        """
        X, y = self._check_X(X, reset=True), _check_y(y, y_numeric=True, estimator=self)
        check_consistent_length(X, y)
        weights = self._check_weights(sample_weight, X)
        means = self._fit_labels(X, y.astype(np.float64)[:, None], weights)
        self.value_map_ = means.reshape(self.weights_.shape[:2])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Mean target around the unit of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            In the units of y.
        """
        units = self._units_of(X)
        return self.value_map_.ravel()[units]
