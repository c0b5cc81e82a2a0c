// The keeper over everything at once: making the tables anew, and proving them. Both read the sources' tables
// whole, so neither knows what the steps did.
#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "profiles/id_sql.h"
#include "profiles/profile_keeper.h"
#include "profiles/profile_limits.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

constexpr size_t examples_max = 5;
// What sorting and grouping may take before they go to disk.
const std::map<std::string, std::string> spill{{"max_bytes_before_external_group_by", "500000000"},
                                               {"max_bytes_before_external_sort", "500000000"}};

}  // namespace

std::string Keeper::source_edges() const {
  std::vector<std::string> events, selects;
  std::string ids = event_ids(definition_);
  for (const auto& table : event_tables_)
    events.push_back(fmt::format(
        "SELECT {} AS ids, toUnixTimestamp64Micro(timestamp) AS at, message_id AS message FROM bronze.{}",
        ids, quote_identifier(table)));
  if (!events.empty())
    selects.push_back(
        fmt::format("SELECT ids, '' AS origin, first.1 AS at, first.2 AS message FROM (SELECT ids, min((at, "
                    "message)) AS first "
                    "FROM ({}) WHERE notEmpty(ids) GROUP BY ids)",
                    fmt::join(events, " UNION ALL ")));
  for (const auto& mirrored : mirrored_)
    selects.push_back(fmt::format(
        "SELECT _ids AS ids, origin, toInt64({}) AS at, origin AS message FROM (SELECT {} AS _ids, "
        "concat({}, {}) AS origin FROM bronze.{} FINAL WHERE _deleted = 0) WHERE notEmpty(ids)",
        row_edge_at, mirrored.ids, quote_string(row_origin(mirrored.table.table, "")), mirrored.row_key,
        quote_identifier(mirrored.table.table)));
  return fmt::format("{}", fmt::join(selects, " UNION ALL "));
}

std::string Keeper::all_events() const {
  std::vector<std::string> selects;
  for (const auto& table : event_tables_)
    selects.push_back(events_by_person(definition_, tables_, table, ""));
  return fmt::format("{}", fmt::join(selects, " UNION ALL "));
}

Result<std::vector<Placement>> Keeper::whole_map() {
  std::vector<Edge> edges;
  std::string sql = source_edges();
  if (sql.empty()) return std::vector<Placement>();
  clickhouse::QueryOptions options;
  options.settings = spill;
  options.timeout = std::chrono::milliseconds(limits::rebuild_statement_ms_max);
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    edges.clear();
    return pool_.lease()->query_blocks(sql, options, [&](const Block& block) -> Status {
      for (size_t row = 0; row < block.rows(); ++row)
        edges.push_back({.ids = text_list(block.columns[0], row),
                         .at = block.columns[2].get<int64_t>(row),
                         .order = std::string(block.columns[3].text(row))});
      return {};
    });
  }));
  auto hubs = hubs_of(edges);
  for (const auto& hub : hubs)
    log::warn("profiles {}: {} came with more than {} sets of other ids and joins nobody", definition_.name(),
              hub, limits::hub_edges_max);
  return stitch(TRY(rules()), std::move(edges), hubs);
}

