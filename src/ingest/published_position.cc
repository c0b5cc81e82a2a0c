#include "ingest/published_position.h"

#include "ingest/capture_limits.h"
#include "kafka/consumer.h"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::ingest {

namespace json = boost::json;

std::string PublishedPosition::to_json() const {
  json::array tables(copied_tables.begin(), copied_tables.end());
  json::array key(copied_to.begin(), copied_to.end());
  return json::serialize(json::object{{"source", source},
                                      {"system_id", system_id},
                                      {"timeline", timeline},
                                      {"slot", slot},
                                      {"selection", selection},
                                      {"slot_lsn", slot_lsn},
                                      {"copied", copied},
                                      {"copied_tables", std::move(tables)},
                                      {"copying", copying},
                                      {"copied_to", std::move(key)},
                                      {"cut", cut},
                                      {"end_lsn", end_lsn},
                                      {"committed_at", committed_at}});
}

Result<PublishedPosition> PublishedPosition::from_json(std::string_view text) {
  try {
    json::object object = json::parse(text).as_object();
    auto word = [&](const char* name) { return std::string(object.at(name).as_string()); };
    auto number = [&](const char* name) { return object.at(name).to_number<uint64_t>(); };
    PublishedPosition position{.source = word("source"),
                               .system_id = word("system_id"),
                               .timeline = static_cast<uint32_t>(number("timeline")),
                               .slot = word("slot"),
                               .slot_lsn = number("slot_lsn"),
                               .copied = object.at("copied").as_bool(),
                               .copying = word("copying"),
                               .cut = number("cut"),
                               .end_lsn = number("end_lsn"),
                               .committed_at = object.at("committed_at").to_number<int64_t>()};
    if (const auto* selection = object.if_contains("selection"))  // earlier versions had none
      position.selection = selection->as_string();
    for (const auto& table : object.at("copied_tables").as_array())
      position.copied_tables.emplace(table.as_string());
    for (const auto& value : object.at("copied_to").as_array())
      position.copied_to.emplace_back(value.as_string());
    return position;
  } catch (const std::exception& error) {
    return fail(ErrorKind::corrupt, fmt::format("a published position cannot be read: {}", error.what()));
  }
}

std::string position_topic(const std::string& prefix, const std::string& source) {
  return prefix + ".tidemark_positions." + source;
}

Result<std::optional<PublishedPosition>> read_position(const kafka::ProducerOptions& options,
                                                       const std::string& prefix, const std::string& source,
                                                       const std::atomic<bool>& stop) {
  std::string topic = position_topic(prefix, source);
  kafka::Consumer consumer = TRY(kafka::Consumer::open(
      {.brokers = options.brokers, .settings = options.settings, .client = options.client}));
  kafka::Watermarks marks = TRY(consumer.watermarks(topic, 0));
  std::optional<PublishedPosition> last;
  // From the end backwards in growing steps: compaction leaves the newest part of the topic as it is, which
  // may be a day of positions.
  for (int64_t back = limits::positions_read_back;; back *= 16) {
    int64_t from = std::max(marks.first, marks.end - back);
    if (from >= marks.end) return std::nullopt;
    TRY_VOID(consumer.assign({{topic, 0, from}}));
    bool ended = false;
    auto deadline = std::chrono::steady_clock::now() + limits::positions_read_wait;
    while (!ended) {
      TRY_VOID(consumer.poll(std::chrono::milliseconds(100),
                             {.message = [&](const kafka::Message& message) -> Status {
                                if (message.key == source && message.value)
                                  last = TRY(PublishedPosition::from_json(*message.value));
                                return {};
                              },
                              .end = [&](const kafka::Position&) { ended = true; }}));
      if (stop) return fail(ErrorKind::cancelled, "stopped");
      if (std::chrono::steady_clock::now() > deadline)
        return fail(ErrorKind::dependency_down,
                    fmt::format("topic {} does not come to its end: {}", topic, consumer.trouble()),
                    "somebody else may be writing to it; use a prefix of its own for each project");
    }
    if (last || from == marks.first) return last;
  }
}

}  // namespace tidemark::ingest
