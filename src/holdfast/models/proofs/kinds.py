"""The types that a model file of a stranger may hold, each with the reason for it.

A type is named by its public package and its class, since the private modules of scikit-learn
move between releases: `sklearn.svm._classes.SVC` is ``sklearn.svm.SVC`` here. A type that is not
listed here, and that skops does not know as a plain value, must be named as trusted.

Some types of scikit-learn are left out on purpose:

- They run compiled code that nothing proves safe: `LatentDirichletAllocation`, `NMF`,
  `DictionaryLearning`, `SparsePCA`, `KernelDensity`, `Isomap`, `LocallyLinearEmbedding`,
  `RadiusNeighborsClassifier`, `BisectingKMeans`, `SplineTransformer`, `LabelPropagation`.
- One number in them decides how long they run, or how much memory they take: `AdditiveChi2Sampler`,
  `FeatureAgglomeration`, `PatchExtractor`.
- They give no answers for new rows: `DBSCAN`, `TSNE`, `SpectralClustering` and others.
- They hold code: functions, methods, `operator`, `Memory`, and `functools.partial` other than that
  of a check of columns. Only ufuncs of NumPy and SciPy, and the functions below, need no trust.
"""

from __future__ import annotations

__all__ = ["ESTIMATOR_PACKAGES", "loaders_of", "public_name"]

# Their packages; all other types in them must be listed.
ESTIMATOR_PACKAGES = ("sklearn",)


def _names(package: str, names: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in names.split())


