// What is not a question is refused by the name of its field; what is one and says nothing is answered as
// such.
#include "experiments/calculator.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::experiments {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

json::value ask(const std::string& text) {
  std::string problem;
  auto answers = calculate(text, problem);
  EXPECT_EQ(answers.size(), 1U) << text << problem;
  if (answers.size() != 1) return nullptr;
  EXPECT_THAT(answers[0].text, Not(testing::ContainsRegex("[:,[]-?nan")));
  EXPECT_THAT(answers[0].text, Not(testing::ContainsRegex("[:,[]-?inf")));
  json::value answer = json::parse(answers[0].text);
  EXPECT_EQ(answers[0].is_result, answer.as_object().contains("result"));
  return answer;
}

const std::string good_arm = R"({"type": "mean", "n": 100, "sum": 270, "sum_squares": 848.79})";

std::string comparison(const std::string& method, const std::string& params, const std::string& control,
                       const std::string& treatment) {
  return fmt::format(R"({{"id": "x", "method": "{}", "params": {}, "control": {}, "treatment": {}}})", method,
                     params, control, treatment);
}

void refused(const std::string& request, const std::string& field, const std::string& message) {
  json::value answer = ask(request);
  ASSERT_TRUE(answer.as_object().contains("error")) << request << "\n" << answer;
  EXPECT_EQ(answer.at("error").at("field").as_string(), field) << request;
  EXPECT_THAT(std::string(answer.at("error").at("message").as_string()), HasSubstr(message)) << request;
}

void neutral(const std::string& request, const std::string& reason) {
  json::value answer = ask(request);
  ASSERT_TRUE(answer.as_object().contains("result")) << request << "\n" << answer;
  const json::value& result = answer.at("result");
  EXPECT_EQ(result.at("status").as_string(), "uninformative") << result;
  EXPECT_EQ(result.at("reason").as_string(), reason) << request;
  EXPECT_EQ(result.at("estimate").to_number<double>(), 0) << result;
}

