// Published numbers: every line of test/data/stats_vectors.jsonl through the calculator, at the line's own
// tolerance.
#include "experiments/calculator.h"

#include <boost/json.hpp>
#include <cmath>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>

namespace tidemark::experiments {
namespace {

namespace json = boost::json;

constexpr size_t vectors_there_are = 85;

// Everything in `expected` must be in `actual`, numbers within the tolerance.
void compare(const json::value& expected, const json::value& actual, double tolerance,
             const std::string& where) {
  if (expected.is_number()) {
    ASSERT_TRUE(actual.is_number()) << where << ": " << actual;
    EXPECT_LE(std::abs(expected.to_number<double>() - actual.to_number<double>()), tolerance)
        << where << ": expected " << expected << ", got " << actual;
  } else if (expected.is_array()) {
    ASSERT_TRUE(actual.is_array()) << where;
    ASSERT_EQ(expected.get_array().size(), actual.get_array().size()) << where;
    for (size_t i = 0; i < expected.get_array().size(); ++i)
      compare(expected.get_array()[i], actual.get_array()[i], tolerance, fmt::format("{}[{}]", where, i));
  } else if (expected.is_object()) {
    ASSERT_TRUE(actual.is_object()) << where;
    for (const auto& [key, value] : expected.get_object()) {
      const json::value* found = actual.get_object().if_contains(key);
      std::string path = where + "." + std::string(key);
      ASSERT_NE(found, nullptr) << path << " is missing";
      compare(value, *found, tolerance, path);
    }
  } else {
    EXPECT_EQ(expected, actual) << where;
  }
}

std::vector<std::string> lines() {
  std::ifstream file(TIDEMARK_SOURCE_DIR "/test/data/stats_vectors.jsonl");
  std::vector<std::string> found;
  for (std::string line; std::getline(file, line);) found.push_back(line);
  return found;
}

TEST(StatsVectors, EveryPublishedNumberWithinItsTolerance) {
  auto vectors = lines();
  ASSERT_EQ(vectors.size(), vectors_there_are);
  for (const auto& line : vectors) {
    json::value vector = json::parse(line);
    std::string id(vector.at("id").as_string());
    std::string problem;
    auto answers = calculate(line, problem);
    ASSERT_EQ(answers.size(), 1U) << id << ": " << problem;
    json::value answer = json::parse(answers[0].text);
    EXPECT_EQ(answer.at("id"), vector.at("id"));
    ASSERT_TRUE(answers[0].is_result) << answers[0].text;
    compare(vector.at("expected"), answer.at("result"), vector.at("abs_tol").to_number<double>(), id);
    // A parameter that is not read is a misunderstanding.
    EXPECT_EQ(answer.at("result").as_object().if_contains("ignored"), nullptr)
        << id << ": " << answers[0].text;
  }
}

// The comparison itself must be able to fail.
TEST(StatsVectors, AWrongNumberIsSeen) {
  auto vectors = lines();
  size_t seen = 0;
  for (const auto& line : vectors) {
    json::value vector = json::parse(line);
    if (vector.at("method") != "t_two_sided" || !vector.at("expected").as_object().contains("se")) continue;
    std::string problem;
    json::value answer = json::parse(calculate(line, problem)[0].text);
    double expected = vector.at("expected").at("se").to_number<double>();
    double tolerance = vector.at("abs_tol").to_number<double>();
    double got = answer.at("result").at("se").to_number<double>();
    EXPECT_GT(std::abs(expected + 3 * tolerance + 1e-12 - got), tolerance);
    ++seen;
  }
  EXPECT_GE(seen, 3U);
}

TEST(StatsVectors, ADocumentIsAnsweredAsItsLines) {
  auto vectors = lines();
  std::string document = "{\"meta\": {}, \"vectors\": [";
  std::vector<std::string> one_by_one;
  for (const auto& line : vectors) {
    if (document.back() != '[') document += ',';
    document += line;
    std::string problem;
    one_by_one.push_back(calculate(line, problem)[0].text);
  }
  document += "]}";
  std::string problem;
  std::vector<std::string> together;
  for (const auto& answer : calculate(document, problem)) together.push_back(answer.text);
  EXPECT_EQ(together, one_by_one);
}

}  // namespace
}  // namespace tidemark::experiments
