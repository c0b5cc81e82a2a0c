#include "cli/erasure_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "profiles/dependent_views.h"
#include "profiles/erasure_limits.h"
#include "profiles/id_sql.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <thread>

namespace tidemark::cli {
namespace {

namespace json = boost::json;
using clickhouse::quote_identifier;
using clickhouse::quote_string;
using profiles::Deletion;
using profiles::DeletionStage;

std::string quoted(const std::vector<std::string>& texts) {
  std::vector<std::string> list;
  for (const auto& text : texts) list.push_back(quote_string(text));
  return list.empty() ? "''" : fmt::format("{}", fmt::join(list, ", "));
}

Result<std::vector<std::string>> texts_of(clickhouse::ClientPool& pool, const std::string& sql) {
  clickhouse::QueryOptions options;
  options.settings = {{"max_query_size", "100000000"}, {"log_queries", "0"}};
  options.timeout = profiles::limits::erasure_statement_max;
  std::vector<std::string> texts;
  TRY_VOID(pool.lease()->query_blocks(sql, options, [&](const Block& block) -> Status {
    for (size_t row = 0; row < block.rows(); ++row) texts.emplace_back(block.columns[0].text(row));
    return {};
  }));
  return texts;
}

void add_new(std::vector<std::string>& to, std::vector<std::string> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
}

json::object counts_of(const std::map<std::string, uint64_t>& counts) {
  json::object object;
  for (const auto& [name, count] : counts) object[name] = count;
  return object;
}

}  // namespace

ErasureRun::ErasureRun(clickhouse::ClientPool& pool, const config::Project& project,
                       const profiles::Definition& definition, std::vector<std::string> event_tables,
                       profiles::Suppressions& suppressions, const ErasureHooks& hooks,
                       const std::atomic<bool>& stop)
    : pool_(pool),
      project_(project),
      definition_(definition),
      event_tables_(std::move(event_tables)),
      suppressions_(suppressions),
      hooks_(hooks),
      stop_(stop),
      store_(pool) {}

Status ErasureRun::reached(Deletion& deletion, DeletionStage stage) {
  deletion.stage = stage;
  return store_.save(deletion);
}

Status ErasureRun::run(Deletion& deletion) {
  while (deletion.stage != DeletionStage::done) {
    if (stop_) return fail(ErrorKind::cancelled, "stopped");
    switch (deletion.stage) {
      case DeletionStage::asked:
        TRY_VOID(resolve(deletion));
        break;
      case DeletionStage::resolved:
        TRY_VOID(put_aside(deletion));
        break;
      case DeletionStage::aside:
        TRY_VOID(remove(deletion));
        break;
      case DeletionStage::removed:
      case DeletionStage::correcting:
        TRY_VOID(correct_at_barrier(deletion));
        break;
      case DeletionStage::corrected:
        TRY_VOID(finish(deletion));
        break;
      case DeletionStage::done:
        break;
    }
  }
  return {};
}

// Everything that hangs together with the ids known so far.
Status ErasureRun::find_ids(Deletion& deletion) {
  std::string map = "bronze." + quote_identifier(definition_.slug() + "_ids") + " FINAL WHERE _deleted = 0";
  add_new(deletion.people,
          TRY(texts_of(pool_, fmt::format("SELECT DISTINCT profile_id FROM {} AND id IN ({})", map,
                                          quoted(deletion.ids)))));
  add_new(deletion.ids, TRY(texts_of(pool_, fmt::format("SELECT id FROM {} AND profile_id IN ({})", map,
                                                        quoted(deletion.people)))));
  // The profile may have had other names: each id may once have been the first.
  std::vector<std::string> names;
  for (const auto& id : deletion.ids) names.push_back(profiles::profile_id(id));
  add_new(deletion.people, std::move(names));
  if (deletion.ids.size() > profiles::limits::erasure_ids_max)
    return fail(ErrorKind::limit,
                fmt::format("the profile has {} ids: that is no person", deletion.ids.size()),
                "find the id that joins so many, and add it to `blocked`");
  return hooks_.at_doors(
      [&] { return suppressions_.put(deletion.profiles, deletion.ids, true, deletion.number); });
}

Status ErasureRun::resolve(Deletion& deletion) {
  TRY_VOID(find_ids(deletion));
  TRY_VOID(hooks_.reach_fences());
  TRY_VOID(find_ids(deletion));
  return reached(deletion, DeletionStage::resolved);
}

Result<profiles::ErasableTable> ErasureRun::shape_of(const std::string& name, bool log) {
  profiles::ErasableTable table{.name = name, .log = log};
  for (const auto& column : TRY(clickhouse::table_columns(*pool_.lease(), "bronze", name)))
    if (!column.name.starts_with('_')) table.columns.push_back(column.name);
  return table;
}

Result<std::vector<ErasureRun::Part>> ErasureRun::parts(const Deletion& deletion) {
  std::vector<Part> parts;
  std::string events = quote_identifier(definition_.slug() + "_events");
  for (const auto& name : event_tables_) {
    Part part{.table = TRY(shape_of(name, true))};
    part.table.key = {"message_id"};
    part.condition = fmt::format(
        "message_id IN (SELECT message_id FROM bronze.{} FINAL WHERE _deleted = 0 AND source = {} AND "
        "profile_id IN ({}))",
        events, quote_string(name), quoted(deletion.people));
    parts.push_back(std::move(part));
  }
  for (const auto& about : definition_.tables) {
    Part part{.about = &about};
    part.condition =
        fmt::format("({})[1] IN ({})", profiles::row_ids(definition_, about), quoted(deletion.ids));
    for (const auto& source : project_.event_sources)
      for (const auto& posted : source.tables)
        if (posted.table == about.table) {
          part.table = TRY(shape_of(about.table, posted.key.empty()));
          part.table.key = posted.key;
          part.entity = "bronze." + posted.table;
        }
    for (const auto& inserted : project_.insert_tables)
      if (inserted.mirrored_name() == about.table) {
        part.table = TRY(shape_of(about.table, inserted.key.empty()));
        part.table.key = inserted.key;
        part.table.people = clickhouse::quote_table(inserted.database, inserted.table);
        part.table.inbox = clickhouse::quote_table("tidemark", "inbox_" + about.table);
        part.way = inserted.key.empty() ? Way::here : Way::by_its_cut;
        part.entity = part.table.people;
        std::erase(part.entity, '`');
      }
    if (!part.table.name.empty()) parts.push_back(std::move(part));
  }
  return parts;
}

Status ErasureRun::put_aside(Deletion& deletion) {
  for (const auto& part : TRY(parts(deletion)))
    TRY_VOID(profiles::put_aside(pool_, deletion.number, part.table, part.condition));
  return reached(deletion, DeletionStage::aside);
}

Result<uint64_t> ErasureRun::rows_aside(const Deletion& deletion, const Part& part) {
  Block block =
      TRY(pool_.query("SELECT count() FROM " + profiles::aside_table(deletion.number, part.table.name)));
  return block.columns[0].get<uint64_t>(0);
}

Status ErasureRun::remove(Deletion& deletion) {
  bool flows = false;
  for (const auto& part : TRY(parts(deletion))) {
    if (TRY(rows_aside(deletion, part)) == 0) continue;
    const profiles::ErasableTable& table = part.table;
    if (part.way == Way::here) {
      TRY_VOID(profiles::remove_rows(pool_, deletion.number, table));
      continue;
    }
    flows = true;
    std::string aside = profiles::aside_table(deletion.number, table.name);
    std::string key = clickhouse::quote_list(table.key), columns = clickhouse::quote_list(table.columns);
    clickhouse::QueryOptions options;
    options.timeout = profiles::limits::erasure_statement_max;
    TRY_VOID(pool_.execute(fmt::format("ALTER TABLE {0} DELETE WHERE ({1}) IN (SELECT {1} FROM {2}) SETTINGS "
                                       "mutations_sync = 2",
                                       table.people, key, aside),
                           options));
    TRY_VOID(pool_.execute(
        fmt::format("INSERT INTO {0} ({1}, _gone) SELECT {1}, 1 FROM {2}", table.inbox, columns, aside),
        options));
  }
  if (flows) TRY_VOID(hooks_.reach_fences());
  return reached(deletion, DeletionStage::removed);
}

Status ErasureRun::correct_at_barrier(Deletion& deletion) {
  while (hooks_.building()) {
    if (stop_) return fail(ErrorKind::cancelled, "stopped");
    std::this_thread::sleep_for(profiles::limits::erasure_look_again);
  }
  bool corrected = false;
  TRY_VOID(hooks_.at_barrier([&]() -> Status {
    // It has a copy of before, and would bring back what we take away.
    if (hooks_.building()) return {};
    TRY_VOID(reached(deletion, DeletionStage::correcting));
    TRY_VOID(correct(deletion));
    corrected = true;
    return {};
  }));
  if (!corrected) return {};
  look_again(TRY(parts(deletion)));
  return {};
}

void ErasureRun::look_again(const std::vector<Part>& parts) {
  std::vector<std::string> changed;
  for (const auto& part : parts) changed.push_back("bronze." + part.table.name);
  hooks_.changed(changed);
}

Status ErasureRun::correct(Deletion& deletion) {
  std::vector<profiles::ErasedRows> erased;
  std::vector<std::string> tables;
  for (const auto& part : TRY(parts(deletion))) {
    if (part.way != Way::here || TRY(rows_aside(deletion, part)) == 0) continue;
    auto corrected = TRY(profiles::correct_dependents(pool_, deletion.number, part.table, stop_));
    for (const auto& view : corrected.foreign)
      log::warn("deletion {}: the view {} over bronze.{} is none of ours and keeps what it has",
                deletion.number, view, part.table.name);
    erased.push_back(
        {.table = part.table.name, .aside = profiles::aside_table(deletion.number, part.table.name)});
    tables.push_back(part.table.name);
  }
  if (!erased.empty()) {
    TRY_VOID(hooks_.forget(erased));
    TRY_VOID(hooks_.follow(profiles::cut_of(deletion.number), tables));
  }
  return reached(deletion, DeletionStage::corrected);
}

// The receipt is written down before the copies go, without whom it is about: from then on nothing is asked
// of them, wherever a kill comes.
Status ErasureRun::finish(Deletion& deletion) {
  if (deletion.receipt.empty()) TRY_VOID(remove_traces(deletion));
  for (const auto& part : TRY(parts(deletion)))
    TRY_VOID(profiles::drop_aside(pool_, deletion.number, part.table));
  TRY_VOID(store_.forget_intents(deletion.number));
  deletion.done_at = system_clock().wall_micros();
  return reached(deletion, DeletionStage::done);
}

Status ErasureRun::remove_traces(Deletion& deletion) {
  auto all = TRY(parts(deletion));
  TRY_VOID(profiles::wait_until_told(pool_, fmt::format("entity IN ({})", quoted(deletion.people)), stop_));
  profiles::Traces traces{.definition = definition_,
                          .ids = deletion.ids,
                          .people = deletion.people,
                          .row_keys = {},
                          .row_entities = {}};
  for (const auto& part : all) {
    if (part.entity.empty() || part.table.key.empty()) continue;
    std::vector<std::string> texts;
    for (const auto& column : part.table.key)
      texts.push_back(fmt::format("ifNull(toString({}), '')", quote_identifier(column)));
    add_new(traces.row_keys,
            TRY(texts_of(pool_, fmt::format("SELECT DISTINCT {} FROM {}",
                                            texts.size() == 1
                                                ? texts.front()
                                                : fmt::format("toJSONString([{}])", fmt::join(texts, ", ")),
                                            profiles::aside_table(deletion.number, part.table.name)))));
    traces.row_entities.push_back(part.entity);
    traces.row_entities.push_back("bronze." + part.table.name);
  }
  std::string told = TRY(profiles::told_outside(pool_, traces));
  profiles::TraceCounts counts;
  TRY_VOID(hooks_.empty_spools());
  TRY_VOID(hooks_.at_barrier([&] { return profiles::remove_touched_keys(pool_, traces, counts); }));
  // Segments follow cuts a moment behind, and may not have asked for keys that went with these.
  look_again(all);
  // What waited there is fenced.
  for (const auto& part : all)
    if (part.way == Way::by_its_cut)
      TRY_VOID(pool_.execute(fmt::format(
          "ALTER TABLE {0} DELETE WHERE ({1}) IN (SELECT {1} FROM {2}) SETTINGS mutations_sync = 2",
          part.table.inbox, clickhouse::quote_list(part.table.key),
          profiles::aside_table(deletion.number, part.table.name))));
  TRY_VOID(profiles::remove_traces(pool_, traces, counts));
  deletion.receipt = TRY(receipt(deletion, all, told, counts));
  deletion.asked.clear();
  deletion.ids.clear();
  deletion.people.clear();
  return reached(deletion, DeletionStage::corrected);
}

// Rows of tables that are the source's own.
Result<std::map<std::string, uint64_t>> ErasureRun::at_source(const Deletion& deletion) {
  std::map<std::string, uint64_t> rows;
  auto ours = TRY(parts(deletion));
  for (const auto& about : definition_.tables) {
    if (std::any_of(ours.begin(), ours.end(), [&](const auto& part) { return part.about == &about; }))
      continue;
    Block block = TRY(pool_.query(fmt::format("SELECT count() FROM bronze.{} WHERE ({})[1] IN ({})",
                                              quote_identifier(about.table + "__current"),
                                              profiles::row_ids(definition_, about), quoted(deletion.ids))));
    if (uint64_t count = block.columns[0].get<uint64_t>(0)) rows["bronze." + about.table] = count;
  }
  return rows;
}

Result<std::string> ErasureRun::receipt(const Deletion& deletion, const std::vector<Part>& parts,
                                        const std::string& told, const profiles::TraceCounts& traces) {
  json::array hashes;
  for (const auto& id : deletion.ids)
    hashes.push_back(json::object{{"kind", id.substr(0, id.find(':'))},
                                  {"hash", suppressions_.hash(deletion.profiles, id)}});
  json::object rows;
  for (const auto& part : parts)
    if (uint64_t count = TRY(rows_aside(deletion, part))) rows["bronze." + part.table.name] = count;
  json::object object{{"ids", std::move(hashes)},
                      {"rows", std::move(rows)},
                      {"traces", counts_of(traces.removed)},
                      {"at_source", counts_of(TRY(at_source(deletion)))},
                      {"left", counts_of(traces.left)},
                      {"told", json::parse(told)}};
  return json::serialize(object);
}

}  // namespace tidemark::cli
