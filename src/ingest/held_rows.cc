#include "ingest/held_rows.h"

#include "clickhouse/native_reader.h"
#include "clickhouse/native_writer.h"
#include "clickhouse/schema.h"

namespace tidemark::ingest {
namespace {

// A cut that is this old is not replayed any more: Postgres would have had to keep its log that long.
constexpr int held_days = 30;

}  // namespace

Status hold_rows(clickhouse::ClientPool& pool, const Block& rows, const std::string& token,
                 const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  TRY_VOID(clickhouse::retry(policy, stop, [&] {
    return pool.execute(
        fmt::format("CREATE TABLE IF NOT EXISTS tidemark.held_rows (token String, rows String, at DateTime "
                    "DEFAULT now()) ENGINE "
                    "= ReplacingMergeTree ORDER BY token TTL at + INTERVAL {} DAY SETTINGS {}",
                    held_days, clickhouse::merge_tree_settings(true)));
  }));
  Block block;
  block.add("token", ColumnType::of(TypeKind::string));
  block.columns.back().append_text(token);
  block.add("rows", ColumnType::of(TypeKind::string));
  block.columns.back().append_text(clickhouse::NativeBlock(rows).text());
  return clickhouse::insert_exactly_once(pool, "tidemark.held_rows", block, token + ":held", {}, policy,
                                         stop);
}

Result<std::optional<Block>> held_rows(clickhouse::ClientPool& pool, const std::string& token,
                                       const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  Block found;
  TRY_VOID(clickhouse::retry(policy, stop, [&]() -> Status {
    auto lease = pool.lease();
    found = Block();
    if (TRY(clickhouse::table_exists(*lease, "tidemark", "held_rows")))
      found = TRY(lease->query("SELECT rows FROM tidemark.held_rows WHERE token = {token:String} LIMIT 1",
                               {.parameters = {{"token", token}}}));
    return {};
  }));
  if (found.rows() == 0) return std::nullopt;
  std::optional<Block> rows = Block();
  clickhouse::NativeReader reader;
  TRY_VOID(reader.feed(found.columns[0].text(0), [&](Block block) -> Status {
    rows = std::move(block);
    return {};
  }));
  TRY_VOID(reader.finish());
  return rows;
}

}  // namespace tidemark::ingest
