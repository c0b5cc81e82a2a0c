#include "segments/membership_store.h"

#include "base/clock.h"
#include "clickhouse/schema.h"
#include "segments/membership_limits.h"

#include <fmt/format.h>

namespace tidemark::segments {
namespace {

constexpr const char* member_columns =
    "segment, entity, seq, entered AS member, version, happened_at AS since, cause";

constexpr const char* changes =
    "CREATE TABLE IF NOT EXISTS tidemark.{} (seq UInt64, segment LowCardinality(String), version "
    "LowCardinality(String), entity String, entered UInt8, previous_seq UInt64, cause "
    "LowCardinality(String), happened_at DateTime64(6, 'UTC'), destinations Array(String), data String) "
    "ENGINE = MergeTree ORDER BY (segment, entity, seq){}";

std::vector<std::string> statements() {
  std::string settings = " SETTINGS " + clickhouse::merge_tree_settings(true);
  return {
      "CREATE DATABASE IF NOT EXISTS tidemark", fmt::format(changes, "segment_changes", settings),
      fmt::format(changes, "segment_announcements", settings),
      "CREATE TABLE IF NOT EXISTS tidemark.segment_members (segment LowCardinality(String), entity String, "
      "seq "
      "UInt64, member UInt8, version LowCardinality(String), since DateTime64(6, 'UTC'), cause "
      "LowCardinality(String)) ENGINE = ReplacingMergeTree(seq) ORDER BY (entity, segment)" +
          settings + ", index_granularity = 256, " + clickhouse::point_read_settings,
      fmt::format("CREATE MATERIALIZED VIEW IF NOT EXISTS tidemark.segment_members_of_changes TO "
                  "tidemark.segment_members AS SELECT {} FROM tidemark.segment_changes",
                  member_columns),
      "CREATE OR REPLACE VIEW tidemark.segment_intervals AS SELECT segment, entity, version, seq, "
      "happened_at AS "
      "entered_at, if(next_seq = 0, NULL, next_at) AS exited_at, cause AS entered_by, if(next_seq = 0, NULL, "
      "next_cause) AS exited_by FROM (SELECT segment, entity, version, seq, entered, happened_at, cause, "
      "leadInFrame(seq) OVER later AS next_seq, leadInFrame(happened_at) OVER later AS next_at, "
      "leadInFrame(cause) "
      "OVER later AS next_cause FROM tidemark.segment_changes WINDOW later AS (PARTITION BY segment, entity "
      "ORDER BY "
      "seq ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)) WHERE entered = 1",
      fmt::format(
          "CREATE TABLE IF NOT EXISTS tidemark.segment_timers (timers LowCardinality(String), due Int64, "
          "entity String, segment LowCardinality(String), rest Int64) ENGINE = MergeTree ORDER BY (timers, "
          "due) "
          "TTL toDateTime(intDiv(due, 1000000)) + INTERVAL {} DAY",
          limits::timer_days_kept) +
          settings,
      // Timers of before they named a segment say: any.
      "ALTER TABLE tidemark.segment_timers ADD COLUMN IF NOT EXISTS segment LowCardinality(String), ADD "
      "COLUMN "
      "IF NOT EXISTS rest Int64",
      "CREATE TABLE IF NOT EXISTS tidemark.segment_progress (timers LowCardinality(String), looked_until "
      "Int64, at "
      "UInt64) ENGINE = ReplacingMergeTree(at) ORDER BY timers" +
          settings,
      "CREATE TABLE IF NOT EXISTS tidemark.segment_versions (segment String, version String, entity String, "
      "definition String, dropped UInt8, at UInt64) ENGINE = ReplacingMergeTree(at) ORDER BY segment" +
          settings,
      // What a view behind segment_changes misses is at its end.
      fmt::format(
          "INSERT INTO tidemark.segment_members SELECT {} FROM tidemark.segment_changes WHERE seq > (SELECT "
          "max(seq) FROM tidemark.segment_members)",
          member_columns)};
}

ColumnType text() {
  return ColumnType::of(TypeKind::string);
}

}  // namespace

Status MembershipStore::prepare() {
  // Until a few entities could be read without a look at every segment; filled again from the changes below.
  Block old =
      TRY(read("SELECT name FROM system.tables WHERE database = 'tidemark' AND name = "
               "'segment_members' AND sorting_key = 'segment, entity'"));
  if (old.rows() > 0)
    for (const char* statement : {"DROP VIEW IF EXISTS tidemark.segment_members_of_changes SYNC",
                                  "DROP TABLE IF EXISTS tidemark.segment_members SYNC"})
      TRY_VOID(clickhouse::retry(policy_, stop_, [&] { return pool_.execute(statement); }));
  for (const auto& statement : statements())
    TRY_VOID(clickhouse::retry(policy_, stop_, [&] { return pool_.execute(statement); }));
  return {};
}

Result<Block> MembershipStore::read(const std::string& sql,
                                    const std::map<std::string, std::string>& parameters) {
  Block block;
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    block = TRY(pool_.query(sql, {.parameters = parameters, .describe_empty = false}));
    return {};
  }));
  return block;
}

