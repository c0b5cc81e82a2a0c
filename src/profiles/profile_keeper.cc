#include "profiles/profile_keeper.h"

#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/applier.h"
#include "profiles/id_sql.h"
#include "profiles/profile_limits.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

std::string digits(Version version) {
  std::string text;
  do text.insert(text.begin(), static_cast<char>('0' + static_cast<int>(version % 10)));
  while ((version /= 10) > 0);
  return text;
}

// Calls `one` with "'a', 'b', ..." of at most limits::ids_a_query_max each.
template <class Ids>
Status in_pages(const Ids& ids, const std::function<Status(const std::string&)>& one) {
  std::vector<std::string> page;
  for (auto at = ids.begin(); at != ids.end();) {
    page.push_back(quote_string(*at));
    if (++at == ids.end() || page.size() == limits::ids_a_query_max) {
      TRY_VOID(one(fmt::format("{}", fmt::join(page, ", "))));
      page.clear();
    }
  }
  return {};
}

}  // namespace

Keeper::Keeper(clickhouse::ClientPool& pool, Definition definition, std::vector<std::string> event_tables,
               const std::atomic<bool>& stop)
    : pool_(pool),
      definition_(std::move(definition)),
      event_tables_(std::move(event_tables)),
      stop_(stop),
      tables_(definition_),
      policy_(ingest::apply_policy("profiles " + definition_.name())) {}

std::vector<std::string> Keeper::kept() const {
  std::vector<std::string> names{tables_.ids.name, tables_.events.name};
  for (const auto& mirrored : mirrored_) names.push_back(mirrored.copy.name);
  return names;
}

bool Keeper::reads_rows(const std::string& table) const {
  return std::any_of(mirrored_.begin(), mirrored_.end(),
                     [&](const auto& mirrored) { return mirrored.table.table == table; });
}

bool Keeper::reads(const std::string& table) const {
  return std::find(event_tables_.begin(), event_tables_.end(), table) != event_tables_.end() ||
         reads_rows(table);
}

Status Keeper::execute(const std::string& sql, const std::map<std::string, std::string>& settings) {
  clickhouse::QueryOptions options;
  options.settings = settings;
  options.timeout = policy_.attempt_timeout;
  return clickhouse::retry(policy_, stop_, [&] { return pool_.execute(sql, options); });
}

Status Keeper::each(const std::string& sql, const std::function<Status(const Block&)>& on_block) {
  clickhouse::QueryOptions options;
  // Pages of ids are part of the text.
  options.settings = {{"max_query_size", "100000000"}};
  options.timeout = policy_.attempt_timeout;
  // Begun again only as long as nothing was seen: what is seen is counted. Else the cut comes again.
  bool seen = false;
  Status done;
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    done = pool_.lease()->query_blocks(sql, options, [&](const Block& block) -> Status {
      seen = true;
      return on_block(block);
    });
    return seen ? Status() : done;
  }));
  return done;
}