Status Keeper::rebuild() {
  std::lock_guard lock(mutex_);
  int64_t began = system_clock().monotonic_micros();
  stale_ = true;
  clickhouse::QueryOptions options;
  options.timeout = std::chrono::milliseconds(limits::rebuild_statement_ms_max);
  options.settings = spill;
  auto run = [&](const std::string& sql) {
    return clickhouse::retry(policy_, stop_, [&] { return pool_.execute(sql, options); });
  };
  // Until it is whole nobody takes it for that.
  TRY_VOID(run(
      fmt::format("INSERT INTO tidemark.profile_versions (profiles, fingerprint, step) VALUES ({}, '', {})",
                  quote_string(definition_.name()), step_)));
  std::vector<ingest::CapturedTable> kept{tables_.ids, tables_.events};
  for (const auto& mirrored : mirrored_) kept.push_back(mirrored.copy);
  for (const auto& table : kept) TRY_VOID(run("TRUNCATE TABLE " + table.target() + " SYNC"));
  TRY_VOID(run("TRUNCATE TABLE " + tables_.edges + " SYNC"));
  taken_.clear();
  uint64_t step = step_ + 1;
  auto map = TRY(whole_map());
  std::string edges = source_edges();
  if (!edges.empty())
    TRY_VOID(
        run(fmt::format("INSERT INTO {} (id, edge, origin, ids, at, message, _version, _deleted) SELECT "
                        "arrayJoin(arrayFilter(one -> notEmpty(one), arrayPushBack(ids, origin))), "
                        "xxHash64(concat(origin, '\\n', "
                        "arrayStringConcat(ids, '\\n'))), origin, ids, at, message, {}, 0 FROM ({}) SETTINGS "
                        "insert_deduplicate = 0",
                        tables_.edges, step, edges)));
  // With cut 0, as rows of an initial copy: who follows single cuts leaves them out.
  int64_t now = system_clock().wall_micros();
  for (size_t from = 0; from < map.size(); from += limits::rows_a_block) {
    std::vector<IdChange> page;
    for (size_t at = from; at < std::min(map.size(), from + limits::rows_a_block); ++at)
      page.push_back({.id = map[at].id, .old_profile = {}, .profile = map[at].profile, .seen = map[at].seen});
    for (bool signed_rows : {true, false}) {
      Block block = map_block(tables_, page, step, now, signed_rows);
      Column& cuts = *block.find(ingest::bookkeeping::cut);
      cuts.clear();
      cuts.fill<uint64_t>(0, block.columns.front().rows());
      TRY_VOID(clickhouse::insert_exactly_once(
          pool_, tables_.ids.target(signed_rows ? "__changes" : ""), block,
          fmt::format("{}:{}:made:{}:{}", definition_.slug(), step, from, signed_rows), {}, policy_, stop_));
    }
  }
  auto fill = [&](const ingest::CapturedTable& table, const std::string& selected) -> Status {
    if (selected.empty()) return {};
    std::vector<std::string> names;
    for (const auto& column : table.source.columns) names.push_back(column.name);
    std::string columns = clickhouse::quote_list(names);
    TRY_VOID(
        run(fmt::format("INSERT INTO {0} ({1}, _sign, _op, _version, _committed_at, _cut) SELECT {1}, _sign, "
                        "'insert', toUInt128({2}) * 2 + 1, _committed_at, 0 FROM ({3}) SETTINGS "
                        "insert_deduplicate = 0",
                        table.target("__changes"), columns, step, selected)));
    return run(fmt::format(
        "INSERT INTO {0} ({1}, _version, _deleted, _committed_at, _cut) SELECT {1}, toUInt128({2}) "
        "* 2 + 1, 0, _committed_at, 0 FROM ({3}) SETTINGS insert_deduplicate = 0",
        table.target(), columns, step, selected));
  };
  TRY_VOID(fill(tables_.events, all_events()));
  for (const auto& mirrored : mirrored_) TRY_VOID(fill(mirrored.copy, rows_of_table(mirrored, tables_, "")));
  // The step's place in the order, with nothing to do.
  Plan plan{
      .step = step, .ids = {}, .edges = {}, .cuts = {{.table = "", .cut = 0, .floor = "0"}}, .rows = {}};
  TRY_VOID(clickhouse::insert_exactly_once(pool_, tables_.plans, plan_block(plan),
                                           fmt::format("{}:{}:plan", definition_.slug(), step), {}, policy_,
                                           stop_));
  step_ = step;
  open_ = false;
  TRY_VOID(run(fmt::format(
      "INSERT INTO tidemark.profile_versions (profiles, fingerprint, step) VALUES ({}, {}, {})",
      quote_string(definition_.name()), quote_string(fingerprint(definition_, event_tables_)), step)));
  stale_ = false;
  log::info("profiles {}: {} ids, made in {:.1f} s", definition_.name(), map.size(),
            static_cast<double>(system_clock().monotonic_micros() - began) / 1e6);
  return {};
}

