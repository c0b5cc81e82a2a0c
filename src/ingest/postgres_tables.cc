// How a PostgresPipeline looks at its tables at the beginning of each life, and what part each takes in it.
// The rest of it is in postgres_pipeline.cc.
#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/bronze_shape.h"
#include "ingest/bronze_tables.h"
#include "ingest/dropped_tables.h"
#include "ingest/postgres_pipeline.h"
#include "postgres/replication_setup.h"
#include "postgres/tables_by_oid.h"

namespace tidemark::ingest {

std::vector<uint32_t> PostgresPipeline::oids() const {
  std::vector<uint32_t> list;
  for (const auto& table : tables_) list.push_back(table.source.oid);
  return list;
}

// What the tables look like at the source, and what is taken of them.
Result<std::string> PostgresPipeline::fingerprint(postgres::Connection& connection) const {
  std::string text = TRY(postgres::shape_fingerprint(connection, oids()));
  for (const auto& table : tables_)
    if (!table.source.selection.everything()) text += "; " + table.name + " " + table.source.selection.text();
  return text;
}

Result<std::vector<CapturedTable>> PostgresPipeline::look_at_all(postgres::Connection& connection) const {
  std::map<uint32_t, postgres::SourceTable> sources;
  for (auto& source : TRY(postgres::read_tables_by_oid(connection, oids())))
    sources.emplace(source.oid, std::move(source));
  std::vector<CapturedTable> looked;
  for (const auto& table : tables_) {
    auto found = sources.find(table.source.oid);
    looked.push_back(found == sources.end() ? TRY(TableTender::look(connection, table))
                                            : TRY(TableTender::look(std::move(found->second), table)));
  }
  return looked;
}

// Where the tables are now against what is known of them: what can be followed is, everything else is copied
// by the tender. Between two lives of the stream, so nobody writes these tables.
Status PostgresPipeline::look_at_tables(postgres::Connection& connection, uint16_t epoch) {
  std::set<std::pair<std::string, std::string>> published = TRY(published_tables(connection));
  bool from_earlier_version = book_.empty();
  gone_.clear();
  BronzeTypes types = TRY(bronze_types(pool_));
  std::map<uint32_t, postgres::SourceTable> sources;
  for (auto& source : TRY(postgres::read_tables_by_oid(connection, oids())))
    sources.emplace(source.oid, std::move(source));
  for (auto& table : tables_) {
    auto record = book_.find(table.source.oid);
    auto found = sources.find(table.source.oid);
    auto looked = found == sources.end() ? TableTender::look(connection, table)
                                         : TableTender::look(std::move(found->second), table);
    if (!looked) {
      if (looked.error().kind == ErrorKind::dependency_down || !record)
        return fail(std::move(looked.error()));
      if (looked.error().kind == ErrorKind::config) {
        gone_.insert(table.source.oid);
        TRY_VOID(note_dropped(std::move(*record)));
        continue;
      }
      record->phase = TablePhase::copying;
      record->error = looked.error().message;
      TRY_VOID(book_.save(std::move(*record)));
      continue;
    }
    CapturedTable now = std::move(*looked);
    bool is_published = published.contains({now.source.schema, now.source.name});
    if (!record) record = TRY(first_record(now, epoch, from_earlier_version && is_published));
    // It is there again: the server was restored to a state from before.
    if (record->phase == TablePhase::dropped) record->phase = TablePhase::copying;
    if (record->phase != TablePhase::copying && from_earlier_version)
      TRY_VOID(keep_wider_types(pool_, now));
    else if (record->phase != TablePhase::copying)
      keep_wider_types(types, now);
    TRY_VOID(follow_table(now, std::move(*record), is_published));
    std::lock_guard lock(mutex_);
    table.source = std::move(now.source);
    table.log = now.log;
  }
  for (auto& record : dropped_before()) TRY_VOID(note_dropped(std::move(record)));
  std::lock_guard lock(mutex_);
  unknown_forms_.clear();
  return {};
}

Status PostgresPipeline::note_dropped(TableRecord record) {
  book_.note(record.oid, dropped_note);
  if (record.phase == TablePhase::dropped) return {};
  log::warn("source {}: table {} was {}", options_.source.name, record.name, dropped_note);
  record.phase = TablePhase::dropped;
  record.error.clear();
  return book_.save(std::move(record));
}

// Beside those that are looked at: dropped before the program started.
std::vector<TableRecord> PostgresPipeline::dropped_before() const {
  std::vector<TableRecord> records;
  for (auto& record : book_.dropped()) {
    bool there = std::any_of(tables_.begin(), tables_.end(), [&](const CapturedTable& table) {
      return table.source.oid == record.oid || table.name == record.name;
    });
    if (!there && names_table(options_.source.tables, record.name)) records.push_back(std::move(record));
  }
  return records;
}

Result<TableRecord> PostgresPipeline::first_record(const CapturedTable& table, uint16_t epoch,
                                                   bool was_there) {
  TableRecord record{.oid = table.source.oid,
                     .name = table.name,
                     .epoch = epoch,
                     .phase = was_there ? TablePhase::live : TablePhase::copying,
                     .shape = shape_of(table)};
  if (was_there)
    TRY_VOID(ensure_bronze(pool_, {table}, false));
  else
    TRY_VOID(begin_bronze_anew(table));
  return record;
}

Status PostgresPipeline::follow_table(CapturedTable& now, TableRecord record, bool is_published) {
  std::string before = record.shape.to_json();
  TablePhase phase = record.phase;
  if (record.phase == TablePhase::copying) {
    // Its rows come with the copy; what models are made over must have the shape at once.
    if (!compare(record.shape, now).none() || TRY(bronze_is_gone(now))) TRY_VOID(begin_bronze_anew(now));
    record.shape = shape_of(now);
  } else {
    ShapeChange change = compare(record.shape, now);
    TableShape shape = follow(record.shape, now);
    if (!is_published) change.copy_because = "it was not in the publication";
    if (change.copy_because.empty()) change.copy_because = explain_unknown_form(now, shape);
    if (change.copy_because.empty() && pool_.endpoint().cluster && !change.none())
      return fail(ErrorKind::unsupported,
                  fmt::format("table {} changed, which is not followed on a cluster: {}",
                              now.source.display(), change.words),
                  "copy the source again under the new shape with: tidemark up --recopy");
    if (change.copy_because.empty() && !change.none())
      TRY_IN(follow_in_place(pool_, now, shape, change, change.copy_because),
             "following " + now.source.display());
    record.shape = std::move(shape);
    if (!change.copy_because.empty()) {
      log::info("source {}: table {} is copied again: {}", options_.source.name, now.source.display(),
                change.copy_because);
      record.phase = TablePhase::copying;
      record.shape = shape_of(now);
      TRY_VOID(begin_bronze_anew(now, change.renamed));
    }
    if (!change.words.empty()) {
      log::info("source {}: table {} changed: {}", options_.source.name, now.source.display(), change.words);
      std::string models = hooks_.after_change ? hooks_.after_change(now.name) : "";
      if (!models.empty())
        log::warn("source {}: table {}: {}", options_.source.name, now.source.display(), models);
      book_.note(now.source.oid, change.words + (models.empty() ? "" : "; " + models));
    }
  }
  bool news = phase != record.phase || before != record.shape.to_json() || !book_.find(record.oid);
  return news ? book_.save(std::move(record)) : Status();
}

Status PostgresPipeline::begin_bronze_anew(const CapturedTable& table,
                                           const std::vector<ShapeChange::Renamed>& renamed) {
  if (hooks_.before_copy) TRY_VOID(hooks_.before_copy({table.name}));
  return make_bronze_anew(pool_, table, renamed);
}

Result<bool> PostgresPipeline::bronze_is_gone(const CapturedTable& table) {
  return !TRY(clickhouse::table_exists(*pool_.lease(), "bronze", table.name));
}

// The stream spoke of the table in a form that is neither that of now nor one of before: it changed several
// times since. What that form must have been becomes one of those of `shape`; else says why the table is
// copied.
std::string PostgresPipeline::explain_unknown_form(const CapturedTable& table, TableShape& shape) const {
  std::lock_guard lock(mutex_);
  auto found = unknown_forms_.find(table.source.oid);
  if (found == unknown_forms_.end() || shape.find(found->second) != nullptr) return {};
  std::optional<TableForm> form;
  if (shape.forms.size() > 1)
    form = form_between(*std::prev(shape.forms.end(), 2), shape.form(), found->second);
  if (!form) return "it changed several times, and what its columns were in between cannot be told";
  shape.forms.insert(std::prev(shape.forms.end()), std::move(*form));
  return {};
}

Result<std::set<std::pair<std::string, std::string>>> PostgresPipeline::published_tables(
    postgres::Connection& connection) {
  auto rows = TRY(
      connection.query("SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = " +
                       postgres::quote_literal(options_.source.publication)));
  std::set<std::pair<std::string, std::string>> published;
  for (size_t row = 0; row < rows.size(); ++row) published.emplace(rows.at(row, 0), rows.at(row, 1));
  bool all_dropped = published.empty() && TRY(postgres::read_tables_by_oid(connection, oids())).empty();
  if (published.empty() && !all_dropped)
    return fail(
        ErrorKind::unsupported,
        fmt::format("the publication {} is gone or empty, so nothing of this source was captured since",
                    options_.source.publication),
        "name the one the slot was made with (`publication`), or copy the source again with: tidemark "
        "up --recopy");
  return published;
}

Status PostgresPipeline::publish_tables(postgres::Connection& connection) {
  std::vector<postgres::SourceTable> wanted;
  for (const auto& table : tables_)
    if (!gone_.contains(table.source.oid)) wanted.push_back(table.source);
  if (wanted.empty()) return {};
  return postgres::ensure_publication(connection, options_.source.publication, options_.source.slot, wanted);
}

// A table that was copied goes in with the others from here on. A cut that was planned without it comes
// first: its boundaries are written down.
Status PostgresPipeline::join_copied_table(postgres::Connection& connection, uint16_t epoch) {
  for (const auto& table : tables_) {
    auto record = book_.find(table.source.oid);
    if (!record || record->phase != TablePhase::copied) continue;
    auto newest = TRY(state_store_.newest(options_.source.name, epoch));
    if (newest.planned && newest.fenced && newest.planned->cut > newest.fenced->cut) {
      TRY_VOID(stream(epoch, {.only_replay = true}));
      newest = TRY(state_store_.newest(options_.source.name, epoch));
      if (newest.planned->cut > newest.fenced->cut) return {};  // told to stop: the next life
    }
    if (!newest.fenced) return {};
    record->phase = TablePhase::joining;
    record->join_cut = newest.fenced->cut + 1;
    TRY_VOID(book_.save(std::move(*record)));
    // So that there is something to read behind the fence, and the table is known to have caught up.
    TRY(connection.query("SELECT pg_catalog.pg_logical_emit_message(true, 'tidemark', 'join')"));
    return {};
  }
  return {};
}

// How each table takes part, and where those that are late are.
PostgresPipeline::Lanes PostgresPipeline::lanes_at(const CutRecord& fenced) const {
  Lanes lanes;
  std::lock_guard lock(mutex_);
  for (const auto& table : tables_) {
    auto record = book_.find(table.source.oid);
    if (!record) continue;
    LaneStart lane{.follows = record->phase == TablePhase::live || record->phase == TablePhase::joining,
                   .from = record->from,
                   .shape = book_.shape(table.source.oid)};
    if (record->phase == TablePhase::copied) lanes.hold_lsn = record->from;
    if (record->phase == TablePhase::joining) {
      postgres::Lsn place = fenced.cut < record->join_cut ? record->from : late_of(fenced);
      lane.late = place != 0 && place < fenced.end_lsn;
      if (lane.late) lanes.late_lsn = place;
    }
    lanes.of[&table] = lane;
  }
  return lanes;
}

}  // namespace tidemark::ingest
