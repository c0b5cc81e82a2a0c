#include "segments/notification_data.h"

#include <boost/json.hpp>
#include <fmt/chrono.h>

namespace tidemark::segments {
namespace {

std::string iso(int64_t micros) {
  std::time_t seconds = micros / 1'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(seconds), micros % 1'000'000);
}

}  // namespace

std::string notification_data(const Definition& definition, const MembershipChange& change,
                              int64_t evaluated_at, const std::vector<std::string>& key,
                              const std::vector<std::string>& columns, const std::string& properties) {
  boost::json::object ids;
  for (size_t index = 0; index < columns.size() && index < key.size(); ++index)
    ids[columns[index]] = key[index];
  boost::json::object data{{"segment", change.segment},
                           {"segment_version", change.version},
                           {"entity", definition.entity},
                           {"ids", ids},
                           {"seq", change.seq},
                           {"prev_seq", change.previous_seq},
                           {"cause", change.cause},
                           {"happened_at", iso(change.happened_at)},
                           {"evaluated_at", iso(evaluated_at)}};
  boost::system::error_code error;
  boost::json::value values = boost::json::parse(properties, error);
  if (!error) data["properties"] = std::move(values);
  return boost::json::serialize(data);
}

}  // namespace tidemark::segments
