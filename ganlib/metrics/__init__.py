"""Features in, a number out: what turned images into features is named beside it. Spectra alone are read off the images."""

from ganlib.metrics.distances import feature_statistics, frechet_distance, kernel_distance, polynomial_mmd
from ganlib.metrics.likelihood import parzen_log_likelihood, select_sigma, squared_distances
from ganlib.metrics.modes import ModeCoverage, mode_coverage
from ganlib.metrics.neighbours import (
    DensityCoverage,
    Memorisation,
    PrecisionRecall,
    TwoSample,
    ball_radii,
    classifier_two_sample_test,
    density_coverage,
    memorisation_test,
    precision_recall,
)
from ganlib.metrics.spectra import power_spectrum, radial_spectrum, spectral_distance
from ganlib.metrics.summaries import check_features, class_balance, mean_interval

__all__ = [
    "DensityCoverage",
    "Memorisation",
    "ModeCoverage",
    "PrecisionRecall",
    "TwoSample",
    "ball_radii",
    "check_features",
    "class_balance",
    "classifier_two_sample_test",
    "density_coverage",
    "feature_statistics",
    "frechet_distance",
    "kernel_distance",
    "mean_interval",
    "memorisation_test",
    "mode_coverage",
    "parzen_log_likelihood",
    "polynomial_mmd",
    "power_spectrum",
    "precision_recall",
    "radial_spectrum",
    "select_sigma",
    "spectral_distance",
    "squared_distances",
]