Status MembershipStore::insert(const char* table, const Block& block, const std::string& token) {
  // Members and outbox are views side by side: neither reads the other, so each may have a thread.
  return clickhouse::insert_exactly_once(pool_, table, block, token, {{"parallel_view_processing", "1"}},
                                         policy_, stop_);
}

Result<uint64_t> MembershipStore::newest_seq() {
  Block block =
      TRY(read("SELECT greatest((SELECT max(seq) FROM tidemark.segment_changes), (SELECT max(seq) "
               "FROM tidemark.segment_announcements))"));
  return block.rows() == 1 ? block.columns[0].get<uint64_t>(0) : 0;
}

Result<std::vector<Membership>> MembershipStore::memberships(const std::vector<std::string>& segments,
                                                             const std::vector<std::string>& entities) {
  Block block = TRY(pool_.query(
      "SELECT entity, toUInt64(indexOf({segments:Array(String)}, toString(segment)) - 1), max(seq), "
      "argMax(member, seq) FROM tidemark.segment_members WHERE segment IN {segments:Array(String)} AND "
      "entity IN {entities:Array(String)} GROUP BY entity, segment",
      {.raw_parameters = {{"segments", clickhouse::array_parameter(segments)},
                          {"entities", clickhouse::array_parameter(entities)}},
       .describe_empty = false}));
  std::vector<Membership> found;
  for (size_t row = 0; row < block.rows(); ++row)
    found.push_back({.entity = std::string(block.columns[0].text(row)),
                     .segment = block.columns[1].get<uint64_t>(row),
                     .seq = block.columns[2].get<uint64_t>(row),
                     .member = block.columns[3].get<uint8_t>(row) != 0});
  return found;
}

Status MembershipStore::append(const std::vector<MembershipChange>& changes) {
  return append_to("`tidemark`.`segment_changes`", "segments", changes);
}

Status MembershipStore::announce(const std::vector<MembershipChange>& announcements) {
  return append_to("`tidemark`.`segment_announcements`", "announcements", announcements);
}

Status MembershipStore::append_to(const char* table, const char* token,
                                  const std::vector<MembershipChange>& changes) {
  if (changes.empty()) return {};
  Block block;
  block.add("seq", ColumnType::of(TypeKind::uint64));
  for (const char* name : {"segment", "version", "entity"}) block.add(name, text());
  block.add("entered", ColumnType::of(TypeKind::uint8));
  block.add("previous_seq", ColumnType::of(TypeKind::uint64));
  block.add("cause", text());
  block.add("happened_at", ColumnType::datetime64(6));
  block.add("destinations", ColumnType::array_of(text()));
  block.add("data", text());
  for (const auto& change : changes) {
    size_t at = 0;
    auto next = [&]() -> Column& { return block.columns[at++]; };
    next().append(change.seq);
    for (const auto* value : {&change.segment, &change.version, &change.entity}) next().append_text(*value);
    next().append<uint8_t>(change.entered);
    next().append(change.previous_seq);
    next().append_text(change.cause);
    next().append(change.happened_at);
    Column& destinations = next();
    for (const auto& destination : change.destinations) destinations.element().append_text(destination);
    destinations.close_array();
    next().append_text(change.data);
  }
  // The first seq of a block is never used again.
  return insert(table, block, fmt::format("{}:{}", token, changes.front().seq));
}

