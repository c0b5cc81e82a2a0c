#include "cli/redaction_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "models/audits.h"
#include "profiles/dependent_views.h"
#include "profiles/erasure_limits.h"
#include "profiles/redacted_rows.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <thread>

namespace tidemark::cli {

namespace json = boost::json;
using profiles::Deletion;
using profiles::DeletionStage;

Result<profiles::ErasableTable> RedactionRun::table(const std::string& name) {
  profiles::ErasableTable table;
  for (const auto& inserted : project_.insert_tables)
    if (inserted.full_name() == name) {
      table.name = inserted.mirrored_name();
      table.key = inserted.key;
      table.people = clickhouse::quote_table(inserted.database, inserted.table);
      table.inbox = clickhouse::quote_table("tidemark", "inbox_" + table.name);
    }
  if (table.name.empty()) {
    table.name = name.substr(name.find('.') + 1);
    table.key = {"message_id"};
  }
  for (const auto& column : TRY(clickhouse::table_columns(*pool_.lease(), "bronze", table.name)))
    if (!column.name.starts_with('_')) table.columns.push_back(column.name);
  if (table.columns.empty())
    return fail(ErrorKind::config, fmt::format("there is no table {} to redact", name),
                "it is made when its source starts");
  return table;
}

Status RedactionRun::reached(Deletion& record, DeletionStage stage) {
  record.stage = stage;
  return store_.save(record);
}

Result<std::string> RedactionRun::when() {
  std::string query = TRY_IN(models::over_current(redaction_->when), redaction_->where.describe());
  clickhouse::QueryOptions options;
  options.settings = {{"log_queries", "0"}};
  return TRY_IN(pool_.lease()->query_text(query + "\nFORMAT TSV", options), redaction_->where.describe());
}

Result<bool> RedactionRun::due() {
  std::string select = TRY_IN(models::over_current(redaction_->sql), redaction_->where.describe());
  auto of = TRY(table(redaction_->table));
  (void)TRY_IN(profiles::columns_to_set(*pool_.lease(), of, select), redaction_->where.describe());
  return TRY_IN(profiles::has_rows(pool_, select), redaction_->where.describe());
}

Result<bool> RedactionRun::run(Deletion& record) {
  while (record.stage != DeletionStage::done) {
    if (stop_) return fail(ErrorKind::cancelled, "stopped");
    switch (record.stage) {
      case DeletionStage::asked:
      case DeletionStage::resolved:
        TRY_VOID(put_aside(record));
        break;
      case DeletionStage::aside:
        TRY_VOID(insert(record));
        break;
      case DeletionStage::removed:
      case DeletionStage::correcting:
        TRY_VOID(correct_at_barrier(record));
        break;
      case DeletionStage::corrected:
        return finish(record);
      case DeletionStage::done:
        break;
    }
  }
  return true;
}

Status RedactionRun::put_aside(Deletion& record) {
  auto of = TRY(table(record.asked));
  if (redaction_ == nullptr) return reached(record, DeletionStage::done);
  std::string select = TRY(models::over_current(redaction_->sql));
  profiles::PutAside put =
      TRY_IN(profiles::put_images_aside(pool_, record.number, of, select), redaction_->where.describe());
  record.ids = std::move(put.texts);
  record.people = std::move(put.keys);
  return reached(record, DeletionStage::aside);
}

Status RedactionRun::insert(Deletion& record) {
  auto of = TRY(table(record.asked));
  if (!of.people.empty()) {
    TRY_VOID(profiles::take_place(pool_, record.number, of));
    TRY_VOID(hooks_.reach_fences());
  }
  return reached(record, DeletionStage::removed);
}

Status RedactionRun::correct_at_barrier(Deletion& record) {
  auto of = TRY(table(record.asked));
  if (!of.people.empty()) return reached(record, DeletionStage::corrected);
  while (hooks_.building()) {
    if (stop_) return fail(ErrorKind::cancelled, "stopped");
    std::this_thread::sleep_for(profiles::limits::erasure_look_again);
  }
  bool corrected = false;
  TRY_VOID(hooks_.at_barrier([&]() -> Status {
    // It has a copy of before.
    if (hooks_.building()) return {};
    TRY_VOID(reached(record, DeletionStage::correcting));
    TRY_VOID(correct(record));
    corrected = true;
    return {};
  }));
  if (corrected) hooks_.changed({"bronze." + of.name});
  return {};
}

Status RedactionRun::correct(Deletion& record) {
  auto of = TRY(table(record.asked));
  TRY_VOID(profiles::take_place(pool_, record.number, of));
  auto corrected = TRY(profiles::correct_dependents(pool_, record.number, of, stop_));
  for (const auto& view : corrected.foreign)
    log::warn("{}: the view {} over bronze.{} is none of ours and keeps what it has", record.profiles, view,
              of.name);
  TRY_VOID(hooks_.follow(profiles::cut_of(record.number), {of.name}));
  return reached(record, DeletionStage::corrected);
}

// As ErasureRun::finish.
Result<bool> RedactionRun::finish(Deletion& record) {
  auto of = TRY(table(record.asked));
  bool again = false;
  if (record.receipt.empty()) {
    again = redaction_ != nullptr &&
            TRY(profiles::asks_again(pool_, record.number, of, TRY(models::over_current(redaction_->sql))));
    TRY_VOID(remove_traces(record, of));
  }
  TRY_VOID(profiles::drop_images(pool_, record.number, of));
  TRY_VOID(store_.forget_intents(record.number));
  record.done_at = system_clock().wall_micros();
  TRY_VOID(reached(record, DeletionStage::done));
  return !again;
}

Status RedactionRun::remove_traces(Deletion& record, const profiles::ErasableTable& of) {
  profiles::TraceCounts counts;
  TRY_VOID(profiles::wait_until_told(pool_, "1", stop_));
  TRY_VOID(hooks_.empty_spools());
  TRY_VOID(profiles::remove_old_images(pool_, record.number, of));
  TRY_VOID(hooks_.at_barrier([&] { return profiles::remove_touched_texts(pool_, record.ids, counts); }));
  // Segments follow cuts a moment behind, and may not have asked for keys that went with these.
  hooks_.changed({"bronze." + of.name});
  TRY_VOID(profiles::remove_texts(pool_, record.ids, record.people, counts));
  Block rows = TRY(pool_.query(
      fmt::format("SELECT count() FROM {} WHERE _sign = 1", profiles::aside_table(record.number, of.name))));
  auto object = [](const std::map<std::string, uint64_t>& by_table) {
    json::object out;
    for (const auto& [name, count] : by_table) out[name] = count;
    return out;
  };
  record.receipt = json::serialize(
      json::object{{"rows", json::object{{"bronze." + of.name, rows.columns[0].get<uint64_t>(0)}}},
                   {"traces", object(counts.removed)},
                   {"left", object(counts.left)}});
  record.ids.clear();
  record.people.clear();
  return reached(record, DeletionStage::corrected);
}

}  // namespace tidemark::cli
