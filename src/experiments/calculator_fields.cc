#include "experiments/calculator_fields.h"

#include "config/diagnostic.h"
#include "experiments/calculator.h"
#include "experiments/stats_quantile.h"

#include <cmath>
#include <fmt/format.h>

namespace tidemark::experiments::calculator {
namespace {

const json::object no_object;
constexpr double whole_number_max = 9007199254740992;  // 2^53: beyond, a double skips numbers

std::string shown(const json::value& value) {
  constexpr size_t shown_bytes_max = 40;
  std::string text = json::serialize(value);
  return text.size() <= shown_bytes_max ? text : text.substr(0, shown_bytes_max) + "...";
}

Result<int64_t> count_of(const json::value& value, const std::string& field) {
  double number = TRY(number_of(value, field));
  if (number < 0 || number != std::floor(number) || number > whole_number_max)
    return wrong(field, fmt::format("{} is not a whole number from 0 on", number));
  return static_cast<int64_t>(number);
}

// Names of an arm's fields by type of metric.
struct SumFields {
  MetricShape shape;
  std::array<const char*, variables> sums;  // nullptr: the type has no such variable
  struct Product {
    Variable left;
    Variable right;
    const char* name;
  };
  std::vector<Product> products;
};

const std::map<std::string, SumFields>& sum_fields() {
  static const std::map<std::string, SumFields> fields = {
      {"mean", {MetricShape::mean, {"sum"}, {{value, value, "sum_squares"}}}},
      {"count", {MetricShape::mean, {"sum"}, {{value, value, "sum_squares"}}}},
      {"proportion", {MetricShape::proportion, {"sum"}, {}}},
      {"binomial", {MetricShape::proportion, {"sum"}, {}}},
      {"ratio",
       {MetricShape::ratio,
        {"num_sum", "den_sum"},
        {{value, value, "num_sum_squares"},
         {denominator, denominator, "den_sum_squares"},
         {value, denominator, "num_den_sum_products"}}}},
      {"mean_cuped",
       {MetricShape::mean_adjusted,
        {"post_sum", nullptr, "pre_sum"},
        {{value, value, "post_sum_squares"},
         {value_before, value_before, "pre_sum_squares"},
         {value, value_before, "post_pre_sum_products"}}}},
      {"proportion_cuped",
       {MetricShape::proportion_adjusted,
        {"post_sum", nullptr, "pre_sum"},
        {{value, value_before, "post_pre_sum_products"}}}},
      {"ratio_cuped",
       {MetricShape::ratio_adjusted,
        {"num_post_sum", "den_post_sum", "num_pre_sum", "den_pre_sum"},
        {{value, value, "num_post_sum_squares"},
         {denominator, denominator, "den_post_sum_squares"},
         {value_before, value_before, "num_pre_sum_squares"},
         {denominator_before, denominator_before, "den_pre_sum_squares"},
         {value, denominator, "num_post_den_post_sum_products"},
         {value, value_before, "num_post_num_pre_sum_products"},
         {value, denominator_before, "num_post_den_pre_sum_products"},
         {denominator, value_before, "num_pre_den_post_sum_products"},
         {denominator, denominator_before, "den_post_den_pre_sum_products"},
         {value_before, denominator_before, "num_pre_den_pre_sum_products"}}}},
  };
  return fields;
}

std::vector<std::string> arm_types() {
  std::vector<std::string> types;
  for (const auto& [type, fields] : sum_fields()) types.push_back(type);
  types.insert(types.end(), {"quantile", "quantile_clustered"});
  return types;
}

bool is_quantile(const std::string& type) {
  return type == "quantile" || type == "quantile_clustered";
}

Result<std::string> read_type(const Fields& arm) {
  std::string type = TRY(arm.text("type"));
  std::vector<std::string> types = arm_types();
  if (std::find(types.begin(), types.end(), type) == types.end())
    return wrong(arm.path_of("type"),
                 fmt::format("unknown type `{}`{}", type, config::did_you_mean(type, types)));
  return type;
}

// Sums that no units could have.
Status check_sums(const Fields& arm, const ReadArm& read, const SumFields& fields) {
  const ArmSums& sums = read.sums;
  for (int i = 0; i < variables; ++i) {
    if (fields.sums[i] == nullptr) continue;
    if (sums.units == 0 && sums.sum[i] != 0)
      return wrong(arm.path_of(fields.sums[i]), fmt::format("a sum of {} without units", sums.sum[i]));
    bool binary = read.shape == MetricShape::proportion || read.shape == MetricShape::proportion_adjusted;
    if (binary && (sums.sum[i] < 0 || sums.sum[i] > static_cast<double>(sums.units)))
      return wrong(
          arm.path_of(fields.sums[i]),
          fmt::format("{} of {} units: a proportion counts each unit at most once", sums.sum[i], sums.units));
  }
  for (const auto& product : fields.products)
    if (product.left == product.right && sums.products[product.left][product.left] < 0)
      return wrong(arm.path_of(product.name), "a sum of squares is not negative");
  return {};
}

Result<QuantileArm> read_quantile(const Fields& arm, bool clustered) {
  QuantileArm read;
  read.observations = TRY(arm.count("n"));
  read.levels_for = TRY(arm.count_or("n_star", read.observations));
  read.level = TRY(arm.probability("nu"));
  read.quantile = TRY(arm.number("quantile"));
  read.lower = TRY(arm.number("quantile_lower"));
  read.upper = TRY(arm.number("quantile_upper"));
  if (read.lower > read.upper) return wrong(arm.path_of("quantile_lower"), "above quantile_upper");
  if (!clustered) return read;
  QuantileClusters clusters;
  clusters.users = TRY(arm.count("n_clusters"));
  clusters.below_sum = TRY(arm.number("main_sum"));
  clusters.below_sum_squares = TRY(arm.number("main_sum_squares"));
  clusters.count_sum = TRY(arm.number("denominator_sum"));
  clusters.count_sum_squares = TRY(arm.number("denominator_sum_squares"));
  clusters.below_count_sum_products = TRY(arm.number("main_denominator_sum_products"));
  read.clusters = clusters;
  return read;
}

}  // namespace

tl::unexpected<Error> wrong(std::string field, std::string message) {
  return fail(Error(ErrorKind::usage, std::move(message)).in(std::move(field)));
}

Result<double> number_of(const json::value& value, const std::string& field) {
  boost::json::error_code problem;
  double number = value.is_number() ? value.to_number<double>(problem) : NAN;
  if (!value.is_number() || problem || !std::isfinite(number))
    return wrong(field, fmt::format("{} is not a finite number", shown(value)));
  return number;
}

Fields::Fields(const json::object& object, std::string path)
    : object_(&object), path_(std::move(path)), read_(std::make_shared<std::set<std::string>>()) {}

std::string Fields::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

const json::value* Fields::find(const std::string& key) const {
  read_->insert(key);
  const json::value* found = object_->if_contains(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool Fields::has(const std::string& key) const {
  return find(key) != nullptr;
}

Result<const json::value*> Fields::need(const std::string& key) const {
  const json::value* found = find(key);
  if (found == nullptr) return wrong(path_of(key), "is missing");
  return found;
}

Result<double> Fields::number(const std::string& key) const {
  return number_of(*TRY(need(key)), path_of(key));
}

Result<double> Fields::number_or(const std::string& key, double standard) const {
  if (!has(key)) return standard;
  return number(key);
}

Result<double> Fields::at_least(const std::string& key, double least) const {
  double found = TRY(number(key));
  if (found < least) return wrong(path_of(key), fmt::format("{} is below {}", found, least));
  return found;
}

Result<double> Fields::above(const std::string& key, double bound) const {
  double found = TRY(number(key));
  if (found <= bound) return wrong(path_of(key), fmt::format("{} is not above {}", found, bound));
  return found;
}

Result<double> Fields::above_or(const std::string& key, double bound, double standard) const {
  if (!has(key)) return standard;
  return above(key, bound);
}

Result<double> Fields::probability(const std::string& key) const {
  double found = TRY(number(key));
  if (found <= 0 || found >= 1) return wrong(path_of(key), fmt::format("{} is not between 0 and 1", found));
  return found;
}

Result<double> Fields::probability_or(const std::string& key, double standard) const {
  if (!has(key)) return standard;
  return probability(key);
}

Result<int64_t> Fields::count(const std::string& key) const {
  return count_of(*TRY(need(key)), path_of(key));
}

Result<int64_t> Fields::count_or(const std::string& key, int64_t standard) const {
  if (!has(key)) return standard;
  return count(key);
}

Result<std::string> Fields::text(const std::string& key) const {
  const json::value* found = TRY(need(key));
  if (!found->is_string()) return wrong(path_of(key), fmt::format("{} is not a text", shown(*found)));
  return std::string(found->get_string());
}

Result<std::string> Fields::text_or(const std::string& key, std::string standard) const {
  if (!has(key)) return standard;
  return text(key);
}

Result<bool> Fields::flag_or(const std::string& key, bool standard) const {
  const json::value* found = find(key);
  if (found == nullptr) return standard;
  if (!found->is_bool())
    return wrong(path_of(key), fmt::format("{} is neither true nor false", shown(*found)));
  return found->get_bool();
}

Result<const json::array*> Fields::array(const std::string& key) const {
  const json::value* found = TRY(need(key));
  if (!found->is_array()) return wrong(path_of(key), fmt::format("{} is not a list", shown(*found)));
  if (found->get_array().size() > calculator_list_max)
    return wrong(path_of(key), fmt::format("more than {} entries", calculator_list_max));
  return &found->get_array();
}

Result<std::vector<double>> Fields::numbers(const std::string& key) const {
  std::vector<double> found;
  for (const auto& value : *TRY(array(key)))
    found.push_back(TRY(number_of(value, fmt::format("{}[{}]", path_of(key), found.size()))));
  return found;
}

Result<std::vector<int64_t>> Fields::counts(const std::string& key) const {
  std::vector<int64_t> found;
  for (const auto& value : *TRY(array(key)))
    found.push_back(TRY(count_of(value, fmt::format("{}[{}]", path_of(key), found.size()))));
  return found;
}

Result<Fields> Fields::object(const std::string& key) const {
  const json::value* found = TRY(need(key));
  if (!found->is_object()) return wrong(path_of(key), fmt::format("{} is not an object", shown(*found)));
  return Fields(found->get_object(), path_of(key));
}

Fields Fields::object_or_empty(const std::string& key) const {
  const json::value* found = find(key);
  return {found != nullptr && found->is_object() ? found->get_object() : no_object, path_of(key)};
}

Result<std::vector<Fields>> Fields::objects(const std::string& key) const {
  std::vector<Fields> found;
  for (const auto& value : *TRY(array(key))) {
    std::string path = fmt::format("{}[{}]", path_of(key), found.size());
    if (!value.is_object()) return wrong(path, fmt::format("{} is not an object", shown(value)));
    found.emplace_back(value.get_object(), path);
  }
  return found;
}

std::vector<std::string> Fields::unread() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : *object_)
    if (!read_->contains(std::string(key))) keys.emplace_back(key);
  return keys;
}

Result<ReadArm> read_arm(const Fields& arm) {
  std::string type = TRY(read_type(arm));
  auto found = sum_fields().find(type);
  if (found == sum_fields().end()) return wrong(arm.path_of("type"), "quantiles are not sums");
  const SumFields& fields = found->second;
  ReadArm read;
  read.shape = fields.shape;
  read.sums.units = TRY(arm.count("n"));
  for (int i = 0; i < variables; ++i)
    if (fields.sums[i] != nullptr) read.sums.sum[i] = TRY(arm.number(fields.sums[i]));
  for (const auto& product : fields.products)
    read.sums.products[product.left][product.right] = read.sums.products[product.right][product.left] =
        TRY(arm.number(product.name));
  if (read.shape == MetricShape::proportion || read.shape == MetricShape::proportion_adjusted)
    for (int i = 0; i < variables; ++i)
      read.sums.products[i][i] = read.sums.sum[i];  // 0 and 1 are their squares
  TRY_VOID(check_sums(arm, read, fields));
  return read;
}

Result<Pair> read_pair(const Fields& request) {
  Fields control = TRY(request.object("control"));
  Fields treatment = TRY(request.object("treatment"));
  std::string type = TRY(read_type(control));
  std::string other = TRY(read_type(treatment));
  if (type != other)
    return wrong(treatment.path_of("type"), fmt::format("`{}`, but the control's is `{}`", other, type));
  Pair pair;
  if (is_quantile(type)) {
    QuantileArm control_arm = TRY(read_quantile(control, type == "quantile_clustered"));
    QuantileArm treatment_arm = TRY(read_quantile(treatment, type == "quantile_clustered"));
    if (control_arm.level != treatment_arm.level)
      return wrong(treatment.path_of("nu"), "not the control's quantile");
    pair.moments = quantile_moments(control_arm, treatment_arm);
    return pair;
  }
  ReadArm control_arm = TRY(read_arm(control));
  ReadArm treatment_arm = TRY(read_arm(treatment));
  pair.shape = control_arm.shape;
  pair.control = control_arm.sums;
  pair.treatment = treatment_arm.sums;
  pair.moments = pair_moments(control_arm.sums, treatment_arm.sums, pair.shape);
  return pair;
}

Result<Difference> read_difference(const Fields& params) {
  std::string difference = TRY(params.text_or("difference", "relative"));
  if (difference == "relative") return Difference::relative;
  if (difference == "absolute") return Difference::absolute;
  return wrong(params.path_of("difference"),
               fmt::format("`{}` is neither `relative` nor `absolute`", difference));
}

Result<std::optional<Prior>> read_prior(const Fields& params, const std::string& key) {
  if (!params.has(key)) return std::optional<Prior>();
  Fields read = TRY(params.object(key));
  if (!TRY(read.flag_or("proper", true))) return std::optional<Prior>();
  Prior prior;
  prior.mean = TRY(read.number_or("mean", 0));
  if (read.has("variance")) {
    prior.variance = TRY(read.above("variance", 0));
  } else {
    double deviation = TRY(read.above("sd", 0));
    prior.variance = deviation * deviation;
  }
  return std::optional<Prior>(prior);
}

json::array interval(double lower, double upper) {
  return {lower, upper};
}

void put_status(json::object& result, Reason reason) {
  result["status"] = reason == Reason::none ? "ok" : "uninformative";
  if (reason != Reason::none) result["reason"] = name(reason);
}

json::object arm_document(MetricShape shape, const ArmSums& sums) {
  for (const auto& [type, fields] : sum_fields()) {
    if (fields.shape != shape || type == "count" || type == "binomial") continue;
    json::object document{{"type", type}, {"n", sums.units}};
    for (int i = 0; i < variables; ++i)
      if (fields.sums[i] != nullptr) document[fields.sums[i]] = sums.sum[i];
    for (const auto& product : fields.products)
      document[product.name] = sums.products[product.left][product.right];
    return document;
  }
  return {};
}

}  // namespace tidemark::experiments::calculator
