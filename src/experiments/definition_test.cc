// What a project may say of metrics and experiments, and that every mistake is told at its place.
#include "experiments/experiment_files.h"
#include "experiments/exposure_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::experiments {
namespace {

using testing::HasSubstr;

const char* const metric_text =
    "metric: bought\nkind: proportion\nfrom: bronze.events\nunit: user_id\ntime: timestamp\n";
const char* const experiment_text =
    "experiment: checkout\nexposures: { from: bronze.seen, unit: user_id, variant: variant, time: at }\n"
    "variants: [{ variant: a, control: true }, { variant: b }]\ngoals: [bought]\n";

ExperimentFiles of_metric(const std::string& more, const std::string& text = metric_text) {
  return read_experiments({{"metrics/x.yaml", text + more}});
}
ExperimentFiles of_experiment(const std::string& more, const std::string& text = experiment_text) {
  return read_experiments({{"metrics/bought.yaml", metric_text}, {"experiments/x.yaml", text + more}});
}
std::string mistakes(const ExperimentFiles& files) {
  return config::render(files.errors);
}

TEST(Definitions, have_defaults_that_are_written_down) {
  auto files = of_experiment("");
  ASSERT_EQ(mistakes(files), "");
  const Metric& metric = files.metrics.at(0);
  EXPECT_EQ(metric.window_seconds, 72 * 3600);
  EXPECT_FALSE(metric.complete_windows);
  const Experiment& experiment = files.experiments.at(0);
  EXPECT_EQ(experiment.key, "checkout");
  EXPECT_EQ(experiment.analysis, Analysis::sequential);
  EXPECT_EQ(experiment.correction, Correction::holm);
  EXPECT_EQ(experiment.multiple_exposure, MultipleExposure::exclude);
  EXPECT_EQ(experiment.control(), 0u);
}

TEST(Definitions, are_read_in_full) {
  auto files = of_metric(
      "where: event = 'buy'\nvalue: price\ncap: { percentile: 0.99, ignore_zeros: true }\ncuped: "
      "14d\nwindow: none\n"
      "delay: -30m\ndirection: decrease\neffect: 0.02\nmargin: 0.005\ndifference: absolute\n",
      "metric: revenue\nkind: mean\nfrom: bronze.events\nunit: user_id\ntime: timestamp\n");
  ASSERT_EQ(mistakes(files), "");
  const Metric& metric = files.metrics.at(0);
  EXPECT_FALSE(metric.window_seconds.has_value());
  EXPECT_EQ(metric.delay_seconds, -1800);
  EXPECT_EQ(metric.before_seconds, 14 * 86400);
  EXPECT_TRUE(metric.lower_is_better);
  EXPECT_DOUBLE_EQ(metric.cap->percentile, 0.99);
  EXPECT_EQ(metric.difference, Difference::absolute);
  auto other = of_experiment("start: 2026-05-01\nend: 2026-06-01T12:00:00Z\nprior: { deviation: 0.2 }\n");
  ASSERT_EQ(mistakes(other), "");
  EXPECT_EQ(other.experiments[0].start_us, 1'777'593'600'000'000);
  EXPECT_EQ(other.experiments[0].end_us, 1'780'315'200'000'000);
  EXPECT_DOUBLE_EQ(other.experiments[0].prior->variance, 0.2 * 0.2);
}

TEST(Definitions, mistakes_of_metrics_are_told_at_their_place) {
  EXPECT_THAT(mistakes(of_metric("windo: 3d\n")), HasSubstr("metrics/x.yaml:6:1"));
  EXPECT_THAT(mistakes(of_metric("windo: 3d\n")), HasSubstr("did you mean `window`"));
  EXPECT_THAT(mistakes(of_metric("where: a = 1) OR (1 = 1\n")), HasSubstr("is not one expression"));
  EXPECT_THAT(mistakes(of_metric("where: a, b\n")), HasSubstr("is not one expression"));
  EXPECT_THAT(mistakes(of_metric("where: a = 'x\n")), HasSubstr("where"));
  EXPECT_THAT(mistakes(of_metric("window: soon\n")), HasSubstr("window"));
  EXPECT_THAT(mistakes(of_metric("after: 3d\n")), HasSubstr("a proportion has no `after`"));
  EXPECT_THAT(mistakes(of_metric("cap: { percentile: 0.9 }\n")), HasSubstr("a proportion has no `cap`"));
  auto of_kind = [](const std::string& kind, const std::string& more) {
    return mistakes(of_metric(more, "metric: x\nkind: " + kind + "\nfrom: bronze.e\nunit: u\ntime: t\n"));
  };
  EXPECT_THAT(of_kind("mean", ""), HasSubstr("a mean needs a `value`"));
  EXPECT_THAT(of_kind("ratio", ""), HasSubstr("a ratio needs a `denominator`"));
  EXPECT_THAT(of_kind("funnel", "steps: [{ step: a, where: x }]\n"), HasSubstr("two steps or more"));
  EXPECT_THAT(of_kind("retention", ""), HasSubstr("needs `after`"));
  EXPECT_THAT(of_kind("time_to_event", "window: none\n"), HasSubstr("needs a window"));
  EXPECT_THAT(of_kind("meen", ""), HasSubstr("did you mean `mean`"));
  EXPECT_THAT(of_kind("mean", "value: v\ncap: { percentile: 1 }\n"), HasSubstr("between 0 and 1"));
  EXPECT_THAT(of_kind("mean", "value: v\ncap: {}\n"), HasSubstr("either `percentile` or `value`"));
  // All of a file at once.
  EXPECT_EQ(of_metric("windo: 3d\nwhere: a, b\nafter: 3d\n").errors.size(), 3u);
}

TEST(Definitions, mistakes_of_experiments_are_told_at_their_place) {
  EXPECT_THAT(mistakes(of_experiment("guardrails: [bougt]\n")), HasSubstr("did you mean `bought`"));
  EXPECT_THAT(mistakes(of_experiment("guardrails: [bought]\n")), HasSubstr("is a goal already"));
  EXPECT_THAT(mistakes(of_experiment("analysis: hybrid\n")), HasSubstr("needs `planned_units`"));
  EXPECT_THAT(mistakes(of_experiment("start: 2026-02-30\n")), HasSubstr("is no moment"));
  EXPECT_THAT(mistakes(of_experiment("start: 2026-05-02\nend: 2026-05-01\n")),
              HasSubstr("not after the start"));
  EXPECT_THAT(mistakes(of_experiment("alpha: 0.9\n")), HasSubstr("alpha"));
  auto with = [](const std::string& variants) {
    return mistakes(of_experiment(
        "", "experiment: x\nexposures: { from: bronze.s, unit: u, variant: v, time: t }\nvariants: " +
                variants + "\ngoals: [bought]\n"));
  };
  EXPECT_THAT(with("[{ variant: a, control: true }]"), HasSubstr("1 variants"));
  EXPECT_THAT(with("[{ variant: a }, { variant: b }]"), HasSubstr("0 of the variants are the control"));
  EXPECT_THAT(with("[{ variant: a, control: true }, { variant: a }]"), HasSubstr("there twice"));
  EXPECT_THAT(mistakes(read_experiments({{"metrics/a.yaml", metric_text}, {"metrics/b.yaml", metric_text}})),
              HasSubstr("declared already in metrics/a.yaml"));
}

TEST(Definitions, exposures_are_the_cheapest_model_that_is_exact) {
  auto files = of_experiment("dimensions: { land: country }\n");
  ASSERT_EQ(mistakes(files), "");
  auto keyed = exposure_models(files.experiments, {});
  ASSERT_EQ(keyed.size(), 1u);
  EXPECT_EQ(keyed[0].full_name(), "tidemark_experiments.checkout_exposures");
  EXPECT_EQ(keyed[0].kind, "keyed");
  EXPECT_EQ(exposure_models(files.experiments, {"bronze.seen"})[0].kind, "incremental");
}

}  // namespace
}  // namespace tidemark::experiments
