"""Slots of the table through which a whole tree is grown in one call (``forest_growing``)."""

# Counts and options.
(N_ROWS, N_FEATURES, N_OUTPUTS, N_LANES, KIND, CRITERION) = range(6)
(MAX_DEPTH, MAX_LEAVES, MIN_SPLIT, MIN_LEAF, N_CHOSEN, IS_RANDOM) = range(6, 12)
(IS_MONOTONIC, SEED, N_ORDER) = range(12, 15)
# What all trees read: bins feature by feature, what is known of each feature, targets.
(CODES, CATEGORICAL, MONOTONIC, CENTRES, CENTRE_STARTS, TARGETS, LABELS) = range(15, 22)
(XLOGX, OPTIONS) = range(22, 24)
# What a tree is given: weights (packed for two classes) and counts of the rows, and its sample's.
(WEIGHTS, COUNTS, ORDER) = range(24, 27)
# Room of one thread.
(SPARE, PAYLOADS, DIFFERENCES, HISTOGRAM, SUMS, LANES, SEEN, GOES_LEFT, PERMUTATION) = range(27, 36)
(SWAPS, OPEN, FACTS, SIDES) = range(36, 40)
# The same for medians: ranks in the node, places in some order, targets as rows and as ranks lie.
(RANKS, SORTED, LOCAL_TARGETS, SORTED_TARGETS, FENWICK) = range(40, 45)
SIDE_MEDIANS = 51  # of the left sides of all gaps, then of the right ones, where constraints ask
# What comes out: records of nodes, their values, sets of categories that go left.
(NODES, VALUES, SETS, FOUND, SPLIT) = range(45, 50)
ROW_CODES, N_TABLE = 50, 52  # the same bins row by row

# Kinds of sums: of classes in two parts or one number, of several lanes, of ranks for medians.
CLASSES_2, NUMBER, CLASSES, NUMBERS, MEDIANS = range(5)
SQUARES, ENTROPY, POISSON = range(3)

# A node that waits: its rows, its place, and the split that was found for it.
(START, END, DEPTH, NODE, PATH, FEATURE, BIN, MISSING_LEFT, IS_SET) = range(9)
(SET, GAIN, LOWER, UPPER, MIDDLE) = (9, 13, 14, 15, 16)
N_OPEN = 17

# A node's record; the last four are bits of floating-point numbers.
(R_FEATURE, R_BIN, R_MISSING_LEFT, R_LEFT, R_SET, R_COUNT) = range(6)
(R_GAIN, R_WEIGHT, R_IMPURITY, N_RECORD) = range(6, 10)

# Floating-point options, and what is known of the node at hand.
MIN_WEIGHT, MIN_GAIN, GAIN_UNIT, PURE, N_OPTIONS = range(5)
(MEAN, UNIT, TOTAL_WEIGHT, IMPURITY, BASE, BEST, LOW, HIGH, RISES, MIDDLE_SEEN, N_FACTS) = range(11)

MAX_CODES, MAX_GAPS = 256, 257
MISSING = 255