# NumPy and SciPy do the arithmetic, and check each shape.
ARITHMETIC = (
    *_names(
        "sklearn.linear_model",
        "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars "
        "LarsCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression "
        "LogisticRegression LogisticRegressionCV MultiTaskElasticNet MultiTaskElasticNetCV "
        "MultiTaskLasso MultiTaskLassoCV OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV "
        "PassiveAggressiveClassifier PassiveAggressiveRegressor Perceptron PoissonRegressor "
        "QuantileRegressor RANSACRegressor Ridge RidgeCV RidgeClassifier RidgeClassifierCV "
        "SGDClassifier SGDOneClassSVM SGDRegressor TheilSenRegressor TweedieRegressor",
    ),
    *_names("sklearn.svm", "LinearSVC LinearSVR"),
    *_names("sklearn.naive_bayes", "BernoulliNB CategoricalNB ComplementNB GaussianNB"),
    *_names("sklearn.naive_bayes", "MultinomialNB"),
    *_names("sklearn.dummy", "DummyClassifier DummyRegressor"),
    *_names("sklearn.neural_network", "BernoulliRBM MLPClassifier MLPRegressor"),
    *_names("sklearn.neural_network", "AdamOptimizer SGDOptimizer"),
    *_names("sklearn.discriminant_analysis", "LinearDiscriminantAnalysis"),
    *_names("sklearn.discriminant_analysis", "QuadraticDiscriminantAnalysis"),
    *_names("sklearn.cross_decomposition", "CCA PLSCanonical PLSRegression PLSSVD"),
    *_names("sklearn.kernel_ridge", "KernelRidge"),
    *_names("sklearn.isotonic", "IsotonicRegression"),
    *_names("sklearn.mixture", "BayesianGaussianMixture GaussianMixture"),
    *_names("sklearn.covariance", "EllipticEnvelope EmpiricalCovariance LedoitWolf MinCovDet OAS"),
    *_names("sklearn.covariance", "GraphicalLasso GraphicalLassoCV ShrunkCovariance"),
    *_names("sklearn.neighbors", "NearestCentroid NeighborhoodComponentsAnalysis"),
    *_names("sklearn.cluster", "AffinityPropagation MeanShift"),
    *_names("sklearn.gaussian_process", "GaussianProcessClassifier GaussianProcessRegressor"),
    *_names("sklearn.gaussian_process", "_BinaryGaussianProcessClassifierLaplace"),
    *_names(
        "sklearn.gaussian_process.kernels",
        "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern Product "
        "RBF RationalQuadratic Sum WhiteKernel",
    ),
    *_names("sklearn.decomposition", "FactorAnalysis FastICA IncrementalPCA KernelPCA PCA"),
    *_names("sklearn.decomposition", "TruncatedSVD"),
    *_names("sklearn.random_projection", "GaussianRandomProjection SparseRandomProjection"),
    *_names("sklearn.kernel_approximation", "Nystroem PolynomialCountSketch RBFSampler"),
    *_names("sklearn.kernel_approximation", "SkewedChi2Sampler"),
    *_names("sklearn.impute", "KNNImputer MissingIndicator SimpleImputer"),
    *_names("sklearn.feature_extraction.text", "TfidfTransformer"),
    *_names(
        "sklearn.preprocessing",
        "Binarizer FunctionTransformer KBinsDiscretizer KernelCenterer LabelBinarizer "
        "LabelEncoder MaxAbsScaler MinMaxScaler MultiLabelBinarizer Normalizer OrdinalEncoder "
        "PowerTransformer QuantileTransformer RobustScaler StandardScaler TargetEncoder",
    ),
    *_names(
        "sklearn.feature_selection",
        "GenericUnivariateSelect RFE RFECV SelectFdr SelectFpr SelectFromModel SelectFwe "
        "SelectKBest SelectPercentile SequentialFeatureSelector VarianceThreshold",
    ),
)
# They hold further estimators, whose types and contents are checked in their turn.
HOLDERS = (
    *_names("sklearn.pipeline", "FeatureUnion Pipeline"),
    *_names("sklearn.compose", "ColumnTransformer TransformedTargetRegressor _RemainderColsList"),
    *_names("sklearn.calibration", "CalibratedClassifierCV _CalibratedClassifier"),
    *_names("sklearn.calibration", "_SigmoidCalibration _TemperatureScaling"),
    *_names("sklearn.multiclass", "OneVsOneClassifier OneVsRestClassifier OutputCodeClassifier"),
    *_names("sklearn.multiclass", "_ConstantPredictor"),
    *_names("sklearn.multioutput", "ClassifierChain MultiOutputClassifier MultiOutputRegressor"),
    *_names("sklearn.multioutput", "RegressorChain"),
    *_names("sklearn.semi_supervised", "SelfTrainingClassifier"),
    *_names("sklearn.frozen", "FrozenEstimator"),
    *_names(
        "sklearn.ensemble",
        "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor "
        "StackingClassifier StackingRegressor VotingClassifier VotingRegressor",
    ),
    *_names(
        "sklearn.model_selection",
        "FixedThresholdClassifier GridSearchCV RandomizedSearchCV TunedThresholdClassifierCV "
        "GroupKFold KFold LeaveOneOut RepeatedKFold RepeatedStratifiedKFold ShuffleSplit "
        "StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit",
    ),
)
# Plain values with a class of their own.
VALUES = (
    *_names("sklearn.utils", "Bunch MetadataRequest MethodMetadataRequest"),
    *_names("sklearn.metrics", "_CurveScorer _PassthroughScorer _Scorer"),  # they score in a fit
    *_names("sklearn.compose", "make_column_selector"),  # a pattern and dtypes, for a fit
    *_names("sklearn._loss.loss", "HalfTweedieLoss HalfTweedieLossIdentity AbsoluteError"),
    *_names("sklearn._loss.loss", "ExponentialLoss HalfBinomialLoss HalfGammaLoss PinballLoss"),
    *_names("sklearn._loss.loss", "HalfMultinomialLoss HalfPoissonLoss HalfSquaredError HuberLoss"),
    *_names("sklearn._loss.link", "HalfLogitLink IdentityLink Interval LogLink LogitLink"),
    *_names("sklearn._loss.link", "MultinomialLogit"),
    *_names("sklearn.ensemble", "_BinMapper"),  # checked with the model that holds it
)
# Compiled code follows what is in them; `graph` and `nodes` name the proof of each.
PROVED = (
    *_names("sklearn.tree", "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier"),
    *_names("sklearn.tree", "ExtraTreeRegressor"),
    *_names(
        "sklearn.ensemble",
        "ExtraTreesClassifier ExtraTreesRegressor GradientBoostingClassifier "
        "GradientBoostingRegressor HistGradientBoostingClassifier HistGradientBoostingRegressor "
        "IsolationForest RandomForestClassifier RandomForestRegressor RandomTreesEmbedding "
        "TreePredictor",
    ),
    *_names("sklearn.svm", "NuSVC NuSVR OneClassSVM SVC SVR"),
    *_names(
        "sklearn.neighbors",
        "BallTree KDTree KNeighborsClassifier KNeighborsRegressor KNeighborsTransformer "
        "LocalOutlierFactor NearestNeighbors RadiusNeighborsRegressor RadiusNeighborsTransformer",
    ),
    *_names("sklearn.metrics", "ChebyshevDistance64 EuclideanDistance64 ManhattanDistance64"),
    *_names("sklearn.metrics", "MinkowskiDistance64"),
    *_names("sklearn.preprocessing", "OneHotEncoder PolynomialFeatures"),
    *_names("sklearn.feature_extraction", "DictVectorizer FeatureHasher"),
    *_names("sklearn.feature_extraction.text", "CountVectorizer HashingVectorizer TfidfVectorizer"),
    *_names("sklearn.cluster", "KMeans MiniBatchKMeans"),
    *_names("lightgbm.sklearn", "LGBMClassifier LGBMRegressor"),
    *_names("lightgbm.basic", "Booster"),
    *_names("xgboost.sklearn", "XGBClassifier XGBRegressor XGBRFClassifier XGBRFRegressor"),
    *_names("xgboost.core", "Booster"),
)
# Functions of a fit or a score, which compute numbers from the arrays that they are given.
FUNCTIONS = (
    *_names("sklearn.feature_selection", "chi2 f_classif f_regression r_regression"),
    *_names("sklearn.feature_selection", "mutual_info_classif mutual_info_regression"),
    "sklearn.utils.validation.check_array",
    *_names(
        "sklearn.metrics",
        "accuracy_score average_precision_score balanced_accuracy_score brier_score_loss "
        "f1_score log_loss matthews_corrcoef mean_absolute_error mean_squared_error "
        "precision_score r2_score recall_score roc_auc_score",
    ),
)
PATHS = tuple(
    f"pathlib.{kind}" for kind in ("PosixPath", "WindowsPath")
)  # LowChurnClassifier whose base model is the name of a file
DTYPES = _names("numpy", "character complexfloating floating generic inexact integer number")
DTYPES += (*_names("numpy", "signedinteger unsignedinteger"), "builtins.object")
SPARSE = tuple(
    f"scipy.sparse.{form}_{kind}" for form in ("coo", "csc", "csr") for kind in ("array", "matrix")
)

