"""Every upstream test that is not run against our classes, with its reason.

The key is "suite: node id", of a case, of a test with all its cases, or of a file.
An entry that matches no test any more fails a whole run, and so does a file of a source
distribution that is neither run nor listed: the list cannot rot.
"""

from itertools import product

SAYS_NO_PROBABILITY = "expects SVC to lack predict_proba; ours has it, which is why people want it"
DIGITS = "compares with figures written down from lbfgs at its loose tolerance; ours is the minimum"
NO_SPARSIFY = "calls sparsify(), a method of linear models that a kernel model has no use for"
NOT_OURS = "builds no class that we have a counterpart of"
UNPENALISED = "asks for C=inf; an unpenalised kernel model has no solution"

INTERNALS = "looks into private attributes of HistGradientBoosting (_predictors, _bin_mapper, ...)"
MOCKED = "mocks a private method of the peer's estimator, which ours does not call"
PRIVATE_LOSS = (
    "passes a private loss class of scikit-learn; ours takes objects with value, gradient, hessian"
)
NEAR_TIES = (
    "asks 1e-7 of raw scores for weights against repetition: sums are in fixed point, where a row "
    "of weight 2 is rounded once and two rows twice, so that splits of equal gain may differ"
)
OUR_NAME = "expects the peer's class name in a message"
OTHER_DRAWS = "needs its seed to draw the outlier; ours draws other rows by the same seed"
NUMPY_ALONE = "hands in arrays of other libraries; ours computes in compiled loops on NumPy's"
OUR_WORDS = "expects the host's words for a shape that is refused; ours says the same in its own"
COLLAPSE = "expects an error where components collapse; ours raises their variances, with a warning"
OTHER_START = (
    "counts iterations from k-means on unsorted rows; ours starts from sorted, joined rows"
)

MIXTURES = {
    "array_api_compliance": NUMPY_ALONE,
    "raises_where_array_api_not_implemented": NUMPY_ALONE,
    "all_init_does_not_estimate_gaussian_parameters": MOCKED,
    "precisions_init": "calls the private _set_parameters and _initialize",
    "precisions_init_diag": OTHER_START,
}

WEIGHTS_WORK = "expects a refusal of sample weights; ours weighs partial dependence by them"

FOREST_INTERNALS = "looks into private attributes and functions of scikit-learn's forests"
FORESTS = {
    **{
        f"test_importances[RandomForestClassifier-{criterion}-{kind}]": (
            "scales weights by 0.5 and 100 and asks for the same importances of ten trees; a "
            "weight is a repetition here: a hundredfold table has samples a hundred times as large"
        )
        for criterion in ("gini", "log_loss")
        for kind in ("float64", "float32")
    },
    "test_forest_multioutput_integral_regression_target[RandomForestRegressor]": (
        "draws the peer's own samples from the trees' seeds"
    ),
    **{
        f"test_validate_y_class_weight[42-{n}-RandomForestClassifier]": FOREST_INTERNALS
        for n in (2, 3, 4)
    },
    **{
        f"test_class_weights_forest[42-{bootstrap}-RandomForestClassifier]": FOREST_INTERNALS
        for bootstrap in (True, False)
    },
    **{
        f"test_max_samples_geq_one[RandomForest{kind}]": FOREST_INTERNALS
        for kind in ("Classifier", "Regressor")
    },
    "test_backend_respected": "counts jobs of a joblib backend; our trees grow in threads of ours",
    "test_mse_criterion_object_segfault_smoke_test[RandomForestRegressor]": (
        "passes a private criterion object of scikit-learn"
    ),
    "test_friedman_mse_deprecation[RandomForestRegressor]": (
        "expects the warning of the constructor; ours validates in fit, and warns there"
    ),
}

SB3_FILES = ("env_checker", "envs", "monitor", "preprocessing")
SB3_FILES += ("utils", "vec_check_nan", "vec_stacked_obs")
CONTRIB_FILES = ("deterministic", "distributions", "invalid_actions", "lstm", "train_eval_mode")

FILES = {f"stable_baselines3: tests/test_{name}.py": NOT_OURS for name in SB3_FILES}
FILES |= {f"sb3_contrib: tests/test_{name}.py": NOT_OURS for name in CONTRIB_FILES}

HISTOGRAMS = {
    "test_gradient_boosting.py::test_binning_train_validation_are_separated": INTERNALS,
    "test_gradient_boosting.py::test_categorical_different_order_same_model": INTERNALS,
    "test_gradient_boosting.py::test_categorical_encoding_strategies": INTERNALS,
    "test_gradient_boosting.py::test_check_interaction_cst": INTERNALS,
    "test_gradient_boosting.py::test_dataframe_categorical_results_same_as_ndarray": INTERNALS,
    "test_gradient_boosting.py::test_max_depth_max_leaf_nodes": INTERNALS,
    "test_gradient_boosting.py::test_should_stop": INTERNALS,
    "test_gradient_boosting.py::test_single_node_trees": INTERNALS,
    "test_gradient_boosting.py::test_small_trainset": INTERNALS,
    "test_warm_start.py::test_warm_start_clear": INTERNALS,
    "test_warm_start.py::test_warm_start_equal_n_estimators": INTERNALS,
    "test_warm_start.py::test_warm_start_max_depth": INTERNALS,
    "test_warm_start.py::test_warm_start_yields_identical_results": INTERNALS,
    "test_gradient_boosting.py::test_early_stopping_with_sample_weights": MOCKED,
    "test_gradient_boosting.py::test_raw_predict_is_called_with_custom_scorer": MOCKED,
    "test_gradient_boosting.py::test_custom_loss": PRIVATE_LOSS,
    "test_gradient_boosting.py::test_sample_weight_effect[42-binary_classification]": NEAR_TIES,
    "test_gradient_boosting.py::test_sample_weight_effect[42-multiclass_classification]": NEAR_TIES,
    "test_monotonic_constraints.py::test_input_error_related_to_feature_names": OUR_NAME,
}