Status Keeper::prepare() {
  std::lock_guard lock(mutex_);
  TRY_VOID(learn_tables());
  for (const auto& statement : tables_.create_statements()) TRY_VOID(execute(statement));
  std::vector<ingest::CapturedTable> kept{tables_.ids, tables_.events};
  for (const auto& mirrored : mirrored_) kept.push_back(mirrored.copy);
  std::string made_by;
  TRY_VOID(
      each(fmt::format("SELECT fingerprint, step FROM tidemark.profile_versions FINAL WHERE profiles = {}",
                       quote_string(definition_.name())),
           [&](const Block& block) -> Status {
             made_by = block.columns[0].text(0);
             return {};
           }));
  stale_ = made_by != fingerprint(definition_, event_tables_);
  for (const auto& table : kept) {
    // Of another shape: what it has is made anew anyway.
    if (stale_)
      for (const char* suffix : {"__current", "__changes", ""})
        TRY_VOID(execute("DROP TABLE IF EXISTS " + table.target(suffix) +
                         " SYNC SETTINGS check_table_dependencies = 0"));
    for (const auto& statement : ingest::create_statements(table)) TRY_VOID(execute(statement));
  }
  // Whose ids are these: asked for whenever two profiles become one.
  TRY_VOID(execute("ALTER TABLE " + tables_.ids.target() +
                   " ADD INDEX IF NOT EXISTS by_profile profile_id TYPE bloom_filter(0.01) GRANULARITY 1"));
  // Rows of the newest cuts are found without reading the others.
  std::vector<std::string> read = event_tables_;
  for (const auto& mirrored : mirrored_) read.push_back(mirrored.table.table);
  for (const auto& table : read)
    TRY_VOID(execute("ALTER TABLE bronze." + quote_identifier(table) +
                     " ADD INDEX IF NOT EXISTS by_cut _cut TYPE minmax GRANULARITY 1"));
  TRY_VOID(each("SELECT max(step) FROM " + tables_.plans, [&](const Block& block) -> Status {
    step_ = block.columns[0].get<uint64_t>(0);
    return {};
  }));
  if (stale_ || step_ == 0) return {};
  TRY_VOID(each(fmt::format("SELECT id, toString(newest.1) AS floor, newest.2 AS cut FROM (SELECT id, "
                            "argMax((floor, cut), step) AS newest FROM {} WHERE what = 'cut' GROUP BY id)",
                            tables_.plans),
                [&](const Block& block) -> Status {
                  for (size_t row = 0; row < block.rows(); ++row)
                    taken_[std::string(block.columns[0].text(row))] = {
                        std::string(block.columns[1].text(row)), block.columns[2].get<uint64_t>(row)};
                  return {};
                }));
  auto plan = TRY(newest_plan(pool_, tables_));
  return plan ? apply(*plan) : Status();
}

Status Keeper::learn_tables() {
  mirrored_.clear();
  for (const auto& table : definition_.tables) {
    MirroredRows mirrored{.table = table, .key = {}, .copy = {}, .row_key = {}, .ids = {}};
    auto lease = pool_.lease();
    auto columns = TRY(clickhouse::table_columns(*lease, "bronze", table.table));
    std::vector<std::pair<std::string, ColumnType>> shown;
    auto wrong = [&](const std::string& what) {
      return fail(ErrorKind::config,
                  fmt::format("{}: profiles {}: {}", table.where.describe(), definition_.name(), what),
                  "name a mirrored table with a key, and columns it has");
    };
    if (columns.empty()) return wrong(fmt::format("there is no mirrored table `{}`", table.table));
    auto find = [&](const std::string& name) {
      return std::find_if(columns.begin(), columns.end(), [&](const auto& one) { return one.name == name; });
    };
    for (const auto& [kind, column] : table.ids)
      if (find(column) == columns.end())
        return wrong(fmt::format("`{}` has no column `{}`", table.table, column));
    for (const auto& name : table.columns) {
      auto column = find(name);
      if (column == columns.end()) return wrong(fmt::format("`{}` has no column `{}`", table.table, name));
      auto type = parse_column_type(column->type);
      if (!type)
        return wrong(fmt::format("column `{}` has the type {}, which cannot be shown", name, column->type));
      shown.emplace_back(name, *type);
    }
    Block sorting =
        TRY(lease->query(fmt::format("SELECT arrayMap(one -> trim(BOTH '()` ' FROM one), splitByChar(',', "
                                     "sorting_key)) AS key, engine FROM "
                                     "system.tables WHERE database = 'bronze' AND name = {}",
                                     quote_string(table.table))));
    if (sorting.rows() == 1) mirrored.key = text_list(sorting.columns[0], 0);
    for (const auto& name : mirrored.key)
      if (find(name) == columns.end() ||
          sorting.columns[1].text(0).find("Replacing") == std::string_view::npos)
        return wrong(fmt::format("`{}` has no key", table.table));
    std::vector<std::string> texts;
    for (const auto& name : mirrored.key)
      texts.push_back(fmt::format("toString({})", quote_identifier(name)));
    mirrored.row_key =
        texts.size() == 1 ? texts.front() : fmt::format("toJSONString([{}])", fmt::join(texts, ", "));
    mirrored.ids = row_ids(definition_, table);
    mirrored.copy = rows_by_person(definition_, table, shown);
    mirrored_.push_back(std::move(mirrored));
  }
  return {};
}

