"""LightGBM's own list of parameters, as data: what each is called, what it may be, and which of them are set elsewhere.

LightGBM takes what it does not know in silence, and what it cannot use stops a training in its middle. It is imported
by learners alone, and takes a second; so its list stands here, and a test holds it against that of the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ParamKind = Literal["bool", "int", "float", "word", "words", "ints", "floats", "groups", "none"]


@dataclass(frozen=True)
class Param:
    """One parameter of LightGBM's.

    Attributes:
        name: the one that LightGBM itself writes.
        aliases: its other names.
        kind: `groups` are lists of whole numbers; `none` of what may not be set.
        least, above, most, below: the ends of a number, included or not.
        words: the values of a word, without LightGBM's other names for them.
        owner: what sets it instead: a key of project.yaml, or a sentence about it that says what does.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: ParamKind = "none"
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    words: tuple[str, ...] = ()
    owner: str = ""


SQUARED = (
    "regression",
    "regression_l2",
    "l2",
    "mean_squared_error",
    "mse",
    "l2_root",
    "root_mean_squared_error",
    "rmse",
)
ABSOLUTE = ("regression_l1", "l1", "mean_absolute_error", "mae")
_CROSS_ENTROPY = ("cross_entropy", "xentropy", "cross_entropy_lambda", "xentlambda")
_SHARED = (
    "huber",
    "fair",
    "poisson",
    "quantile",
    "mape",
    "mean_absolute_percentage_error",
    "gamma",
    "tweedie",
)
OBJECTIVES = (*SQUARED, *ABSOLUTE, *_SHARED, *_CROSS_ENTROPY)
"""Losses of a regression. Those of classes follow from the label."""

CLASS_METRICS = (
    "multi_logloss", "multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr", "multi_error", "auc_mu",
)  # fmt: skip
"""Those of three classes and more, and of nothing else."""

METRICS = (
    *OBJECTIVES, "gamma_deviance", "r2", "kullback_leibler", "kldiv",
    "auc", "average_precision", "binary_logloss", "binary", "binary_error",
)  # fmt: skip
"""Of all other labels."""

_PROGRAM = "belongs to LightGBM's own program, which reads rows from a file: here they come of dataset.sql"
_FILE = "names a file that LightGBM would read or write: here it touches none"
_SCORING = "is about predicting, which Nightshift does itself"
_SINGLE = "is about training on several machines, which Nightshift does not do with trees"
_DEVICE = "is about GPUs: trees are trained on processors, where the same seed gives the same trees"
_OWNED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "learner.rounds": (
        ("num_iterations", "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds",
         "num_boost_round", "n_estimators", "max_iter"),
    ),
    "learner.early_stopping": (
        ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change"),
    ),
    "learner.seed": (("seed", "random_seed", "random_state"),),
    "dataset.label": (("num_class", "num_classes"), ("label_column", "label")),
    "dataset.weight": (("weight_column", "weight"),),
    "dataset.exclude": (("ignore_column", "ignore_feature", "blacklist"),),
    "learner.from_model": (("input_model", "model_input", "model_in"),),
    "is always true: the same seed gives the same trees": (("deterministic",), ("force_row_wise",)),
    "contradicts force_row_wise, which is always true": (("force_col_wise",),),
    "is no choice here: columns of text are categories": (
        ("categorical_feature", "cat_feature", "categorical_column", "cat_column", "categorical_features"),
    ),
    "is about ranking, and there is no such label": (
        ("group_column", "group", "group_id", "query_column", "query", "query_id"), ("bagging_by_query",),
        ("lambdarank_truncation_level",), ("lambdarank_norm",), ("lambdarank_position_bias_regularization",),
        ("objective_seed",), ("eval_at", "ndcg_eval_at", "ndcg_at", "map_eval_at", "map_at"), ("label_gain",),
    ),
    _PROGRAM: (
        ("config", "config_file"), ("task", "task_type"),
        ("data", "train", "train_data", "train_data_file", "data_filename"),
        ("valid", "test", "valid_data", "valid_data_file", "test_data", "test_data_file", "valid_filenames"),
        ("header", "has_header"), ("two_round", "two_round_loading", "use_two_round_loading"),
        ("pre_partition", "is_pre_partition"), ("precise_float_parser",), ("metric_freq", "output_freq"),
        ("is_provide_training_metric", "training_metric", "is_training_metric", "train_metric"),
        ("convert_model_language",),
    ),
    _FILE: (
        ("output_model", "model_output", "model_out"), ("snapshot_freq", "save_period"), ("parser_config_file",),
        ("forcedsplits_filename", "fs", "forced_splits_filename", "forced_splits_file", "forced_splits"),
        ("forcedbins_filename",), ("save_binary", "is_save_binary", "is_save_binary_file"),
        ("output_result", "predict_result", "prediction_result", "predict_name", "prediction_name",
         "pred_name", "name_pred"),
        ("convert_model", "convert_model_file"),
    ),
    _SCORING: (
        ("start_iteration_predict",), ("num_iteration_predict",),
        ("predict_raw_score", "is_predict_raw_score", "predict_rawscore", "raw_score"),
        ("predict_leaf_index", "is_predict_leaf_index", "leaf_index"),
        ("predict_contrib", "is_predict_contrib", "contrib"), ("predict_disable_shape_check",), ("pred_early_stop",),
        ("pred_early_stop_freq",), ("pred_early_stop_margin",),
    ),
    _SINGLE: (
        ("num_machines", "num_machine"), ("local_listen_port", "local_port", "port"), ("time_out",),
        ("machine_list_filename", "machine_list_file", "machine_list", "mlist"), ("machines", "workers", "nodes"),
        ("top_k", "topk"),
    ),
    _DEVICE: (
        ("gpu_platform_id",), ("gpu_device_id",), ("gpu_device_id_list",), ("gpu_use_dp",), ("num_gpu",),
    ),
}  # fmt: skip


