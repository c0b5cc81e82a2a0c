#include "notify/delivery_store.h"

#include "base/clock.h"
#include "clickhouse/schema.h"
#include "notify/notify_limits.h"

#include <fmt/format.h>

namespace tidemark::notify {
namespace {

clickhouse::QueryOptions bounded(std::map<std::string, std::string> parameters = {}) {
  clickhouse::QueryOptions options;
  options.timeout = limits::store_try_max;
  options.settings = {{"max_threads", "1"}};
  options.parameters = std::move(parameters);
  return options;
}

// Marking a whole outbox takes longer than a look at it.
clickhouse::QueryOptions patient(std::map<std::string, std::string> parameters) {
  clickhouse::QueryOptions options;
  options.parameters = std::move(parameters);
  return options;
}

uint64_t number(const Block& block, const char* name, size_t row = 0) {
  return block.find(name)->get<uint64_t>(row);
}
std::string text(const Block& block, const char* name, size_t row = 0) {
  return std::string(block.find(name)->text(row));
}

std::map<std::string, std::string> parameters_of(const std::string& destination, const Selection& selection) {
  return {{"destination", destination},
          {"first", std::to_string(selection.from)},
          {"last", std::to_string(selection.to)}};
}

}  // namespace

Status DeliveryStore::prepare() {
  const std::string settings = " SETTINGS " + clickhouse::merge_tree_settings(true);
  auto client = pool_.lease();
  for (const auto& statement :
       {"CREATE DATABASE IF NOT EXISTS tidemark" + std::string(),
        "CREATE TABLE IF NOT EXISTS tidemark.deliveries (destination LowCardinality(String), seq UInt64, "
        "entity String, state LowCardinality(String), attempts UInt64, at DateTime64(3, 'UTC'), next_at "
        "DateTime64(3, 'UTC'), status UInt64, answer String, version UInt64) ENGINE = "
        "ReplacingMergeTree(version) ORDER BY (destination, seq)" +
            settings,
        "CREATE TABLE IF NOT EXISTS tidemark.delivery_positions (destination String, position UInt64, "
        "disabled UInt64, reason String, at DateTime64(3, 'UTC'), version UInt64) ENGINE = "
        "ReplacingMergeTree(version) ORDER BY destination" +
            settings})
    TRY_VOID(client->execute(statement));
  Block newest = TRY(client->query(
      "SELECT max(version) AS version FROM (SELECT max(version) AS version FROM tidemark.deliveries UNION "
      "ALL SELECT max(version) FROM tidemark.delivery_positions)"));
  version_ = std::max(number(newest, "version"), version_.load());
  return {};
}

// Grows in this process and over restarts, also when the clock goes back.
uint64_t DeliveryStore::next_version() {
  auto now = static_cast<uint64_t>(system_clock().wall_micros());
  uint64_t before = version_.load(), next = 0;
  do {
    next = std::max(before + 1, now);
  } while (!version_.compare_exchange_weak(before, next));
  return next;
}

Result<SavedPosition> DeliveryStore::position(const std::string& destination) {
  Block saved = TRY(pool_.query(
      "SELECT position, disabled, reason FROM tidemark.delivery_positions FINAL WHERE destination = "
      "{destination:String}",
      bounded({{"destination", destination}})));
  Block newest = TRY(
      pool_.query("SELECT max(seq) AS seq FROM tidemark.deliveries WHERE destination = {destination:String}",
                  bounded({{"destination", destination}})));
  SavedPosition position{.outcomes_to = number(newest, "seq")};
  if (saved.rows() == 0) return position;
  position.position = number(saved, "position");
  position.disabled = number(saved, "disabled") != 0;
  position.reason = text(saved, "reason");
  return position;
}

Status DeliveryStore::save_position(const std::string& destination, const SavedPosition& position) {
  Block block;
  block.add("destination", ColumnType::of(TypeKind::string));
  block.add("position", ColumnType::of(TypeKind::uint64));
  block.add("disabled", ColumnType::of(TypeKind::uint64));
  block.add("reason", ColumnType::of(TypeKind::string));
  block.add("at", ColumnType::datetime64(3, "UTC"));
  block.add("version", ColumnType::of(TypeKind::uint64));
  block.find("destination")->append_text(destination);
  block.find("position")->append<uint64_t>(position.position);
  block.find("disabled")->append<uint64_t>(position.disabled ? 1 : 0);
  block.find("reason")->append_text(position.reason);
  block.find("at")->append<int64_t>(system_clock().wall_micros() / 1000);
  block.find("version")->append<uint64_t>(next_version());
  return pool_.lease()->insert("tidemark.delivery_positions", block, bounded());
}

Result<std::vector<SavedHead>> DeliveryStore::heads(const std::string& destination, size_t most) {
  auto parameters = bounded({{"destination", destination}, {"most", std::to_string(most)}});
  Block block = TRY(pool_.query(
      "SELECT entity, min(seq) AS head, argMin(attempts, seq) AS tries, argMin(toUnixTimestamp64Micro("
      "toDateTime64(next_at, 6)), seq) AS due FROM tidemark.deliveries FINAL WHERE destination = "
      "{destination:String} AND state IN ('retrying', 'replaying') GROUP BY entity ORDER BY head LIMIT "
      "{most:UInt64}",
      parameters));
  std::vector<SavedHead> heads;
  const int64_t now = system_clock().wall_micros();
  for (size_t row = 0; row < block.rows(); ++row)
    heads.push_back({.entity = text(block, "entity", row),
                     .seq = number(block, "head", row),
                     .attempts = static_cast<uint32_t>(number(block, "tries", row)),
                     .wait_us = std::max<int64_t>(0, block.find("due")->get<int64_t>(row) - now)});
  return heads;
}

Status DeliveryStore::write(const std::string& destination, const std::vector<DeliveryRecord>& records) {
  Block block;
  const ColumnType string = ColumnType::of(TypeKind::string), integer = ColumnType::of(TypeKind::uint64);
  const ColumnType time = ColumnType::datetime64(3, "UTC");
  for (const char* column : {"destination", "entity", "state", "answer"}) block.add(column, string);
  for (const char* column : {"seq", "attempts", "status", "version"}) block.add(column, integer);
  for (const char* column : {"at", "next_at"}) block.add(column, time);
  const int64_t now_ms = system_clock().wall_micros() / 1000;
  for (const auto& record : records) {
    block.find("destination")->append_text(destination);
    block.find("entity")->append_text(record.entity);
    block.find("state")->append_text(name(record.state));
    block.find("answer")->append_text(record.answer);
    block.find("seq")->append<uint64_t>(record.seq);
    block.find("attempts")->append<uint64_t>(record.attempts);
    block.find("status")->append<uint64_t>(static_cast<uint64_t>(record.status));
    block.find("version")->append<uint64_t>(next_version());
    block.find("at")->append<int64_t>(now_ms);
    block.find("next_at")->append<int64_t>(now_ms + record.wait_us / 1000);
  }
  return pool_.lease()->insert("tidemark.deliveries", block, bounded());
}

Result<uint64_t> DeliveryStore::mark_replay(const std::string& destination, const Selection& selection,
                                            uint64_t position, uint64_t cursor) {
  auto parameters = parameters_of(destination, selection);
  parameters["position"] = std::to_string(position);
  parameters["cursor"] = std::to_string(cursor);
  parameters["version"] = std::to_string(next_version());
  const std::string mine =
      "SELECT seq FROM tidemark.deliveries FINAL WHERE destination = "
      "{destination:String} AND seq BETWEEN {first:UInt64} AND {last:UInt64}";
  // What is not settled is sent anyway.
  std::string which =
      selection.dead_only
          ? fmt::format("seq IN ({} AND state = 'dead')", mine)
          : fmt::format(
                "((seq <= {{position:UInt64}} AND seq NOT IN ({0} AND state IN ('retrying', "
                "'replaying'))) OR seq IN ({0} AND state IN ('delivered', 'dead', 'dropped')))",
                mine);
  const std::string from = fmt::format(
      "FROM tidemark.outbox WHERE seq BETWEEN {{first:UInt64}} AND {{last:UInt64}} AND seq <= "
      "{{cursor:UInt64}} AND has(destinations, {{destination:String}}) AND {}",
      which);
  Block block = TRY(pool_.query("SELECT count() AS rows " + from, patient(parameters)));
  uint64_t rows = number(block, "rows");
  if (rows == 0) return rows;
  TRY_VOID(pool_.execute(
      "INSERT INTO tidemark.deliveries (destination, seq, entity, state, attempts, at, next_at, version) "
      "SELECT {destination:String}, seq, entity, 'replaying', 0, now64(3), now64(3), {version:UInt64} " +
          from,
      patient(parameters)));
  return rows;
}

Result<uint64_t> DeliveryStore::drop(const std::string& destination, const Selection& selection) {
  auto parameters = parameters_of(destination, selection);
  parameters["version"] = std::to_string(next_version());
  const std::string from =
      "FROM tidemark.deliveries FINAL WHERE destination = {destination:String} AND seq BETWEEN "
      "{first:UInt64} AND {last:UInt64} AND state = 'dead'";
  Block block = TRY(pool_.query("SELECT count() AS rows " + from, patient(parameters)));
  uint64_t rows = number(block, "rows");
  if (rows == 0) return rows;
  TRY_VOID(pool_.execute(
      "INSERT INTO tidemark.deliveries (destination, seq, entity, state, attempts, at, next_at, status, "
      "answer, version) SELECT destination, seq, entity, 'dropped', attempts, now64(3), now64(3), status, "
      "answer, {version:UInt64} " +
          from,
      patient(parameters)));
  return rows;
}

Result<std::vector<DeadLetter>> DeliveryStore::dead_letters(const std::string& destination, size_t most) {
  // The latest of them first, then what the outbox knows about these few.
  auto parameters = patient({{"destination", destination}, {"most", std::to_string(most)}});
  Block block = TRY(pool_.query(
      "WITH dead AS (SELECT destination, seq, entity, attempts, toUnixTimestamp64Milli(at) AS at_ms, status, "
      "answer FROM tidemark.deliveries FINAL WHERE state = 'dead' AND ({destination:String} = '' OR "
      "destination = {destination:String}) ORDER BY at DESC, seq DESC LIMIT {most:UInt64}) SELECT "
      "dead.destination AS destination, dead.seq AS seq, dead.entity AS entity, dead.attempts AS attempts, "
      "dead.at_ms AS at_ms, dead.status AS status, dead.answer AS answer, row.kind AS kind, row.subject AS "
      "subject FROM dead LEFT JOIN (SELECT seq, kind, subject FROM tidemark.outbox WHERE seq IN (SELECT seq "
      "FROM dead)) AS row ON dead.seq = row.seq ORDER BY at_ms DESC, seq DESC",
      parameters));
  std::vector<DeadLetter> letters;
  for (size_t row = 0; row < block.rows(); ++row)
    letters.push_back({.destination = text(block, "destination", row),
                       .seq = number(block, "seq", row),
                       .kind = text(block, "kind", row),
                       .subject = text(block, "subject", row),
                       .entity = text(block, "entity", row),
                       .attempts = static_cast<uint32_t>(number(block, "attempts", row)),
                       .at_ms = block.find("at_ms")->get<int64_t>(row),
                       .status = static_cast<int>(number(block, "status", row)),
                       .answer = text(block, "answer", row)});
  return letters;
}

Result<DeliveryCounts> DeliveryStore::counts(const std::string& destination, uint64_t position) {
  auto parameters = bounded({{"destination", destination}, {"position", std::to_string(position)}});
  Block rows = TRY(pool_.query(
      "SELECT count() AS rows FROM tidemark.outbox WHERE seq > {position:UInt64} AND has(destinations, "
      "{destination:String})",
      parameters));
  Block outcomes = TRY(pool_.query(
      "SELECT countIf(state = 'dead') AS dead, countIf(seq > {position:UInt64} AND state IN ('delivered', "
      "'dead', 'dropped')) AS settled, countIf(seq <= {position:UInt64} AND state IN ('retrying', "
      "'replaying')) AS again FROM tidemark.deliveries FINAL WHERE destination = {destination:String}",
      parameters));
  uint64_t all = number(rows, "rows") + number(outcomes, "again"), done = number(outcomes, "settled");
  return DeliveryCounts{.pending = all > done ? all - done : 0, .dead = number(outcomes, "dead")};
}

Status DeliveryStore::expire(const std::string& destination, uint64_t position) {
  // By key: a version before the newest must not come back when the newest goes.
  const std::string keys = fmt::format(
      "SELECT seq FROM tidemark.deliveries FINAL WHERE destination = {} AND seq <= {} AND ((state IN "
      "('delivered', 'dropped') AND at < now() - INTERVAL {} DAY) OR (state = 'dead' AND at < now() - "
      "INTERVAL {} DAY))",
      clickhouse::quote_string(destination), position, limits::keep_days, limits::keep_dead_days);
  Block old = TRY(pool_.query(fmt::format("SELECT count() AS rows FROM ({})", keys)));
  if (number(old, "rows") == 0) return {};
  return pool_.execute(
      fmt::format("ALTER TABLE tidemark.deliveries DELETE WHERE destination = {} AND seq IN ({})",
                  clickhouse::quote_string(destination), keys));
}

}  // namespace tidemark::notify