Result<StitchRules> Keeper::rules() {
  StitchRules rules;
  for (const auto& kind : definition_.kinds) rules.limits.emplace_back(kind.name, kind.limit);
  TRY_VOID(each(fmt::format("SELECT one, other FROM tidemark.profile_decisions FINAL WHERE profiles = {} AND "
                            "taken_back = 0 ORDER BY one, other",
                            quote_string(definition_.name())),
                [&](const Block& block) -> Status {
                  for (size_t row = 0; row < block.rows(); ++row) {
                    auto one = text_list(block.columns[0], row), other = text_list(block.columns[1], row);
                    rules.apart.push_back({{one.begin(), one.end()}, {other.begin(), other.end()}});
                  }
                  return {};
                }));
  return rules;
}

// Sets of ids of the cut's events that are not known, or known only from a later event.
Status Keeper::find_new_edges(const CutRows& rows, Change& change) {
  std::string condition = fmt::format("_cut = {} AND _version >= toUInt128('{}')", rows.cut, rows.floor);
  std::string table = "bronze." + quote_identifier(rows.table), ids = event_ids(definition_);
  return each(
      fmt::format(
          "SELECT n.ids AS ids, n.first.1 AS at, n.first.2 AS message FROM (SELECT ids, ids[1] AS strongest, "
          "xxHash64(concat('\\n', arrayStringConcat(ids, '\\n'))) AS hash, min((at, message)) AS first FROM "
          "(SELECT {0} AS ids, toUnixTimestamp64Micro(timestamp) AS at, message_id AS message FROM {1} WHERE "
          "{2}) WHERE notEmpty(ids) GROUP BY ids) AS n LEFT JOIN (SELECT id, edge, at, message FROM {3} "
          "FINAL "
          "WHERE _deleted = 0 AND id IN (SELECT ({0})[1] FROM {1} WHERE {2})) AS e ON e.id = n.strongest AND "
          "e.edge = n.hash WHERE e.edge = 0 OR (n.first.1, n.first.2) < (e.at, e.message)",
          ids, table, condition, tables_.edges),
      [&](const Block& block) -> Status {
        for (size_t row = 0; row < block.rows(); ++row) {
          EdgeChange edge{.edge = 0,
                          .origin = {},
                          .ids = text_list(block.columns[0], row),
                          .at = block.columns[1].get<int64_t>(row),
                          .order = std::string(block.columns[2].text(row))};
          edge.edge = edge_hash("", edge.ids);
          change.ids.insert(edge.ids.begin(), edge.ids.end());
          change.edges[edge.edge] = std::move(edge);
        }
        return {};
      });
}

Status Keeper::find_changed_rows(const Mirrored& mirrored, const CutRows& rows, Change& change) {
  std::string condition = fmt::format("_cut = {} AND _version >= toUInt128('{}')", rows.cut, rows.floor);
  std::string table = "bronze." + quote_identifier(rows.table);
  std::vector<std::string> keys;
  TRY_VOID(
      each(fmt::format("SELECT DISTINCT {} AS row_key FROM {} WHERE {}", mirrored.row_key, table, condition),
           [&](const Block& block) -> Status {
             for (size_t row = 0; row < block.rows(); ++row) keys.emplace_back(block.columns[0].text(row));
             return {};
           }));
  return compare_rows(mirrored, keys,
                      fmt::format("({0}) IN (SELECT {0} FROM {1} WHERE {2})",
                                  clickhouse::quote_list(mirrored.key), table, condition),
                      change);
}