MIXTURE_FILE = "sklearn: sklearn/mixture/tests/test_gaussian_mixture.py"

TESTS = {
    **{f"{MIXTURE_FILE}::test_gaussian_mixture_{test}": why for test, why in MIXTURES.items()},
    **{
        f"{MIXTURE_FILE}::test_check_{part}": OUR_WORDS
        for part in ("weights", "means", "precisions")
    },
    f"{MIXTURE_FILE}::test_regularisation": COLLAPSE,
    **{
        f"sklearn: sklearn/ensemble/tests/test_forest.py::{test}": reason
        for test, reason in FORESTS.items()
    },
    **{
        f"sklearn: sklearn/ensemble/_hist_gradient_boosting/tests/{test}": reason
        for test, reason in HISTOGRAMS.items()
    },
    "sklearn: sklearn/ensemble/tests/test_weight_boosting.py"
    "::test_adaboostregressor_sample_weight": OTHER_DRAWS,
    "sklearn: sklearn/ensemble/tests/test_voting.py::test_set_estimator_drop": (
        "holds the shares of ten trees on two rows, that is the peer's own draws by its seed"
    ),
    "sklearn: sklearn/inspection/tests/test_partial_dependence.py"
    "::test_hist_gbdt_sw_not_supported": WEIGHTS_WORK,
    "sklearn: sklearn/inspection/tests/test_partial_dependence.py"
    "::test_recursion_decision_tree_vs_forest_and_gbdt[0]": (
        "holds the impurity of nodes, 97, to 7 decimals against a tree of theirs; the splits are "
        "equal, but our sums take targets to 30 bits, and the impurities are off by 1.4e-8"
    ),
    "sklearn: sklearn/tests/test_multiclass.py::test_ovr_multilabel_predict_proba": (
        SAYS_NO_PROBABILITY
    ),
    "sklearn: sklearn/ensemble/tests/test_stacking.py::test_stacking_classifier_error"
    "[y1-params1-ValueError-does not implement the method predict_proba]": (SAYS_NO_PROBABILITY),
    "sklearn: sklearn/model_selection/tests/test_search.py::test_predict_proba_disabled": (
        SAYS_NO_PROBABILITY
    ),
    "sklearn: sklearn/semi_supervised/tests/test_self_training.py::test_estimator_meta_estimator": (
        SAYS_NO_PROBABILITY
    ),
    "sklearn: sklearn/semi_supervised/tests/test_self_training.py"
    "::test_self_training_estimator_attribute_error": SAYS_NO_PROBABILITY,
    "sklearn: sklearn/tests/test_multioutput.py"
    "::test_multiclass_multioutput_estimator_predict_proba": DIGITS,
    **{
        "sklearn: sklearn/metrics/_plot/tests/test_roc_curve_display.py"
        f"::test_roc_curve_display_plotting_from_cv_results[{case}]": (
            "compares with lbfgs's standard deviation 0.0452 in two digits; the minimum has 0.0447"
        )
        for case in map(
            "-".join,
            product(
                ("True", "False"),
                ("False",),
                ("predict_proba", "decision_function"),
                ("True", "False"),
                ("None", "curve_kwargs1"),
            ),
        )
    },
    "sklearn: sklearn/model_selection/tests/test_validation.py"
    "::test_cross_val_score_with_score_func_classification": (
        "compares with scores written down for a support vector machine on iris"
    ),
    "sklearn: sklearn/model_selection/tests/test_validation.py"
    "::test_cross_val_predict_decision_function_shape": (
        "sets decision_function_shape='ovo': pairs of classes, which a multinomial model has not"
    ),
    "sklearn: sklearn/ensemble/tests/test_bagging.py::test_parallel_classification": (
        "sets decision_function_shape='ovr', a word for SVC's pairs of classes"
    ),
    "sklearn: sklearn/ensemble/tests/test_bagging.py::test_bagging_small_max_features": (
        "its bootstraps leave one class without weight: an error here, as in SVC, since a weight "
        "of zero means that the row is not there"
    ),
    "sklearn: sklearn/tests/test_calibration.py::test_temperature_scaling": UNPENALISED,
    "sklearn: sklearn/feature_selection/tests/test_rfe.py::test_rfe_sparse_coef": NO_SPARSIFY,
    "sklearn: sklearn/feature_selection/tests/test_from_model.py::test_feature_importance_sparse": (
        NO_SPARSIFY
    ),
}

DESELECTED = FILES | TESTS
