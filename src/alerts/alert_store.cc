#include "alerts/alert_store.h"

#include "clickhouse/schema.h"

#include <algorithm>
#include <fmt/format.h>

#include "alerts/alert_limits.h"

namespace tidemark::alerts {
namespace {

constexpr std::string_view columns =
    "alert, revision, phase, toUnixTimestamp64Milli(since) AS since_ms, toUnixTimestamp64Milli(over_since) "
    "AS "
    "over_since_ms, toUnixTimestamp64Milli(told_at) AS told_at_ms, seq, toUnixTimestamp64Milli(at) AS at_ms, "
    "value, severity, kind, prev_seq, destinations, data";

clickhouse::QueryOptions bounded(std::map<std::string, std::string> parameters = {}) {
  clickhouse::QueryOptions options;
  options.timeout = limits::write_deadline;
  options.settings = {{"max_threads", "1"}};
  options.parameters = std::move(parameters);
  options.describe_empty = false;
  return options;
}

AlertChange change_of(const Block& block, size_t row) {
  auto text = [&](const char* name) { return std::string(block.find(name)->text(row)); };
  auto time = [&](const char* name) { return block.find(name)->get<int64_t>(row); };
  AlertChange change;
  change.state = {.alert = text("alert"),
                  .revision = block.find("revision")->get<uint64_t>(row),
                  .phase = phase_named(text("phase")),
                  .since_ms = time("since_ms"),
                  .over_since_ms = time("over_since_ms"),
                  .told_at_ms = time("told_at_ms"),
                  .seq = block.find("seq")->get<uint64_t>(row)};
  change.at_ms = time("at_ms");
  if (const Column& value = *block.find("value"); !value.is_null(row)) change.value = value.get<double>(row);
  change.severity = text("severity");
  change.kind = text("kind");
  change.prev_seq = block.find("prev_seq")->get<uint64_t>(row);
  const Column& names = *block.find("destinations");
  for (size_t index = names.array_begin(row); index < names.array_end(row); ++index)
    change.destinations.emplace_back(names.element().text(index));
  change.data = text("data");
  return change;
}

}  // namespace

notify::Notification AlertChange::notification() const {
  return {.seq = state.seq,
          .kind = kind,
          .subject = state.alert,
          .subject_version = severity,
          .entity = state.alert,
          .prev_seq = prev_seq,
          .cause = name(state.phase),
          .happened_at_ms = at_ms,
          .data = data};
}

clickhouse::RetryPolicy write_policy() {
  clickhouse::RetryPolicy policy;
  policy.deadline = limits::write_deadline;
  policy.attempt_timeout = limits::write_deadline;
  return policy;
}

Status AlertStore::prepare() {
  const std::string settings = clickhouse::merge_tree_settings(true);
  auto client = pool_.lease();
  TRY_VOID(client->execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  TRY_VOID(client->execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS tidemark.alerts (alert LowCardinality(String), revision UInt64, phase "
      "LowCardinality(String), since DateTime64(3, 'UTC'), over_since DateTime64(3, 'UTC'), told_at "
      "DateTime64(3, 'UTC'), seq UInt64, at DateTime64(3, 'UTC'), value Nullable(Float64), severity "
      "LowCardinality(String), kind LowCardinality(String), prev_seq UInt64, destinations "
      "Array(LowCardinality(String)), data String CODEC(ZSTD)) ENGINE = MergeTree ORDER BY (alert, revision) "
      "TTL toDateTime(at) + INTERVAL {} DAY SETTINGS {}",
      limits::change_keep_days, settings)));
  return client->execute(
      fmt::format("CREATE TABLE IF NOT EXISTS tidemark.alert_values (alert LowCardinality(String), at "
                  "DateTime64(3, 'UTC'), value Float64) ENGINE = MergeTree ORDER BY (alert, at) TTL "
                  "toDateTime(at) + INTERVAL {} DAY SETTINGS {}",
                  limits::sample_keep_days, settings));
}

Result<std::vector<AlertChange>> AlertStore::read(const std::string& rest,
                                                  std::map<std::string, std::string> parameters) {
  Block block = TRY(pool_.query(fmt::format("SELECT {} FROM tidemark.alerts {}", columns, rest),
                                bounded(std::move(parameters))));
  std::vector<AlertChange> changes;
  for (size_t row = 0; row < block.rows(); ++row) changes.push_back(change_of(block, row));
  return changes;
}

Result<std::vector<AlertChange>> AlertStore::newest() {
  return read("ORDER BY alert, revision DESC LIMIT 1 BY alert", {});
}

Result<std::vector<AlertChange>> AlertStore::history(const std::string& alert) {
  return read(
      fmt::format("WHERE alert = {{alert:String}} ORDER BY revision DESC LIMIT {}", limits::history_max),
      {{"alert", alert}});
}

Result<std::vector<AlertChange>> AlertStore::untold() {
  // The next change of an alert comes after this was asked, so only the newest of each can be missing.
  return read(fmt::format("WHERE (alert, revision) IN (SELECT alert, max(revision) FROM tidemark.alerts "
                          "GROUP BY alert) AND kind != '' AND notEmpty(destinations) AND at > now() - "
                          "toIntervalDay({}) AND (seq, toString(alert)) NOT IN (SELECT seq, subject FROM "
                          "tidemark.outbox WHERE startsWith(toString(kind), 'alert.')) ORDER BY seq",
                          limits::untold_days_max),
              {});
}

Status AlertStore::write(const AlertChange& change) {
  Block block;
  const ColumnType text = ColumnType::of(TypeKind::string), number = ColumnType::of(TypeKind::uint64);
  for (const char* name : {"alert", "phase", "severity", "kind", "data"}) block.add(name, text);
  for (const char* name : {"revision", "seq", "prev_seq"}) block.add(name, number);
  for (const char* name : {"since", "over_since", "told_at", "at"})
    block.add(name, ColumnType::datetime64(3, "UTC"));
  ColumnType value = ColumnType::of(TypeKind::float64);
  value.nullable = true;
  block.add("value", value);
  block.add("destinations", ColumnType::array_of(text));
  auto put = [&](const char* name, const std::string& what) { block.find(name)->append_text(what); };
  put("alert", change.state.alert);
  put("phase", name(change.state.phase));
  put("severity", change.severity);
  put("kind", change.kind);
  put("data", change.data);
  block.find("revision")->append<uint64_t>(change.state.revision);
  block.find("seq")->append<uint64_t>(change.state.seq);
  block.find("prev_seq")->append<uint64_t>(change.prev_seq);
  block.find("since")->append<int64_t>(change.state.since_ms);
  block.find("over_since")->append<int64_t>(change.state.over_since_ms);
  block.find("told_at")->append<int64_t>(change.state.told_at_ms);
  block.find("at")->append<int64_t>(change.at_ms);
  if (change.value)
    block.find("value")->append<double>(*change.value);
  else
    block.find("value")->append_null();
  Column& list = *block.find("destinations");
  for (const auto& destination : change.destinations) list.element().append_text(destination);
  list.close_array();
  return clickhouse::insert_exactly_once(
      pool_, "tidemark.alerts", block,
      fmt::format("alert:{}:{}:{}", change.state.alert, change.state.revision, change.state.seq), {},
      write_policy(), stop_);
}

Result<std::map<std::string, std::vector<AlertSample>>> AlertStore::samples() {
  Block block = TRY(pool_.query(
      fmt::format("SELECT alert, toUnixTimestamp64Milli(at) AS at_ms, value FROM tidemark.alert_values ORDER "
                  "BY alert, at DESC LIMIT {} BY alert",
                  limits::samples_max),
      bounded()));
  std::map<std::string, std::vector<AlertSample>> found;
  for (size_t row = 0; row < block.rows(); ++row) {
    std::string alert(block.find("alert")->text(row));
    found[alert].push_back({.alert = alert,
                            .at_ms = block.find("at_ms")->get<int64_t>(row),
                            .value = block.find("value")->get<double>(row)});
  }
  for (auto& [alert, list] : found) std::reverse(list.begin(), list.end());
  return found;
}

Status AlertStore::add(const std::vector<AlertSample>& samples) {
  Block block;
  block.add("alert", ColumnType::of(TypeKind::string));
  block.add("at", ColumnType::datetime64(3, "UTC"));
  block.add("value", ColumnType::of(TypeKind::float64));
  for (const auto& sample : samples) {
    block.find("alert")->append_text(sample.alert);
    block.find("at")->append<int64_t>(sample.at_ms);
    block.find("value")->append<double>(sample.value);
  }
  clickhouse::QueryOptions options;
  options.timeout = limits::write_deadline;
  return pool_.lease()->insert("tidemark.alert_values", block, options);
}

}  // namespace tidemark::alerts