// The rows of these keys, which `condition` selects, with what is known of them.
Status Keeper::compare_rows(const Mirrored& mirrored, const std::vector<std::string>& touched,
                            const std::string& condition, Change& change) {
  const std::string& name = mirrored.table.table;
  struct Row {
    std::vector<std::string> ids, old_ids;
    uint64_t old_edge = 0;
  };
  std::map<std::string, Row> found;  // by row key
  for (const auto& key : touched) found.try_emplace(key);
  TRY_VOID(
      each(fmt::format("SELECT {} AS _row_key, {} AS _ids FROM bronze.{} FINAL WHERE _deleted = 0 AND {}",
                       mirrored.row_key, mirrored.ids, quote_identifier(name), condition),
           [&](const Block& block) -> Status {
             for (size_t row = 0; row < block.rows(); ++row)
               found[std::string(block.columns[0].text(row))].ids = text_list(block.columns[1], row);
             return {};
           }));
  std::vector<std::string> origins;
  std::map<std::string, std::string> keys;
  for (const auto& [row_key, row] : found) {
    origins.push_back(row_origin(name, row_key));
    keys[origins.back()] = row_key;
  }
  TRY_VOID(in_pages(origins, [&](const std::string& page) {
    return each(fmt::format("SELECT id, edge, ids FROM {} FINAL WHERE _deleted = 0 AND id IN ({})",
                            tables_.edges, page),
                [&](const Block& block) -> Status {
                  for (size_t row = 0; row < block.rows(); ++row) {
                    Row& one = found[keys.at(std::string(block.columns[0].text(row)))];
                    one.old_edge = block.columns[1].get<uint64_t>(row);
                    one.old_ids = text_list(block.columns[2], row);
                  }
                  return {};
                });
  }));
  for (auto& [row_key, row] : found) {
    std::string origin = row_origin(name, row_key);
    change.plan.rows.push_back({.table = name, .row_key = row_key, .old_profile = {}});
    change.row_identities.push_back(row.old_ids.empty() ? "" : row.old_ids.front());
    if (row.ids == row.old_ids) continue;
    auto add = [&](std::vector<std::string>& ids, uint64_t hash, bool gone) {
      if (ids.empty()) return;
      change.ids.insert(ids.begin(), ids.end());
      change.gone += gone ? 1 : 0;
      change.edges[hash] = {.edge = hash,
                            .origin = origin,
                            .ids = std::move(ids),
                            .at = row_edge_at,
                            .order = origin,
                            .gone = gone};
    };
    add(row.old_ids, row.old_edge, true);
    add(row.ids, edge_hash(origin, row.ids), false);
  }
  return {};
}

// Every edge that can be reached from the changed ids without passing through hubs, as it will be. Afterwards
// change.ids are the ids whose place may be another one.
Result<std::vector<Edge>> Keeper::closure(Change& change, std::set<std::string>& hubs) {
  size_t enough = limits::hub_edges_max + 1 + change.gone;
  std::map<uint64_t, Edge> edges;
  std::set<std::string> visited, frontier = change.ids;
  std::map<std::string, std::vector<const EdgeChange*>> changed;
  for (const auto& [hash, edge] : change.edges)
    for (const auto& id : edge.ids) changed[id].push_back(&edge);
  while (!frontier.empty()) {
    std::map<std::string, std::map<uint64_t, Edge>> found;
    TRY_VOID(in_pages(frontier, [&](const std::string& page) {
      return each(
          fmt::format("SELECT id, edge, ids, at, message FROM {} FINAL WHERE _deleted = 0 AND id IN ({}) "
                      "LIMIT {} BY id",
                      tables_.edges, page, enough),
          [&](const Block& block) -> Status {
            for (size_t row = 0; row < block.rows(); ++row)
              found[std::string(block.columns[0].text(row))][block.columns[1].get<uint64_t>(row)] = {
                  .ids = text_list(block.columns[2], row),
                  .at = block.columns[3].get<int64_t>(row),
                  .order = std::string(block.columns[4].text(row))};
            return {};
          });
    }));
    std::set<std::string> next;
    for (const auto& id : frontier) {
      visited.insert(id);
      auto& now = found[id];
      std::set<std::string> beside;
      bool was_hub = now.size() > limits::hub_edges_max;
      for (const auto& [hash, edge] : now) beside.insert(edge.ids.begin(), edge.ids.end());
      for (const EdgeChange* edge : changed[id]) {
        if (edge->gone)
          now.erase(edge->edge);
        else
          now[edge->edge] = {.ids = edge->ids, .at = edge->at, .order = edge->order};
        beside.insert(edge->ids.begin(), edge->ids.end());
      }
      bool is_hub = now.size() > limits::hub_edges_max;
      if (is_hub) hubs.insert(id);
      if (is_hub && was_hub) {
        // Only to give it its own place.
        edges.try_emplace(edge_hash("hub", {id}), Edge{.ids = {id}, .at = row_edge_at, .order = id});
        continue;
      }
      for (auto& [hash, edge] : now) edges[hash] = std::move(edge);
      if (edges.size() > limits::component_edges_max)
        return fail(ErrorKind::limit,
                    fmt::format("profiles {}: more than {} sets of ids hang together, {} among them",
                                definition_.name(), limits::component_edges_max, id),
                    "an id that is not one person's joins many: find it and add it to `blocked`");
      for (const auto& other : beside)
        if (!visited.contains(other) && !frontier.contains(other)) next.insert(other);
    }
    frontier = std::move(next);
  }
  change.ids = std::move(visited);
  std::vector<Edge> all;
  for (auto& [hash, edge] : edges) all.push_back(std::move(edge));
  return all;
}

