#include "segments/query_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {

std::string Parameters::add_raw(const std::string& type, const std::string& value, bool raw) {
  auto [entry, is_new] =
      known_.emplace(fmt::format("{}{}{}", raw ? "r" : "p", type, '\0') + value, bound_.size());
  if (is_new) bound_.push_back({value, raw});
  return fmt::format("{{p{}:{}}}", entry->second, type);
}

std::string Parameters::add(const std::string& type, const std::string& value) {
  return add_raw(type, value, false);
}

std::string Parameters::add_list(const std::string& element_type, const std::vector<std::string>& values) {
  bool text = element_type == "String";
  std::string list = text ? clickhouse::array_parameter(values) : fmt::format("[{}]", fmt::join(values, ","));
  return add_raw(fmt::format("Array({})", element_type), list, true);
}

void Parameters::into(clickhouse::QueryOptions& options) const {
  for (size_t index = 0; index < bound_.size(); ++index)
    (bound_[index].raw ? options.raw_parameters : options.parameters)[fmt::format("p{}", index)] =
        bound_[index].value;
}

std::string microseconds(int64_t seconds) {
  return fmt::format("{}", seconds * 1'000'000);
}

std::string earliest(const std::vector<std::string>& nexts) {
  std::vector<std::string> there;
  for (const auto& next : nexts)
    if (!next.empty()) there.push_back(next);
  if (there.size() < 2) return there.empty() ? "" : there.front();
  return fmt::format("least({})", fmt::join(there, ", "));
}

std::string all_of(const std::vector<std::string>& conditions) {
  if (conditions.empty()) return "toUInt8(1)";
  return fmt::format("({})", fmt::join(conditions, " AND "));
}

std::string any_of(const std::vector<std::string>& conditions) {
  if (conditions.empty()) return "toUInt8(0)";
  return fmt::format("({})", fmt::join(conditions, " OR "));
}

std::string Zone::instant(Parameters& parameters, const Moment& moment) const {
  return fmt::format("toUnixTimestamp64Micro(toDateTime64({}, 6, {}))", parameters.add("String", moment.text),
                     moment.utc ? "'UTC'" : name_);
}

std::string Zone::day_of(const std::string& instant) const {
  return fmt::format("toDate32(fromUnixTimestamp64Micro({}, {}))", instant, name_);
}

std::string Zone::start_of(const std::string& day) const {
  return fmt::format("toUnixTimestamp64Micro(toDateTime64({}, 6, {}))", day, name_);
}

}  // namespace tidemark::segments
