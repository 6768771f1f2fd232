"""Slow twins of exclusive feature bundling: who may share a column, and what its codes say."""

import numpy as np

MISSING = 255


def default_of(edges):
    """Bin of the number 0."""
    return sum(1 for edge in edges if edge < 0)


def are_exclusive(features, bins, mapper):
    """Whether no two of the features are away from their defaults, or one is missing, on a row."""
    for row in bins:
        away = [j for j in features if row[j] != default_of(mapper.edges[j])]
        if len(away) > 1 or any(row[j] == MISSING for j in away):
            return False
    return True


def is_full(features, bins, mapper):
    """Whether one of the features is away from its default on every row."""
    return all(any(row[j] != default_of(mapper.edges[j]) for j in features) for row in bins)


def bundles_of(bins, mapper, most_codes=254):
    """First fit, the youngest bundle first, over rows (n_rows, n_features) of bins."""
    bundles = []
    for j in range(mapper.n_features):
        if mapper.is_categorical[j] or mapper.n_bins[j] > 128 or MISSING in bins[:, j]:
            continue
        for bundle in reversed(bundles):
            n_codes = sum(int(mapper.n_bins[k]) - 1 for k in [*bundle, j])
            if is_full(bundle, bins, mapper):
                continue
            if n_codes <= most_codes and are_exclusive([*bundle, j], bins, mapper):
                bundle.append(j)
                break
        else:
            bundles.append([j])
    return [bundle for bundle in bundles if len(bundle) > 1]


def coded(bins, mapper, bundles):
    """Columns of codes, (n_rows, n_columns), and where each feature is: {feature: column}."""
    columns, where = [], {}
    for j in range(mapper.n_features):
        if j in where:
            continue
        together = next((bundle for bundle in bundles if bundle[0] == j), [j])
        where |= dict.fromkeys(together, len(columns))
        if len(together) == 1:
            columns.append([int(b) for b in bins[:, j]])
            continue
        words = [(k, b) for k in together for b in range(int(mapper.n_bins[k]))]
        words = [(k, b) for k, b in words if b != default_of(mapper.edges[k])]
        codes = []
        for row in bins:
            said = [1 + n for n, (k, b) in enumerate(words) if row[k] == b]
            codes.append(said[0] if said else 0)
        columns.append(codes)
    return np.array(columns, np.uint8).T, where


def decoded(words, columns):
    """Bins out of words whose columns may be shared, (n_rows, n_features)."""
    all_bins = []
    for column, first, n_codes, default in columns.places.tolist():
        codes = (words[column // 8] >> np.uint64(8 * (column % 8))) & np.uint64(255)
        if n_codes == 256:
            all_bins.append(codes.tolist())
            continue
        own = [b for b in range(n_codes + 1) if b != default]
        meaning = {first + place: b for place, b in enumerate(own)}
        all_bins.append([meaning.get(int(code), default) for code in codes])
    return np.array(all_bins, np.uint8).T
