// How the calculator reads a request: typed fields, each checked where it is read, errors that name the field
// by its whole path. Errors carry the path as context (innermost first) and what is wrong as message.
//
// Heavy (Boost.JSON): included by calculator_*.cc only.
#pragma once

#include "base/error.h"
#include "experiments/stats_bayesian.h"

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::experiments::calculator {

namespace json = boost::json;

class Fields {
 public:
  Fields(const json::object& object, std::string path);

  bool has(const std::string& key) const;  // there, and not null
  std::string path_of(const std::string& key) const;

  Result<double> number(const std::string& key) const;  // finite
  Result<double> number_or(const std::string& key, double standard) const;
  Result<double> at_least(const std::string& key, double least) const;
  Result<double> above(const std::string& key, double bound) const;
  Result<double> above_or(const std::string& key, double bound, double standard) const;
  Result<double> probability(const std::string& key) const;  // inside (0, 1), ends left out
  Result<double> probability_or(const std::string& key, double standard) const;
  Result<int64_t> count(const std::string& key) const;  // a whole number >= 0
  Result<int64_t> count_or(const std::string& key, int64_t standard) const;
  Result<std::string> text(const std::string& key) const;
  Result<std::string> text_or(const std::string& key, std::string standard) const;
  Result<bool> flag_or(const std::string& key, bool standard) const;
  Result<std::vector<double>> numbers(const std::string& key) const;
  Result<std::vector<int64_t>> counts(const std::string& key) const;
  Result<Fields> object(const std::string& key) const;
  Fields object_or_empty(const std::string& key) const;  // empty when missing or of another type
  Result<std::vector<Fields>> objects(const std::string& key) const;
  Result<const json::array*> array(const std::string& key) const;
  const json::object& raw() const { return *object_; }

  // Keys that no one has asked for.
  std::vector<std::string> unread() const;

 private:
  const json::value* find(const std::string& key) const;
  Result<const json::value*> need(const std::string& key) const;

  const json::object* object_;
  std::string path_;
  std::shared_ptr<std::set<std::string>> read_;
};

tl::unexpected<Error> wrong(std::string field, std::string message);
// The number a value holds. Errors: not a number, not finite.
Result<double> number_of(const json::value& value, const std::string& field);

// "control" and "treatment", whatever their types.
struct Pair {
  std::optional<ArmSums> control;  // unless quantiles
  std::optional<ArmSums> treatment;
  MetricShape shape = MetricShape::mean;
  PairMoments moments;
};
struct ReadArm {
  ArmSums sums;
  MetricShape shape = MetricShape::mean;
};
Result<ReadArm> read_arm(const Fields& arm);
// The way back: what read_arm() reads as the same arm.
json::object arm_document(MetricShape shape, const ArmSums& sums);
Result<Pair> read_pair(const Fields& request);
Result<Difference> read_difference(const Fields& params);
// null, or an object with mean and variance (or sd).
Result<std::optional<Prior>> read_prior(const Fields& params, const std::string& key);

json::array interval(double lower, double upper);
// "ok", or "uninformative" with the reason.
void put_status(json::object& result, Reason reason);

struct Request {
  Fields all;
  Fields params;
};
using Method = Result<json::object> (*)(const Request& request);
using Methods = std::map<std::string, Method>;

// One per file.
void add_comparison_methods(Methods& methods);
void add_power_methods(Methods& methods);
void add_sample_methods(Methods& methods);
void add_attribution_methods(Methods& methods);

}  // namespace tidemark::experiments::calculator