Result<std::map<std::string, Placement>> Keeper::placed(const std::set<std::string>& ids) {
  std::map<std::string, Placement> placements;
  TRY_VOID(in_pages(ids, [&](const std::string& page) {
    return each(
        fmt::format("SELECT id, profile_id, toUnixTimestamp64Micro(seen) FROM {} FINAL WHERE _deleted = 0 "
                    "AND id IN ({})",
                    tables_.ids.target(), page),
        [&](const Block& block) -> Status {
          for (size_t row = 0; row < block.rows(); ++row) {
            Placement one{.id = std::string(block.columns[0].text(row)),
                          .profile = std::string(block.columns[1].text(row)),
                          .seen = block.columns[2].get<int64_t>(row)};
            placements.emplace(one.id, one);
          }
          return {};
        });
  }));
  return placements;
}

Status Keeper::find_moves(Change& change) {
  std::set<std::string> hubs;
  auto edges = TRY(closure(change, hubs));
  auto before = TRY(placed(change.ids));
  for (auto& now : stitch(TRY(rules()), std::move(edges), hubs)) {
    auto old = before.find(now.id);
    IdChange move{.id = now.id, .old_profile = {}, .profile = now.profile, .old_seen = 0, .seen = now.seen};
    if (old != before.end()) {
      bool same = old->second == now;
      move.old_profile = old->second.profile;
      move.old_seen = old->second.seen;
      before.erase(old);
      if (same) continue;
    } else if (!change.ids.contains(now.id)) {
      continue;
    }
    change.plan.ids.push_back(std::move(move));
  }
  for (const auto& [id, old] : before)
    change.plan.ids.push_back(
        {.id = id, .old_profile = old.profile, .profile = {}, .old_seen = old.seen, .seen = 0});
  for (auto& [hash, edge] : change.edges) change.plan.edges.push_back(std::move(edge));
  return {};
}

Status Keeper::step(uint64_t cut, Version version, const std::vector<std::string>& tables,
                    const Follow& follow) {
  bool any = std::any_of(tables.begin(), tables.end(), [&](const auto& table) { return reads(table); });
  if (!any) return {};
  std::lock_guard lock(mutex_);
  if (stale_) return {};
  TRY_VOID(close(follow));
  Change change;
  std::string floor = digits(make_version(version_epoch(version), 0, 0));
  for (const auto& table : tables) {
    if (!reads(table)) continue;
    CutRows rows{.table = table, .cut = cut, .floor = floor};
    if (reads_rows(table)) {
      for (const auto& mirrored : mirrored_)
        if (mirrored.table.table == table) TRY_VOID(find_changed_rows(mirrored, rows, change));
    } else {
      auto newest = taken_.find(table);
      bool taken = newest != taken_.end() && newest->second.first == floor && cut <= newest->second.second;
      if (taken) continue;
      TRY_VOID(find_new_edges(rows, change));
    }
    change.plan.cuts.push_back(std::move(rows));
  }
  return change.plan.cuts.empty() ? Status() : write(change, follow);
}

