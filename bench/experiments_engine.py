# The statistics of GrowthBook's engine (gbstats) over sums of arms, as experiments.mjs has them from the warehouse.
# stdin: {"alpha", "metrics": [{"metric", "arms": [{"variant", "sums"}], "control": 0}]}; stdout: {"seconds", "results": [...]},
# the seconds without loading the engine.
import json
import sys
import time

from gbstats.frequentist.tests import FrequentistConfig, SequentialConfig, SequentialTwoSidedTTest, TwoSidedTTest
from gbstats.models.statistics import ProportionStatistic, RatioStatistic, RegressionAdjustedStatistic, SampleMeanStatistic


def statistic(sums):
    n, kind = sums["n"], sums["type"]
    if kind == "proportion":
        return ProportionStatistic(n=n, sum=sums["sum"])
    if kind == "mean":
        return SampleMeanStatistic(n=n, sum=sums["sum"], sum_squares=sums["sum_squares"])
    if kind == "ratio":
        return RatioStatistic(
            n=n,
            m_statistic=SampleMeanStatistic(n=n, sum=sums["num_sum"], sum_squares=sums["num_sum_squares"]),
            d_statistic=SampleMeanStatistic(n=n, sum=sums["den_sum"], sum_squares=sums["den_sum_squares"]),
            m_d_sum_of_products=sums["num_den_sum_products"],
        )
    if kind == "mean_cuped":
        return RegressionAdjustedStatistic(
            n=n,
            post_statistic=SampleMeanStatistic(n=n, sum=sums["post_sum"], sum_squares=sums["post_sum_squares"]),
            pre_statistic=SampleMeanStatistic(n=n, sum=sums["pre_sum"], sum_squares=sums["pre_sum_squares"]),
            post_pre_sum_of_products=sums["post_pre_sum_products"],
            theta=0,
        )
    raise ValueError(kind)


asked = json.load(sys.stdin)
begun = time.perf_counter()
results = []
for metric in asked["metrics"]:
    control = metric["arms"][metric["control"]]
    for arm in metric["arms"]:
        if arm is control:
            continue
        found = {"metric": metric["metric"], "variant": arm["variant"]}
        for name, test, config in (
            ("fixed", TwoSidedTTest, FrequentistConfig(alpha=asked["alpha"])),
            ("sequential", SequentialTwoSidedTTest, SequentialConfig(alpha=asked["alpha"], sequential_tuning_parameter=5000)),
        ):
            # A theta is set in the statistics it is given.
            result = test(statistic(control["sums"]), statistic(arm["sums"]), config).compute_result()
            found[name] = {"lower": result.ci[0], "upper": result.ci[1], "estimate": result.expected}
        results.append(found)
json.dump({"seconds": time.perf_counter() - begun, "results": results}, sys.stdout)