Result<bool> Keeper::made() {
  if (!TRY(clickhouse::table_exists(*pool_.lease(), "tidemark", "profile_versions"))) return false;
  TRY_VOID(learn_tables());
  Block block = TRY(
      pool_.query(fmt::format("SELECT fingerprint FROM tidemark.profile_versions FINAL WHERE profiles = {}",
                              quote_string(definition_.name()))));
  return block.rows() == 1 && block.columns[0].text(0) == fingerprint(definition_, event_tables_);
}

Result<ProfileProof> Keeper::prove() {
  ProfileProof proof{.profiles = definition_.name(), .examples = {}};
  auto whole = TRY(whole_map());
  proof.ids = whole.size();
  std::map<std::string_view, const Placement*> expected;
  for (const auto& placement : whole) expected.emplace(placement.id, &placement);
  auto example = [&](const std::string& text) {
    if (proof.examples.size() < examples_max) proof.examples.push_back(text);
  };
  TRY_VOID(
      each(fmt::format("SELECT id, profile_id, toUnixTimestamp64Micro(seen) FROM {} FINAL WHERE _deleted = 0",
                       tables_.ids.target()),
           [&](const Block& block) -> Status {
             for (size_t row = 0; row < block.rows(); ++row) {
               auto found = expected.find(block.columns[0].text(row));
               std::string id(block.columns[0].text(row)), profile(block.columns[1].text(row));
               if (found == expected.end()) {
                 ++proof.extra;
                 example(fmt::format("{} is {}'s, and nothing says so", id, profile));
                 continue;
               }
               if (found->second->profile != profile ||
                   found->second->seen != block.columns[2].get<int64_t>(row)) {
                 ++proof.different;
                 example(fmt::format("{} is {}'s, and should be {}'s", id, profile, found->second->profile));
               }
               expected.erase(found);
             }
             return {};
           }));
  for (const auto& [id, placement] : expected)
    example(fmt::format("{} should be {}'s, and is not there", id, placement->profile));
  proof.missing += expected.size();
  if (!event_tables_.empty()) TRY_VOID(compare_copy(tables_.events, all_events(), proof));
  for (const auto& mirrored : mirrored_)
    TRY_VOID(compare_copy(mirrored.copy, rows_of_table(mirrored, tables_, ""), proof));
  return proof;
}

Status Keeper::compare_copy(const ingest::CapturedTable& copy, const std::string& expected,
                            ProfileProof& proof) {
  std::vector<std::string> names;
  for (const auto& column : copy.source.columns) names.push_back(quote_identifier(column.name));
  std::string hash = fmt::format("sipHash64({})", fmt::join(names, ", "));
  return each(
      fmt::format(
          "SELECT countIf(n > 0) AS missing, countIf(n < 0) AS extra, anyIf(row, n != 0) AS example FROM "
          "(SELECT hash, sum(side) AS n, any(row) AS row FROM (SELECT {0} AS hash, toInt64(1) AS side, "
          "toString(profile_id) AS row FROM ({1}) UNION ALL SELECT {0}, toInt64(-1), profile_id FROM {2} "
          "FINAL WHERE _deleted = 0) GROUP BY hash HAVING n != 0)",
          hash, expected, copy.target()),
      [&](const Block& block) -> Status {
        uint64_t missing = block.columns[0].get<uint64_t>(0), extra = block.columns[1].get<uint64_t>(0);
        proof.missing += missing;
        proof.extra += extra;
        if (missing + extra > 0 && proof.examples.size() < examples_max)
          proof.examples.push_back(
              fmt::format("{}: rows of {} among others", copy.display(), block.columns[2].text(0)));
        return {};
      });
}

}  // namespace tidemark::profiles