// A step that was left open is finished.
Status Keeper::close(const Follow& follow) {
  if (!open_) return {};
  auto plan = TRY(newest_plan(pool_, tables_));
  step_ = plan ? plan->step : 0;
  if (plan) TRY_VOID(run(std::move(*plan), follow));
  open_ = false;
  return {};
}

Status Keeper::write(Change& change, const Follow& follow) {
  std::set<std::string> identities(change.row_identities.begin(), change.row_identities.end());
  identities.erase("");
  if (!identities.empty()) {
    auto before = TRY(placed(identities));
    for (size_t index = 0; index < change.plan.rows.size(); ++index)
      if (auto found = before.find(change.row_identities[index]); found != before.end())
        change.plan.rows[index].old_profile = found->second.profile;
  }
  if (!change.ids.empty()) TRY_VOID(find_moves(change));
  if (change.plan.empty()) return {};
  TRY_VOID(reached("plan"));
  change.plan.step = step_ + 1;
  open_ = true;
  TRY_VOID(clickhouse::insert_exactly_once(pool_, tables_.plans, plan_block(change.plan),
                                           fmt::format("{}:{}:plan", definition_.slug(), change.plan.step),
                                           {}, policy_, stop_));
  step_ = change.plan.step;
  return run(std::move(change.plan), follow);
}

Status Keeper::copied(const std::string& table, const Follow& follow) {
  std::lock_guard lock(mutex_);
  if (stale_) return {};
  TRY_VOID(close(follow));
  for (const auto& mirrored : mirrored_) {
    if (mirrored.table.table != table) continue;
    std::set<std::string> keys;
    std::string origin = row_origin(table, "");
    for (const std::string& sql :
         {fmt::format("SELECT {} FROM bronze.{} FINAL WHERE _deleted = 0", mirrored.row_key,
                      quote_identifier(table)),
          fmt::format("SELECT substring(id, {}) FROM {} FINAL WHERE _deleted = 0 AND startsWith(id, {})",
                      origin.size() + 1, tables_.edges, quote_string(origin))})
      TRY_VOID(each(sql, [&](const Block& block) -> Status {
        for (size_t row = 0; row < block.rows(); ++row) keys.emplace(block.columns[0].text(row));
        return {};
      }));
    TRY_VOID(in_pages(keys, [&](const std::string& page) -> Status {
      Change change;
      std::vector<std::string> here;
      TRY_VOID(each(fmt::format("SELECT arrayJoin([{}])", page), [&](const Block& block) -> Status {
        for (size_t row = 0; row < block.rows(); ++row) here.emplace_back(block.columns[0].text(row));
        return {};
      }));
      TRY_VOID(compare_rows(mirrored, here, fmt::format("{} IN ({})", mirrored.row_key, page), change));
      // Cut 0: its rows are those that the plan names.
      change.plan.cuts.push_back({.table = table, .cut = 0, .floor = "0"});
      return write(change, follow);
    }));
  }
  return {};
}

void Keeper::remember(const Plan& plan) {
  for (const auto& cut : plan.cuts) taken_[cut.table] = {cut.floor, cut.cut};
}

Status Keeper::run(Plan plan, const Follow& follow) {
  remember(plan);
  TRY_VOID(apply(plan));
  TRY_VOID(reached("follow"));
  TRY_VOID(follow(plan.step));
  open_ = false;
  uint64_t partition = plan.step / limits::steps_a_partition;
  if (plan.step % limits::steps_a_partition == 0 && partition > 1)
    TRY_VOID(execute(fmt::format("ALTER TABLE {} DROP PARTITION {}", tables_.plans, partition - 2)));
  return {};
}

Status Keeper::follow_again(const Follow& follow) {
  std::lock_guard lock(mutex_);
  return step_ > 0 && !stale_ ? follow(step_) : Status();
}

Status Keeper::restitch(const std::vector<std::string>& ids, const Follow& follow) {
  std::lock_guard lock(mutex_);
  if (stale_) return fail(ErrorKind::conflict, "profiles are being made", "try again in a moment");
  TRY_VOID(close(follow));
  Change change;
  change.ids.insert(ids.begin(), ids.end());
  return write(change, follow);
}

}  // namespace tidemark::profiles