# The ways in which skops may build each type, by the name of its node.
LOADERS = {
    **dict.fromkeys((*ARITHMETIC, *HOLDERS, *VALUES, *PROVED), ("ObjectNode",)),
    **dict.fromkeys(FUNCTIONS, ("FunctionNode",)),
    **dict.fromkeys(PATHS, ("ConstructorFromReduceNode", "ObjectNode")),
    **dict.fromkeys(DTYPES, ("TypeNode",)),  # kinds of columns, for `make_column_selector`
    **dict.fromkeys(SPARSE, ("SparseMatrixNode",)),
    "collections.OrderedDict": ("DictNode", "TypeNode"),
    "functools.partial": ("PartialNode",),  # of `check_array` only, see `nodes`
    "collections.defaultdict": ("DefaultDictNode",),
    "numpy.dtype": ("DTypeNode",),
    "sklearn.tree.Tree": ("TreeNode",),
    "sklearn.utils.Bunch": ("ObjectNode", "DictNode"),
}


def public_name(name: str) -> str:
    """Return the full name of a type without the private modules in it.

    >>> public_name("sklearn.svm._classes.SVC")
    'sklearn.svm.SVC'
    """
    module, _, kind = name.rpartition(".")
    parts = module.split(".")
    if parts[:2] == ["sklearn", "_loss"]:
        return name
    private = next((i for i, part in enumerate(parts) if part.startswith("_")), len(parts))
    return ".".join((*parts[:private], kind))


def loaders_of(name: str) -> tuple[str, ...]:
    """Return the nodes that may build a type without trust; empty if it must be named."""
    return LOADERS.get(public_name(name), ())
