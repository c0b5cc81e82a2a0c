// Credits of channels: rules over one path, models over many.
#include "experiments/calculator_fields.h"
#include "experiments/stats_attribution.h"

#include <cmath>
#include <fmt/format.h>

namespace tidemark::experiments::calculator {
namespace {

constexpr double conversion_standard = 100;  // credits read as per cent

json::object shown(const ByChannel& credits) {
  json::object result;
  for (const auto& [channel, credit] : credits) result[channel] = credit;
  return result;
}

Result<Path> read_path(const Fields& request) {
  Path path;
  for (const Fields& touch : TRY(request.objects("path")))
    path.push_back({TRY(touch.text("channel")), TRY(touch.at_least("days_before", 0))});
  if (path.empty()) return wrong("path", "is empty");
  std::stable_sort(path.begin(), path.end(), [](const Touch& left, const Touch& right) {
    return left.days_before > right.days_before;
  });
  return path;
}

Result<PositionShares> read_position(const Fields& params) {
  PositionShares position;
  if (!params.has("position")) return position;
  std::vector<double> shares = TRY(params.numbers("position"));
  if (shares.size() != 3) return wrong("params.position", "three shares: first, middle, last");
  position = {shares[0], shares[1], shares[2]};
  bool negative = position.first < 0 || position.middle < 0 || position.last < 0;
  if (negative || !(position.first + position.last > 0))
    return wrong("params.position", "shares are not negative, and first or last is above 0");
  return position;
}

Result<json::object> rules(const Request& request) {
  Path path = TRY(read_path(request.all));
  double half_life = TRY(request.params.above_or("half_life_days", 0, 7));
  PositionShares position = TRY(read_position(request.params));
  double worth = TRY(request.params.number_or("value", conversion_standard));
  std::string direct = TRY(request.params.text_or("direct", "Direct"));
  auto credits = [&](const Shares& shares) { return shown(by_channel(path, shares, worth)); };
  return json::object{{"first", credits(first_touch(path))},
                      {"last", credits(last_touch(path))},
                      {"last_non_direct", credits(last_non_direct_touch(path, direct))},
                      {"linear", credits(linear(path))},
                      {"position", credits(position_based(path, position))},
                      {"time_decay", credits(time_decay(path, half_life))}};
}

// [[channel, ...], converted] or [[channel, ...], converted, weight]
Result<std::vector<ChannelPath>> read_paths(const Fields& request) {
  std::vector<ChannelPath> paths;
  for (const auto& entry : *TRY(request.array("paths"))) {
    std::string field = fmt::format("paths[{}]", paths.size());
    const json::array* parts = entry.if_array();
    bool shaped = parts != nullptr && (parts->size() == 2 || parts->size() == 3) && (*parts)[0].is_array() &&
                  (*parts)[1].is_bool();
    if (!shaped)
      return wrong(field, "is not [[channel, ...], converted] or [[channel, ...], converted, weight]");
    ChannelPath path;
    for (const auto& channel : (*parts)[0].get_array()) {
      if (!channel.is_string()) return wrong(field, "a channel is a text");
      path.channels.emplace_back(channel.get_string());
    }
    path.converted = (*parts)[1].get_bool();
    if (parts->size() == 3) path.weight = TRY(number_of((*parts)[2], field + "[2]"));
    if (path.weight < 0) return wrong(field + "[2]", fmt::format("{} is below 0", path.weight));
    paths.push_back(std::move(path));
  }
  return paths;
}

Result<json::object> markov(const Request& request) {
  std::vector<ChannelPath> paths = TRY(read_paths(request.all));
  auto credits = markov_credits(paths);
  if (!credits) return wrong("paths", credits.error().message);
  return json::object{{"conversion_probability", credits->conversion_probability},
                      {"removal_effect", shown(credits->removal_effect)},
                      {"share", shown(credits->share)},
                      {"credited_conversions", shown(credits->credited_conversions)}};
}

Result<json::object> shapley(const Request& request) {
  return json::object{{"credited_conversions", shown(shapley_credits(TRY(read_paths(request.all))))}};
}

}  // namespace

void add_attribution_methods(Methods& methods) {
  methods["attribution"] = rules;
  methods["attribution_markov_order1"] = markov;
  methods["attribution_shapley"] = shapley;
}

}  // namespace tidemark::experiments::calculator