TEST(Calculator, WhatCannotBeIsRefusedByField) {
  std::string rel = R"({"difference": "relative", "alpha": 0.05})";
  auto with_control = [&](const std::string& control) {
    return comparison("t_two_sided", rel, control, good_arm);
  };
  refused(with_control(R"({"type": "mean", "n": -1, "sum": 270, "sum_squares": 848})"), "control.n",
          "whole number");
  refused(with_control(R"({"type": "mean", "n": 10.5, "sum": 270, "sum_squares": 848})"), "control.n",
          "10.5");
  refused(with_control(R"({"type": "mean", "n": 1e300, "sum": 270, "sum_squares": 848})"), "control.n",
          "whole number");
  refused(with_control(R"({"type": "mean", "n": 100, "sum": NaN, "sum_squares": 848})"), "control.sum",
          "NaN");
  refused(with_control(R"({"type": "mean", "n": 100, "sum": -Infinity, "sum_squares": 848})"), "control.sum",
          "Infinity");
  refused(with_control(R"({"type": "mean", "n": 100, "sum": 1e999, "sum_squares": 848})"), "control.sum",
          "finite");
  refused(with_control(R"({"type": "mean", "n": 100, "sum": "270", "sum_squares": 848})"), "control.sum",
          "270");
  refused(with_control(R"({"type": "mean", "n": 100, "sum": null, "sum_squares": 848})"), "control.sum",
          "missing");
  refused(with_control(R"({"type": "mean", "n": 100, "sum": 270})"), "control.sum_squares", "missing");
  refused(with_control(R"({"type": "mean", "n": 100, "sum": 270, "sum_squares": -1})"), "control.sum_squares",
          "negative");
  refused(with_control(R"({"type": "mean", "n": 0, "sum": 270, "sum_squares": 848})"), "control.sum",
          "without units");
  refused(with_control(R"({"type": "mena", "n": 100, "sum": 270, "sum_squares": 848})"), "control.type",
          "mean");
  refused(with_control(R"([])"), "control", "not an object");
  refused(comparison("t_two_sided", rel, good_arm, R"({"type": "proportion", "n": 100, "sum": 10})"),
          "treatment.type", "control's");
  std::string half = R"({"type": "proportion", "n": 100, "sum": 50})";
  refused(comparison("t_two_sided", rel, half, R"({"type": "proportion", "n": 100, "sum": 101})"),
          "treatment.sum", "101 of 100");
  refused(comparison("t_two_sided", rel, half, R"({"type": "proportion", "n": 100, "sum": -1})"),
          "treatment.sum", "-1");
  for (const char* alpha : {"0", "1", "-0.1", "2", "NaN", "\"a\""})
    refused(comparison("t_two_sided", fmt::format(R"({{"alpha": {}}})", alpha), good_arm, good_arm),
            "params.alpha", "");
  refused(comparison("t_two_sided", R"({"difference": "absolut"})", good_arm, good_arm), "params.difference",
          "absolut");
  refused(comparison("sequential_two_sided", R"({"tuning": 0})", good_arm, good_arm), "params.tuning",
          "above 0");
  refused(comparison("sequential_one_sided_less", R"({"alpha": 0.6})", good_arm, good_arm), "params.alpha",
          "0.5");
  refused(comparison("bayes_gaussian", R"({"prior": {"mean": 0, "variance": 0}})", good_arm, good_arm),
          "params.prior.variance", "above 0");
  refused(R"({"method": "srm_chi2", "observed": [1, -2], "weights": [1, 1]})", "observed[1]", "-2");
  refused(R"({"method": "srm_chi2", "observed": [1, 2, 3], "weights": [1, 1]})", "weights",
          "2 weights for 3 arms");
  refused(R"({"method": "srm_chi2", "observed": [1, 2], "weights": [1, -1]})", "weights[1]", "-1");
  refused(R"({"method": "holm", "p_values": [0.1, 1.1]})", "p_values[1]", "1.1");
  refused(R"({"method": "t_two_sidde"})", "method", "t_two_sided");
  refused(R"({"id": 1})", "method", "missing");
  refused(R"(7)", "", "object");
  refused(R"({"method": "t_two_sided", "params": 5})", "params", "not an object");
  refused(
      R"({"method": "mde_frequentist", "params": {"mean": 1, "variance": 1, "n_total": 10, "power": 0.01}})",
      "params.power", "alpha");
  refused(R"({"method": "power_frequentist", "params": {"mean": 0, "variance": 1, "n_total": 10}})",
          "params.mean", "baseline");
  refused(R"({"method": "power_frequentist", "params": {"mean": 1, "variance": 0, "n_total": 10}})",
          "params.variance", "above 0");
  refused(
      R"({"method": "group_sequential_power_family", "params": {"final_expected_total": 10}, "n_control": [1, 1],
          "n_treatment": [1, 1]})",
      "n_control[1]", "no more");
  refused(R"({"method": "attribution", "path": [{"channel": "a", "days_before": -1}]})",
          "path[0].days_before", "-1");
  refused(R"({"method": "attribution_markov_order1", "paths": [["a", true]]})", "paths[0]", "converted");
}

