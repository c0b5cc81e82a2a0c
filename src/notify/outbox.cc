#include "notify/outbox.h"

#include "clickhouse/schema.h"
#include "notify/notify_limits.h"

#include <fmt/format.h>

namespace tidemark::notify {
namespace {

constexpr std::string_view columns =
    "seq, kind, subject, subject_version, entity, prev_seq, cause, toUnixTimestamp64Milli(happened_at) AS "
    "happened_at_ms, data";

// Deliveries of the destination that are over.
constexpr std::string_view settled =
    "SELECT seq FROM tidemark.deliveries FINAL WHERE destination = {destination:String} AND seq > "
    "{after:UInt64} AND seq <= {up_to:UInt64} AND state IN ('delivered', 'dead', 'dropped')";

clickhouse::QueryOptions bounded() {
  clickhouse::QueryOptions options;
  options.timeout = limits::store_try_max;
  options.settings = {{"max_threads", "1"}};
  options.describe_empty = false;
  return options;
}

Notification notification_of(const Block& block, size_t row) {
  auto text = [&](const char* name) { return std::string(block.find(name)->text(row)); };
  return {.seq = block.find("seq")->get<uint64_t>(row),
          .kind = text("kind"),
          .subject = text("subject"),
          .subject_version = text("subject_version"),
          .entity = text("entity"),
          .prev_seq = block.find("prev_seq")->get<uint64_t>(row),
          .cause = text("cause"),
          .happened_at_ms = block.find("happened_at_ms")->get<int64_t>(row),
          .data = text("data")};
}

}  // namespace

Status Outbox::prepare() {
  auto client = pool_.lease();
  TRY_VOID(client->execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  return client->execute(
      "CREATE TABLE IF NOT EXISTS tidemark.outbox (seq UInt64, kind LowCardinality(String), subject String, "
      "subject_version String, entity String, prev_seq UInt64, cause String, happened_at DateTime64(3, "
      "'UTC'), destinations Array(LowCardinality(String)), data String CODEC(ZSTD), INDEX entity entity TYPE "
      "bloom_filter GRANULARITY 1) ENGINE = MergeTree ORDER BY seq SETTINGS index_granularity = 1024, " +
      clickhouse::merge_tree_settings(true));
}

Status Outbox::append(const std::vector<OutboxRow>& rows, std::string_view token,
                      const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  Block block;
  const ColumnType text = ColumnType::of(TypeKind::string), number = ColumnType::of(TypeKind::uint64);
  for (const char* name : {"seq", "prev_seq"}) block.add(name, number);
  for (const char* name : {"kind", "subject", "subject_version", "entity", "cause", "data"})
    block.add(name, text);
  block.add("happened_at", ColumnType::datetime64(3, "UTC"));
  block.add("destinations", ColumnType::array_of(text));
  for (const auto& [row, destinations] : rows) {
    block.find("seq")->append<uint64_t>(row.seq);
    block.find("prev_seq")->append<uint64_t>(row.prev_seq);
    block.find("kind")->append_text(row.kind);
    block.find("subject")->append_text(row.subject);
    block.find("subject_version")->append_text(row.subject_version);
    block.find("entity")->append_text(row.entity);
    block.find("cause")->append_text(row.cause);
    block.find("data")->append_text(row.data);
    block.find("happened_at")->append<int64_t>(row.happened_at_ms);
    Column& list = *block.find("destinations");
    for (const auto& destination : destinations) list.element().append_text(destination);
    list.close_array();
  }
  return clickhouse::insert_exactly_once(pool_, "tidemark.outbox", block, token, {}, policy, stop);
}

Result<uint64_t> Outbox::newest() {
  Block block = TRY(pool_.query("SELECT max(seq) AS newest FROM tidemark.outbox", bounded()));
  return block.rows() == 0 ? 0 : block.find("newest")->get<uint64_t>(0);
}

Result<Outbox::News> Outbox::news(uint64_t after) {
  clickhouse::QueryOptions options = bounded();
  options.parameters = {{"after", std::to_string(after)}};
  Block block = TRY(pool_.query(
      fmt::format("SELECT {}, destinations FROM tidemark.outbox WHERE seq > {{after:UInt64}} ORDER BY seq "
                  "LIMIT {}",
                  columns, limits::page_rows_max),
      options));
  News news{.after = after, .complete_to = after, .rows = {}};
  for (size_t row = 0; row < block.rows(); ++row) {
    OutboxRow one{.notification = notification_of(block, row), .destinations = {}};
    const Column& names = *block.find("destinations");
    for (size_t index = names.array_begin(row); index < names.array_end(row); ++index)
      one.destinations.emplace_back(names.element().text(index));
    news.complete_to = one.notification.seq;
    news.rows.push_back(std::move(one));
  }
  return news;
}

Result<Outbox::Page> Outbox::page(const std::string& where, std::map<std::string, std::string> parameters,
                                  std::map<std::string, std::string> raw_parameters, uint64_t up_to) {
  clickhouse::QueryOptions options = bounded();
  options.parameters = std::move(parameters);
  options.raw_parameters = std::move(raw_parameters);
  Page page;
  Block block = TRY(pool_.query(fmt::format("SELECT {} FROM tidemark.outbox WHERE {} ORDER BY seq LIMIT {}",
                                            columns, where, limits::page_rows_max),
                                options));
  for (size_t row = 0; row < block.rows(); ++row) page.rows.push_back(notification_of(block, row));
  page.complete_to = page.rows.size() < limits::page_rows_max ? up_to : page.rows.back().seq;
  return page;
}

Result<Outbox::Page> Outbox::read(const std::string& destination, uint64_t after, uint64_t up_to,
                                  bool with_outcomes) {
  std::string where =
      "seq > {after:UInt64} AND seq <= {up_to:UInt64} AND has(destinations, {destination:String})";
  if (with_outcomes) where += fmt::format(" AND seq NOT IN ({})", settled);
  return page(
      where,
      {{"destination", destination}, {"after", std::to_string(after)}, {"up_to", std::to_string(up_to)}}, {},
      up_to);
}

Result<Outbox::Page> Outbox::read_entities(const std::string& destination,
                                           const std::vector<std::string>& entities, uint64_t from,
                                           uint64_t up_to, uint64_t position) {
  std::string where = fmt::format(
      "seq >= {{from:UInt64}} AND seq <= {{up_to:UInt64}} AND entity IN {{entities:Array(String)}} AND "
      "has(destinations, {{destination:String}}) AND ((seq <= {{after:UInt64}} AND seq IN (SELECT seq FROM "
      "tidemark.deliveries FINAL WHERE destination = {{destination:String}} AND seq >= {{from:UInt64}} AND "
      "seq <= {{after:UInt64}} AND state IN ('retrying', 'replaying'))) OR (seq > {{after:UInt64}} AND seq "
      "NOT IN ({})))",
      settled);
  return page(where,
              {{"destination", destination},
               {"from", std::to_string(from)},
               {"after", std::to_string(position)},
               {"up_to", std::to_string(up_to)}},
              {{"entities", clickhouse::array_parameter(entities)}}, up_to);
}

Status Outbox::expire(uint64_t position) {
  const std::string condition =
      fmt::format("seq <= {} AND happened_at < now() - INTERVAL {} DAY", position, limits::keep_days);
  clickhouse::QueryOptions options;
  Block old = TRY(
      pool_.query(fmt::format("SELECT count() AS rows FROM tidemark.outbox WHERE {}", condition), options));
  if (old.rows() == 0 || old.find("rows")->get<uint64_t>(0) == 0) return {};
  return pool_.execute(fmt::format("ALTER TABLE tidemark.outbox DELETE WHERE {}", condition), options);
}

}  // namespace tidemark::notify
