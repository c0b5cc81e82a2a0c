#include "profiles/deletion_store.h"

#include "clickhouse/schema.h"
#include "profiles/profile_plan.h"

#include <fmt/format.h>

namespace tidemark::profiles {
namespace {

constexpr const char* stages[] = {"asked", "resolved", "aside", "removed", "correcting", "corrected", "done"};

DeletionStage stage_of(std::string_view word) {
  for (size_t index = 0; index < std::size(stages); ++index)
    if (word == stages[index]) return static_cast<DeletionStage>(index);
  return DeletionStage::asked;
}

}  // namespace

const char* name(DeletionStage stage) {
  return stages[static_cast<size_t>(stage)];
}

Status DeletionStore::prepare() {
  TRY_VOID(pool_.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  return pool_.execute(
      "CREATE TABLE IF NOT EXISTS tidemark.deletions (number UInt64, stage LowCardinality(String), profiles "
      "String, reason String, asked_by String, asked_at Int64, done_at Int64, asked String, ids "
      "Array(String), people Array(String), receipt String, version UInt64 DEFAULT "
      "toUInt64(toUnixTimestamp64Nano(now64(9)))) ENGINE = ReplacingMergeTree(version) ORDER BY number "
      "SETTINGS " +
      clickhouse::merge_tree_settings(true));
}

Result<std::vector<Deletion>> DeletionStore::all() {
  Block block = TRY(
      pool_.query("SELECT number, toString(stage) AS stage, profiles, reason, asked_by, asked_at, done_at, "
                  "asked, ids, people, receipt FROM tidemark.deletions FINAL ORDER BY number"));
  std::vector<Deletion> deletions;
  for (size_t row = 0; row < block.rows(); ++row) {
    auto word = [&](const char* column) { return std::string(block.find(column)->text(row)); };
    deletions.push_back({.number = block.find("number")->get<uint64_t>(row),
                         .stage = stage_of(word("stage")),
                         .profiles = word("profiles"),
                         .reason = word("reason"),
                         .asked_by = word("asked_by"),
                         .asked_at = block.find("asked_at")->get<int64_t>(row),
                         .done_at = block.find("done_at")->get<int64_t>(row),
                         .asked = word("asked"),
                         .ids = text_list(*block.find("ids"), row),
                         .people = text_list(*block.find("people"), row),
                         .receipt = word("receipt")});
  }
  return deletions;
}

Status DeletionStore::save(const Deletion& deletion) {
  clickhouse::QueryOptions options;
  options.parameters = {{"number", std::to_string(deletion.number)},
                        {"stage", name(deletion.stage)},
                        {"profiles", deletion.profiles},
                        {"reason", deletion.reason},
                        {"asked_by", deletion.asked_by},
                        {"asked_at", std::to_string(deletion.asked_at)},
                        {"done_at", std::to_string(deletion.done_at)},
                        {"asked", deletion.asked},
                        {"receipt", deletion.receipt}};
  options.raw_parameters = {{"ids", clickhouse::array_parameter(deletion.ids)},
                            {"people", clickhouse::array_parameter(deletion.people)}};
  // Who writes the same thing twice means it.
  options.settings = {{"insert_deduplicate", "0"}, {"log_queries", "0"}};
  return pool_.execute(
      "INSERT INTO tidemark.deletions (number, stage, profiles, reason, asked_by, asked_at, done_at, asked, "
      "ids, people, receipt) SELECT {number:UInt64}, {stage:String}, {profiles:String}, {reason:String}, "
      "{asked_by:String}, {asked_at:Int64}, {done_at:Int64}, {asked:String}, {ids:Array(String)}, "
      "{people:Array(String)}, {receipt:String}",
      options);
}

Status DeletionStore::forget_intents(uint64_t number) {
  return pool_.execute(fmt::format(
      "ALTER TABLE tidemark.deletions DELETE WHERE number = {0} AND version < (SELECT max(version) "
      "FROM tidemark.deletions WHERE number = {0}) SETTINGS mutations_sync = 2",
      number));
}

}  // namespace tidemark::profiles