def _switch(*names: str) -> Param:
    return Param(names[0], names[1:], "bool")


def _whole(*names: str, least: float | None = None, most: float | None = None) -> Param:
    return Param(names[0], names[1:], "int", least=least, most=most)


def _positive(*names: str) -> Param:
    return Param(names[0], names[1:], "float", above=0)


def _from_zero(*names: str) -> Param:
    return Param(names[0], names[1:], "float", least=0)


def _part(*names: str) -> Param:
    """More than nothing, at most all."""
    return Param(names[0], names[1:], "float", above=0, most=1)


def _share(*names: str) -> Param:
    return Param(names[0], names[1:], "float", least=0, most=1)


def _free(*names: str) -> Param:
    return Param(names[0], names[1:], "float")


_ROWS = (
    # What is learnt.
    Param("objective", ("objective_type", "app", "application", "loss"), "word", words=OBJECTIVES),
    Param("metric", ("metrics", "metric_types"), "words", words=(*METRICS, *CLASS_METRICS)),
    Param(
        "boosting", ("boosting_type", "boost"), "word",
        words=("gbdt", "gbrt", "rf", "random_forest", "dart", "goss"),
    ),
    Param("data_sample_strategy", (), "word", words=("bagging", "goss")),
    Param("tree_learner", ("tree", "tree_type", "tree_learner_type"), "word", words=("serial",)),
    Param("device_type", ("device",), "word", words=("cpu",)),
    _positive("learning_rate", "shrinkage_rate", "eta"),
    _whole("num_leaves", "num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes", least=2, most=131_072),
    # Its threads are LightGBM's own, and far more of them than processors end the process.
    _whole("num_threads", "num_thread", "nthread", "nthreads", "n_jobs", least=-1, most=1024),
    _whole("verbosity", "verbose"),
    # How trees grow.
    _whole("max_depth"),
    _whole(
        "min_data_in_leaf", "min_data_per_leaf", "min_data", "min_child_samples", "min_samples_leaf", least=0
    ),
    _from_zero(
        "min_sum_hessian_in_leaf", "min_sum_hessian_per_leaf", "min_sum_hessian", "min_hessian", "min_child_weight"
    ),
    _part("bagging_fraction", "sub_row", "subsample", "bagging"),
    _part("pos_bagging_fraction", "pos_sub_row", "pos_subsample", "pos_bagging"),
    _part("neg_bagging_fraction", "neg_sub_row", "neg_subsample", "neg_bagging"),
    _whole("bagging_freq", "subsample_freq"),
    _whole("bagging_seed", "bagging_fraction_seed"),
    _part("feature_fraction", "sub_feature", "colsample_bytree"),
    _part("feature_fraction_bynode", "sub_feature_bynode", "colsample_bynode"),
    _whole("feature_fraction_seed"),
    _switch("extra_trees", "extra_tree"),
    _whole("extra_seed"),
    _from_zero("early_stopping_min_delta"),
    _switch("first_metric_only"),
    _free("max_delta_step", "max_tree_output", "max_leaf_output"),
    _from_zero("lambda_l1", "reg_alpha", "l1_regularization"),
    _from_zero("lambda_l2", "reg_lambda", "lambda", "l2_regularization"),
    _from_zero("linear_lambda"),
    _from_zero("min_gain_to_split", "min_split_gain"),
    _share("drop_rate", "rate_drop"),
    _whole("max_drop"),
    _share("skip_drop"),
    _switch("xgboost_dart_mode"),
    _switch("uniform_drop"),
    _whole("drop_seed"),
    _share("top_rate"),
    _share("other_rate"),
    _whole("min_data_per_group", least=1),
    _whole("max_cat_threshold", least=1),
    _from_zero("cat_l2"),
    _from_zero("cat_smooth"),
    _whole("max_cat_to_onehot", least=1),
    Param(
        "monotone_constraints", ("mc", "monotone_constraint", "monotonic_cst"), "ints", least=-1, most=1
    ),
    Param(
        "monotone_constraints_method", ("monotone_constraining_method", "mc_method"), "word",
        words=("basic", "intermediate", "advanced"),
    ),
    _from_zero("monotone_penalty", "monotone_splits_penalty", "ms_penalty", "mc_penalty"),
    Param("feature_contri", ("feature_contrib", "fc", "fp", "feature_penalty"), "floats", least=0),
    _share("refit_decay_rate"),
    _from_zero("cegb_tradeoff"),
    _from_zero("cegb_penalty_split"),
    Param("cegb_penalty_feature_lazy", (), "floats", least=0),
    Param("cegb_penalty_feature_coupled", (), "floats", least=0),
    _from_zero("path_smooth"),
    Param("interaction_constraints", (), "groups", least=0),
    _switch("use_quantized_grad"),
    _whole("num_grad_quant_bins", least=2, most=127),
    _switch("quant_train_renew_leaf"),
    _switch("stochastic_rounding"),
    _switch("linear_tree", "linear_trees"),
    # How columns become bins.
    _whole("max_bin", "max_bins", least=2),
    Param("max_bin_by_feature", (), "ints", least=2),
    _whole("min_data_in_bin", least=1),
    _whole("bin_construct_sample_cnt", "subsample_for_bin", least=1),
    _whole("data_random_seed", "data_seed"),
    _switch("is_enable_sparse", "is_sparse", "enable_sparse", "sparse"),
    _switch("enable_bundle", "is_enable_bundle", "bundle"),
    _switch("use_missing"),
    _switch("zero_as_missing"),
    _switch("feature_pre_filter"),
    _free("histogram_pool_size", "hist_pool_size"),
    # Parameters of single losses and metrics.
    _switch("is_unbalance", "unbalance", "unbalanced_sets"),
    _positive("scale_pos_weight"),
    _positive("sigmoid"),
    _switch("boost_from_average"),
    _switch("reg_sqrt"),
    _positive("alpha"),
    _positive("fair_c"),
    _positive("poisson_max_delta_step"),
    Param("tweedie_variance_power", (), "float", least=1, below=2),
    _whole("multi_error_top_k", least=1),
    Param("auc_mu_weights", (), "floats", least=0),
    _whole("saved_feature_importance_type", least=0, most=1),
)  # fmt: skip

PARAMS: Mapping[str, Param] = MappingProxyType(
    {
        row.name: row
        for row in (
            *_ROWS,
            *(Param(names[0], names[1:], owner=owner) for owner, rows in _OWNED.items() for names in rows),
        )
    }
)
"""Every parameter by its own name."""

BY_ANY_NAME: Mapping[str, Param] = MappingProxyType(
    {name: row for row in PARAMS.values() for name in (row.name, *row.aliases)}
)
