// The read-out against the calculator (whose numbers are the published ones), over the sums it prints itself;
// corrections, decisions and alarms against what their definitions say.
#include "experiments/calculator.h"
#include "experiments/experiment_files.h"
#include "experiments/read_out_document.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <random>

namespace tidemark::experiments {
namespace {

namespace json = boost::json;

ExperimentFiles files_with(const std::string& more) {
  std::string rows = "from: bronze.events\nunit: user_id\ntime: at\n";
  auto files = read_experiments(
      {{"metrics/bought.yaml", "metric: bought\nkind: proportion\n" + rows},
       {"metrics/revenue.yaml", "metric: revenue\nkind: mean\nvalue: v\ncuped: 7d\n" + rows},
       {"metrics/basket.yaml", "metric: basket\nkind: ratio\nvalue: v\ndenominator: { where: x }\n" + rows},
       {"metrics/slow.yaml",
        "metric: slow\nkind: mean\nvalue: v\ndirection: decrease\nmargin: 0.05\n" + rows},
       {"experiments/x.yaml",
        "experiment: x\nexposures: { from: bronze.s, unit: u, variant: v, time: t }\nvariants:\n"
        "  - { variant: a, control: true }\n  - { variant: b }\n  - { variant: c }\n"
        "goals: [bought, revenue, basket]\nguardrails: [slow]\n" +
            more}});
  EXPECT_TRUE(files.errors.empty()) << config::render(files.errors);
  return files;
}

// Units whose values differ by `lift` between arms.
ExperimentSums sums_of(const ExperimentFiles& files, double lift, int units) {
  std::mt19937_64 random(7);
  auto unit = [&] { return static_cast<double>(random() >> 11) / 9007199254740992.0; };
  ExperimentSums sums{.at_us = 1'777'593'600'000'000};
  sums.counters.units = {units, units, units};
  sums.counters.seen = 3 * units;
  sums.counters.units_a_day = units / 10.0;
  const MetricShape shapes[] = {MetricShape::proportion, MetricShape::mean_adjusted, MetricShape::ratio,
                                MetricShape::mean};
  const char* names[] = {"bought", "revenue", "basket", "slow"};
  for (int metric = 0; metric < 4; ++metric) {
    MetricSums one{
        .metric = files.metric(names[metric]), .shape = shapes[metric], .arms = std::vector<ArmSums>(3)};
    for (int arm = 0; arm < 3; ++arm)
      for (int index = 0; index < units; ++index) {
        double raised = arm == 1 ? 1 + lift : 1, before = 10 * unit();
        double spent = raised * (before + 5 * unit());
        one.arms[static_cast<size_t>(arm)].add_unit(
            {metric == 0 ? (unit() < 0.2 * raised ? 1.0 : 0.0) : spent, metric == 2 ? 1 + 3 * unit() : 0,
             metric == 1 ? before : 0, 0});
      }
    sums.metrics.push_back(one);
  }
  return sums;
}

json::object calculated(const char* method, const json::value& control, const json::value& treatment) {
  json::object params{{"difference", "relative"}, {"alpha", 0.05}};
  json::object request{
      {"id", "x"}, {"method", method}, {"params", params}, {"control", control}, {"treatment", treatment}};
  std::string problem;
  auto answers = calculate(json::serialize(request), problem);
  EXPECT_EQ(answers.size(), 1u) << problem;
  json::value answer = json::parse(answers.at(0).text);
  EXPECT_TRUE(answer.as_object().contains("result")) << answer;
  return answer.at("result").as_object();
}

TEST(ReadOut, can_be_computed_again_from_the_sums_it_prints) {
  auto files = files_with("");
  const Experiment& experiment = files.experiments[0];
  ExperimentSums sums = sums_of(files, 0.05, 2000);
  ReadOut read = read_out(experiment, sums);
  json::object document = read_out_document(experiment, sums, read);
  json::value parsed = json::parse(json::serialize(document));
  size_t compared = 0;
  for (const auto& metric : parsed.at("metrics").as_array())
    for (size_t arm = 1; arm < 3; ++arm) {
      const auto& comparison = metric.at("comparisons").at(arm - 1);
      const auto& control = metric.at("arms").at(0).at("sums");
      const auto& treatment = metric.at("arms").at(arm).at("sums");
      for (auto [method, key] :
           {std::pair{"t_two_sided", "fixed"}, std::pair{"sequential_two_sided", "sequential"}}) {
        json::object again = calculated(method, control, treatment);
        EXPECT_NEAR(again.at("estimate").to_number<double>(), comparison.at("estimate").to_number<double>(),
                    1e-9);
        EXPECT_NEAR(again.at("ci").at(0).to_number<double>(),
                    comparison.at(key).at("lower").to_number<double>(), 1e-9);
        EXPECT_NEAR(again.at("ci").at(1).to_number<double>(),
                    comparison.at(key).at("upper").to_number<double>(), 1e-9);
        EXPECT_NEAR(again.at("p_value").to_number<double>(),
                    comparison.at(key).at("p_value").to_number<double>(), 1e-9);
        ++compared;
      }
    }
  EXPECT_EQ(compared, 16u);
}

TEST(ReadOut, corrects_goals_over_arms_and_leaves_guardrails_alone) {
  auto files = files_with("analysis: fixed\n");
  ExperimentSums sums = sums_of(files, 0.03, 3000);
  ReadOut read = read_out(files.experiments[0], sums);
  auto other = files_with("analysis: fixed\ncorrection: none\n");
  ReadOut plain = read_out(other.experiments[0], sums);
  double smallest = 1, smallest_adjusted = 1;
  for (size_t metric = 0; metric < 4; ++metric)
    for (size_t index = 0; index < 2; ++index) {
      const Comparison& corrected = read.metrics[metric].comparisons[index];
      EXPECT_DOUBLE_EQ(plain.metrics[metric].comparisons[index].adjusted_p_value, corrected.chosen.p_value);
      if (metric == 3) {
        EXPECT_DOUBLE_EQ(corrected.adjusted_p_value, corrected.chosen.p_value);
        continue;
      }
      smallest = std::min(smallest, corrected.chosen.p_value);
      smallest_adjusted = std::min(smallest_adjusted, corrected.adjusted_p_value);
      EXPECT_GE(corrected.adjusted_p_value, corrected.chosen.p_value);
      EXPECT_LE(corrected.adjusted_lower, corrected.chosen.lower);
    }
  EXPECT_NEAR(smallest_adjusted, std::min(1.0, smallest * 6), 1e-12);  // Holm's smallest: times the family
}

TEST(ReadOut, decides_by_arm) {
  auto files = files_with("");
  // Everything that is spent goes up by a tenth in b: goals are better, and so is what should go down.
  ExperimentSums sums = sums_of(files, 0.10, 20'000);
  ReadOut read = read_out(files.experiments[0], sums);
  ASSERT_EQ(read.decisions.size(), 2u);
  EXPECT_EQ(read.decisions[0].decision.hint, Hint::stop) << "slow is up by 10 %, 5 % were allowed";
  EXPECT_EQ(read.metrics[3].comparisons[0].guardrail, GuardrailState::harmful);
  EXPECT_NE(read.decisions[1].decision.hint, Hint::ship);
  // Without the harm.
  sums.metrics[3].arms[1] = sums.metrics[3].arms[0];
  EXPECT_EQ(read_out(files.experiments[0], sums).decisions[0].decision.hint, Hint::ship);
  // Units that are not split as planned void all of it.
  sums.counters.units = {20'000, 18'800, 20'000};
  read = read_out(files.experiments[0], sums);
  EXPECT_TRUE(read.sample_ratio.alarm());
  EXPECT_EQ(read.decisions[0].decision.hint, Hint::repair);
}

TEST(ReadOut, of_nobody_is_neutral) {
  auto files = files_with("");
  ExperimentSums sums = sums_of(files, 0, 0);
  ReadOut read = read_out(files.experiments[0], sums);
  EXPECT_FALSE(read.sample_ratio.alarm());
  for (const auto& metric : read.metrics)
    for (const auto& comparison : metric.comparisons) {
      EXPECT_EQ(comparison.effect.reason, Reason::no_units);
      EXPECT_EQ(comparison.adjusted_p_value, 1);
    }
  EXPECT_EQ(read.decisions[0].decision.hint, Hint::wait);
  // No NaN: the document is JSON.
  EXPECT_FALSE(json::serialize(read_out_document(files.experiments[0], sums, read)).empty());
}

}  // namespace
}  // namespace tidemark::experiments