Status MembershipStore::add_timers(const std::string& group, const std::vector<Timer>& timers) {
  if (timers.empty()) return {};
  Block block;
  block.add("timers", text());
  block.add("due", ColumnType::of(TypeKind::int64));
  block.add("entity", text());
  block.add("segment", text());
  block.add("rest", ColumnType::of(TypeKind::int64));
  for (const auto& timer : timers) {
    block.columns[0].append_text(group);
    block.columns[1].append(timer.due);
    block.columns[2].append_text(timer.entity);
    block.columns[3].append_text(timer.segment);
    block.columns[4].append(timer.rest);
  }
  // Twice does no harm; the token only keeps a repeated try from being a second block.
  return insert("`tidemark`.`segment_timers`", block,
                fmt::format("timers:{}:{}", system_clock().wall_micros(), ++timer_block_));
}

Result<std::vector<Timer>> MembershipStore::due(const std::string& group, int64_t after, int64_t until,
                                                size_t most) {
  Block block = TRY(
      read("SELECT entity, max(due), if(min(segment) = max(segment), toString(any(segment)), ''), min(rest) "
           "FROM tidemark.segment_timers WHERE timers = {timers:String} AND due > {after:Int64} AND due <= "
           "{until:Int64} GROUP BY entity ORDER BY entity LIMIT {most:UInt64}",
           {{"timers", group},
            {"after", std::to_string(after)},
            {"until", std::to_string(until)},
            {"most", std::to_string(most + 1)}}));
  std::vector<Timer> timers;
  for (size_t row = 0; row < block.rows(); ++row)
    timers.push_back({.entity = std::string(block.columns[0].text(row)),
                      .due = block.columns[1].get<int64_t>(row),
                      .segment = std::string(block.columns[2].text(row)),
                      .rest = block.columns[3].get<int64_t>(row)});
  return timers;
}

Result<std::optional<int64_t>> MembershipStore::next_due(const std::string& group, int64_t after) {
  Block block =
      TRY(read("SELECT due FROM tidemark.segment_timers WHERE timers = {timers:String} AND due > "
               "{after:Int64} ORDER BY "
               "timers, due LIMIT 1",
               {{"timers", group}, {"after", std::to_string(after)}}));
  if (block.rows() == 0) return std::optional<int64_t>();
  return std::optional(block.columns[0].get<int64_t>(0));
}

Result<std::optional<int64_t>> MembershipStore::looked_until(const std::string& group) {
  Block block =
      TRY(read("SELECT looked_until FROM tidemark.segment_progress FINAL WHERE timers = {timers:String}",
               {{"timers", group}}));
  if (block.rows() == 0) return std::optional<int64_t>();
  return std::optional(block.columns[0].get<int64_t>(0));
}

Status MembershipStore::save_looked_until(const std::string& group, int64_t until) {
  Block block;
  block.add("timers", text());
  block.add("looked_until", ColumnType::of(TypeKind::int64));
  block.add("at", ColumnType::of(TypeKind::uint64));
  block.columns[0].append_text(group);
  block.columns[1].append(until);
  block.columns[2].append(static_cast<uint64_t>(until));
  return insert("`tidemark`.`segment_progress`", block, fmt::format("progress:{}:{}", group, until));
}

Result<std::vector<SegmentVersion>> MembershipStore::versions() {
  Block block =
      TRY(read("SELECT segment, version, entity, definition, dropped FROM tidemark.segment_versions FINAL "
               "ORDER BY segment"));
  std::vector<SegmentVersion> found;
  for (size_t row = 0; row < block.rows(); ++row)
    found.push_back({.segment = std::string(block.columns[0].text(row)),
                     .version = std::string(block.columns[1].text(row)),
                     .entity = std::string(block.columns[2].text(row)),
                     .definition = std::string(block.columns[3].text(row)),
                     .dropped = block.columns[4].get<uint8_t>(row) != 0});
  return found;
}

Status MembershipStore::save(const SegmentVersion& version) {
  auto now = static_cast<uint64_t>(system_clock().wall_micros());
  Block block;
  for (const char* name : {"segment", "version", "entity", "definition"}) block.add(name, text());
  block.add("dropped", ColumnType::of(TypeKind::uint8));
  block.add("at", ColumnType::of(TypeKind::uint64));
  size_t at = 0;
  for (const auto* value : {&version.segment, &version.version, &version.entity, &version.definition})
    block.columns[at++].append_text(*value);
  block.columns[4].append<uint8_t>(version.dropped);
  block.columns[5].append(now);
  return insert("`tidemark`.`segment_versions`", block, fmt::format("version:{}:{}", version.segment, now));
}

}  // namespace tidemark::segments
