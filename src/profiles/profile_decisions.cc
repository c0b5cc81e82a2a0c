#include "profiles/profile_decisions.h"

#include "profiles/profile_plan.h"

namespace tidemark::profiles {

Status ProfileDecisions::prepare() {
  return pool_.execute(
      "ALTER TABLE tidemark.profile_decisions ADD COLUMN IF NOT EXISTS followed UInt8 DEFAULT 1, ADD COLUMN "
      "IF "
      "NOT EXISTS decided_by String, ADD COLUMN IF NOT EXISTS reason String");
}

Result<std::vector<DecisionRecord>> ProfileDecisions::all(const std::string& profiles) {
  Block block =
      TRY(pool_.query("SELECT one, other, taken_back, followed, decided_by, reason, "
                      "toUnixTimestamp64Micro(at) AS at FROM tidemark.profile_decisions FINAL WHERE "
                      "profiles = {profiles:String} ORDER BY profile_decisions.at",
                      {.parameters = {{"profiles", profiles}}}));
  std::vector<DecisionRecord> records;
  for (size_t row = 0; row < block.rows(); ++row)
    records.push_back({.profiles = profiles,
                       .one = text_list(block.columns[0], row),
                       .other = text_list(block.columns[1], row),
                       .taken_back = block.columns[2].get<uint8_t>(row) != 0,
                       .followed = block.columns[3].get<uint8_t>(row) != 0,
                       .decided_by = std::string(block.columns[4].text(row)),
                       .reason = std::string(block.columns[5].text(row)),
                       .at = block.columns[6].get<int64_t>(row)});
  return records;
}

Status ProfileDecisions::write(const DecisionRecord& record) {
  clickhouse::QueryOptions options;
  options.parameters = {{"profiles", record.profiles},
                        {"taken_back", record.taken_back ? "1" : "0"},
                        {"followed", record.followed ? "1" : "0"},
                        {"decided_by", record.decided_by},
                        {"reason", record.reason}};
  options.raw_parameters = {{"one", clickhouse::array_parameter(record.one)},
                            {"other", clickhouse::array_parameter(record.other)}};
  options.settings = {{"insert_deduplicate", "0"}, {"log_queries", "0"}};
  return pool_.execute(
      "INSERT INTO tidemark.profile_decisions (profiles, one, other, taken_back, followed, decided_by, "
      "reason) "
      "SELECT {profiles:String}, {one:Array(String)}, {other:Array(String)}, {taken_back:UInt8}, "
      "{followed:UInt8}, {decided_by:String}, {reason:String}",
      options);
}

}  // namespace tidemark::profiles
