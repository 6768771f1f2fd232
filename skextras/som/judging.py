"""What a map without labels tells about itself."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from skextras.som.base import BaseSelfOrganizingMap
from skextras.som.quality import topographic_product, trustworthiness, u_matrix


class JudgedMap(BaseSelfOrganizingMap):
    """Base of a map that is asked how good it is."""

    def topographic_product(self) -> float:
        """Tell whether the map has the dimension of the data, by its weights alone [1]_.

        Returns
        -------
        float
            About 0 if so; below 0 if the map folds to fill more dimensions than two, above 0 if the
            data have fewer. NaN for fewer than 3 units, or if two units are equal.

        References
        ----------
        .. [1] H. Bauer and K. Pawelzik, "Quantifying the neighborhood preservation of
           self-organizing feature maps", IEEE Transactions on Neural Networks 3, 1992.
        """
        return topographic_product(self._map, self._units().astype(np.float64))

    def trustworthiness(self, X: Any, n_neighbors: int = 5) -> float:
        """How many of the rows that lie near on the map are near in the data [1]_.

        Rows that share a distance on the map share the mean of what their order could give. Time
        and memory grow with the square of the number of rows: give some thousand.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows without missing values.
        n_neighbors : int, default=5
            Neighbours of a row that count; fewer than half of the rows.

        Returns
        -------
        float
            From 0 to 1; 1 if all are.

        Raises
        ------
        ValueError
            If there are not so many rows.

        References
        ----------
        .. [1] J. Venna and S. Kaski, "Neighborhood preservation in nonlinear projection methods",
           ICANN 2001.
        """
        check_is_fitted(self)
        labels = self._fates(self._check_X(X, reset=False)).labels
        X = check_array(X, dtype=np.float64)
        if not 0 < n_neighbors < len(X) / 2:
            raise self._refusal(
                "n_neighbors", f"from 1 to less than {len(X) / 2}", n_neighbors, "Give more rows."
            )
        places = self._map.squared_distances(np.arange(self.n_units_))
        return trustworthiness(X, places[np.ix_(labels, labels)], n_neighbors)

    def u_matrix(self) -> np.ndarray:
        """How far each unit's weights are from those of its neighbours: ridges part clusters.

        Returns
        -------
        ndarray of shape (n_rows, n_cols)
            Mean Euclidean distance to the direct neighbours.
        """
        grid = self._map
        return u_matrix(grid, self._units()).reshape(grid.n_rows, grid.n_cols)

    def _units(self) -> np.ndarray:
        check_is_fitted(self)
        units: np.ndarray = self.weights_.reshape(self.n_units_, -1)
        return units