TEST(Calculator, WhatSaysNothingIsNeutralWithAReason) {
  std::string none = R"({"type": "mean", "n": 0, "sum": 0, "sum_squares": 0})";
  std::string one = R"({"type": "mean", "n": 1, "sum": 5, "sum_squares": 25})";
  std::string flat = R"({"type": "mean", "n": 100, "sum": 500, "sum_squares": 2500})";
  std::string flat_but_for_rounding =
      R"({"type": "mean", "n": 1000000, "sum": 100000.00000133288, "sum_squares": 10000.00000017181})";
  std::string impossible = R"({"type": "mean", "n": 100, "sum": 500, "sum_squares": 100})";
  std::string zero_mean = R"({"type": "mean", "n": 100, "sum": 0, "sum_squares": 100})";
  std::string nobody = R"({"type": "proportion", "n": 100, "sum": 0})";
  std::string some = R"({"type": "proportion", "n": 100, "sum": 7})";
  std::string no_denominator =
      R"({"type": "ratio", "n": 9, "num_sum": 1, "num_sum_squares": 1, "den_sum": 0, "den_sum_squares": 0,
      "num_den_sum_products": 0})";
  std::string huge = R"({"type": "mean", "n": 100, "sum": 1e200, "sum_squares": 1e307})";
  for (const char* method : {"t_two_sided", "t_one_sided_greater", "sequential_two_sided",
                             "sequential_one_sided_less", "bayes_gaussian"}) {
    std::string rel = R"({"difference": "relative", "alpha": 0.05})";
    neutral(comparison(method, rel, none, good_arm), "no_units");
    neutral(comparison(method, rel, good_arm, none), "no_units");
    neutral(comparison(method, rel, one, good_arm), "too_few_units");
    neutral(comparison(method, rel, flat, good_arm), "zero_or_negative_variance");
    neutral(comparison(method, rel, flat_but_for_rounding, good_arm), "zero_or_negative_variance");
    neutral(comparison(method, rel, impossible, good_arm), "zero_or_negative_variance");
    neutral(comparison(method, rel, nobody, some), "zero_or_negative_variance");
    neutral(comparison(method, rel, zero_mean, good_arm), "control_mean_zero");
    neutral(comparison(method, rel, no_denominator, no_denominator), "denominator_zero");
    neutral(comparison(method, rel, huge, huge), "zero_or_negative_variance");
  }
  // An absolute effect needs no base, unless its prior is relative to it.
  json::value answer = ask(comparison("t_two_sided", R"({"difference": "absolute"})", zero_mean, good_arm));
  EXPECT_EQ(answer.at("result").at("status").as_string(), "ok");
  neutral(comparison("bayes_gaussian", R"({"difference": "absolute", "prior": {"sd": 0.3}})", zero_mean,
                     good_arm),
          "control_mean_zero");
  EXPECT_EQ(ask(R"({"method": "srm_chi2", "observed": [], "weights": []})")
                .at("result")
                .at("p_value")
                .to_number<double>(),
            1);
  EXPECT_TRUE(ask(R"({"method": "mde_frequentist", "params": {"mean": 1, "variance": 100, "n_total": 10}})")
                  .at("result")
                  .at("mde_relative")
                  .is_null());
}

TEST(Calculator, AMisspeltParameterIsNamed) {
  json::value answer = ask(comparison("t_two_sided", R"({"alhpa": 0.01})", good_arm, good_arm));
  EXPECT_EQ(answer.at("result").at("ignored"), json::parse(R"(["params.alhpa"])"));
}

TEST(Calculator, AnOpenEndIsNull) {
  json::value answer = ask(comparison("t_one_sided_greater", "{}", good_arm, good_arm));
  EXPECT_TRUE(answer.at("result").at("upper").is_null());
  EXPECT_TRUE(answer.at("result").at("lower").is_number());
}

TEST(Calculator, NumbersLoseNothing) {
  std::string problem;
  auto answers = calculate(
      R"({"id": 9007199254740993, "method": "sufficient_statistics", "values": [0.1, 0.2]})", problem);
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_THAT(answers[0].text, HasSubstr("\"id\":9007199254740993"));
  EXPECT_THAT(answers[0].text, HasSubstr("\"sum\":0.30000000000000004"));
}

TEST(Calculator, WhatIsNotJsonIsTold) {
  for (const char* text : {"", "{", "nonsense", "{\"a\": NaN", "[1,]", "{} {}"}) {
    std::string problem;
    EXPECT_TRUE(calculate(text, problem).empty()) << text;
    EXPECT_THAT(problem, HasSubstr("not JSON")) << text;
  }
  std::string deep(100, '[');
  std::string problem;
  EXPECT_TRUE(calculate(deep + std::string(100, ']'), problem).empty());
}

TEST(Calculator, MethodsAreSorted) {
  auto methods = calculator_methods();
  EXPECT_GT(methods.size(), 30U);
  EXPECT_TRUE(std::is_sorted(methods.begin(), methods.end()));
}

}  // namespace
}  // namespace tidemark::experiments
