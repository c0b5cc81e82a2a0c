#include "ingest/applier.h"

#include "base/cut_number.h"
#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/held_rows.h"
#include "ingest/lane_workers.h"
#include "ingest/repeated_rows.h"
#include "ingest/source_images.h"
#include "ingest/split_part.h"
#include "ingest/stop_limits.h"

namespace tidemark::ingest {
namespace {

bool inserts_only(const Part& part) {
  return part.unchanged.empty() &&
         std::all_of(part.operations.begin(), part.operations.end(),
                     [](Operation operation) { return operation == Operation::insert; });
}

}  // namespace

clickhouse::RetryPolicy apply_policy(const std::string& what) {
  clickhouse::RetryPolicy policy;
  policy.deadline = limits::apply_deadline;
  policy.on_retry = [what](const Error& error, int attempt) {
    // The first few tries are the ordinary noise of a restart.
    if (attempt == 3 || attempt % 50 == 0)
      log::warn("{}: the warehouse does not take rows, trying again: {}", what, error.message);
  };
  return policy;
}

clickhouse::RetryPolicy farewell_policy() {
  return {.deadline = limits::farewell_deadline, .attempt_timeout = limits::farewell_deadline};
}

Status say_farewell(clickhouse::ClientPool& pool, const std::string& stream, uint16_t epoch,
                    const ApplierCounters& counters, const std::atomic<bool>& stop) {
  if (counters.in_doubt) return {};
  StateStore store(pool, farewell_policy(), stop);
  auto last = TRY(store.fenced(stream, epoch));
  return last ? store.stopped(*last) : Status();
}

Status send_inserts(clickhouse::ClientPool& pool, Part& part, const std::string& token,
                    const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  const CapturedTable& table = *part.table;
  if (table.has_changes) {
    size_t rows = part.rows.rows();
    Block changes;
    std::vector<size_t> lent;
    for (size_t index = 0; index < part.rows.names.size(); ++index) {
      if (part.rows.names[index] == bookkeeping::deleted) continue;
      changes.names.push_back(part.rows.names[index]);
      changes.columns.push_back(std::move(part.rows.columns[index]));
      lent.push_back(index);
    }
    changes.add(bookkeeping::sign, ColumnType::of(TypeKind::int8));
    changes.columns.back().fill<int8_t>(1, rows);
    changes.add(bookkeeping::operation, ColumnType::of(TypeKind::string));
    for (size_t row = 0; row < rows; ++row) changes.columns.back().append_text("insert");
    Status sent = clickhouse::insert_exactly_once(pool, table.target("__changes"), changes,
                                                  token + ":changes", {}, policy, stop);
    for (size_t index = 0; index < lent.size(); ++index)
      part.rows.columns[lent[index]] = std::move(changes.columns[index]);
    TRY_VOID(std::move(sent));
  }
  return clickhouse::insert_exactly_once(pool, table.target(), part.rows, token, {}, policy, stop);
}

Applier::Applier(clickhouse::ClientPool& pool, StateStore& state, const ModelHooks& hooks,
                 CutHandoff& handoff, std::map<const CapturedTable*, TableCounters*> tables,
                 ApplierCounters& counters, const Clock& clock, std::function<void(const CutEvent&)> on_cut,
                 const std::atomic<bool>& stop)
    : pool_(pool),
      state_(state),
      hooks_(hooks),
      handoff_(handoff),
      tables_(std::move(tables)),
      counters_(counters),
      clock_(clock),
      on_cut_(std::move(on_cut)),
      stop_(stop),
      policy_(state.guarded(apply_policy("apply"))),
      images_(bronze_images(pool, policy_, stop)) {}

Status Applier::run() {
  auto cut = handoff_.take();
  bool planned = false;
  while (cut) {
    std::shared_ptr<Cut> next;
    enter_cut();
    // The wait may have been for somebody who ended this life of the stream.
    Status applied =
        handoff_.closed() ? fail(ErrorKind::cancelled, "the stream begins anew") : apply(*cut, planned, next);
    if (!applied) {
      leave_cut();
      if (hooks_.rows.failed) hooks_.rows.failed();
      if (handoff_.closed() && applied.error().kind == ErrorKind::cancelled) return {};
      cut->abort();
      handoff_.close();
      if (stop_) return {};
      return applied;
    }
    cut = next ? std::move(next) : handoff_.take();
  }
  return {};
}

void Applier::enter_cut() {
  if (hooks_.barrier == nullptr || std::exchange(in_cut_, true)) return;
  hooks_.barrier->begin_cut();
}

void Applier::leave_cut() {
  if (std::exchange(in_cut_, false)) hooks_.barrier->end_cut();
}

// `planned`: the cut's boundaries are written; afterwards: those of `next` are, when there is one.
Status Applier::apply(Cut& cut, bool& planned, std::shared_ptr<Cut>& next) {
  // A cut without rows only moves the fence: nothing to replay, so nothing to plan.
  auto needs_plan = [](const Cut& other) {
    return other.plan() == Plan::needed && other.record().last_lsn != 0;
  };
  if (!planned && needs_plan(cut)) TRY_VOID(state_.plan(cut.record()));
  std::vector<std::string> touched;
  counters_.in_doubt = true;
  if (hooks_.rows.begins)
    hooks_.rows.begins(cut.record().source, cut.record().cut, cut.plan() == Plan::written);
  // Not left on failure: then the cut is half in until it is sent again.
  if (hooks_.parts_gate != nullptr) hooks_.parts_gate->enter(cut.record().source);
  TRY_VOID(send_parts(cut, touched));
  CutRecord record = cut.record();
  if (hooks_.parts_gate != nullptr) hooks_.parts_gate->leave(record.source);
  if (hooks_.after_parts && !touched.empty())
    TRY_VOID(
        hooks_.after_parts(record.cut, make_version(record.epoch, record.last_lsn, ordinal_max), touched));

  int64_t now = clock_.wall_micros();
  for (const auto& transaction : cut.transactions())
    if (transaction.rows > 0)
      counters_.queryable_us.add(static_cast<uint64_t>(std::max<int64_t>(0, now - transaction.committed_at)));
  counters_.queryable_lsn = record.end_lsn;
  if (record.committed_at > 0) counters_.as_of_micros = record.committed_at;

  // Whatever has gathered meanwhile becomes the next cut now, so that its boundaries travel with this one's
  // fence.
  handoff_.done();
  next = handoff_.take(limits::next_cut_wait);
  planned = next != nullptr && needs_plan(*next);
  counters_.transactions += cut.transactions().size();
  counters_.rows += record.rows;
  // Neither needs a plan: a crash now sends rows again that are the same rows, so one fence may do for
  // several cuts.
  bool later = next != nullptr && !planned && cut.plan() == Plan::unnecessary &&
               next->plan() == Plan::unnecessary &&
               clock_.monotonic_micros() - fenced_at_micros_ < limits::fence_distance_us &&
               !(hooks_.barrier != nullptr && hooks_.barrier->wanted());
  if (!later) {
    CutRecord next_record = planned ? next->record() : CutRecord();
    TRY_VOID(state_.fence(record, planned ? &next_record : nullptr));
    counters_.late_lsn = late_of(record);
    counters_.fenced_lsn = record.end_lsn;
    counters_.cut = record.cut;
    counters_.in_doubt = false;
    fenced_at_micros_ = clock_.monotonic_micros();
    handoff_.settled();
    leave_cut();
  }
  for (auto& table : touched) table = "bronze." + table;
  if (on_cut_ && !touched.empty())
    on_cut_(CutEvent{.source = record.source,
                     .cut = record.cut,
                     .end_lsn = record.end_lsn,
                     .committed_at_micros = record.committed_at,
                     .queryable_at_micros = now,
                     .rows = record.rows,
                     .tables = touched});
  return {};
}

Status Applier::send_parts(Cut& cut, std::vector<std::string>& touched) {
  CutRecord record = cut.record();
  auto touch = [&](const Part& part) {
    const std::string& name = part.table->name;
    if (std::find(touched.begin(), touched.end(), name) == touched.end()) touched.push_back(name);
  };
  // Most cuts at low load are one part: no need to wake a worker for it.
  auto first = cut.pop();
  if (!first) return cut.aborted() ? Status(fail(ErrorKind::cancelled, "the cut was abandoned")) : Status();
  touch(*first);
  auto second = cut.pop();
  if (!second) {
    if (cut.aborted()) return fail(ErrorKind::cancelled, "the cut was abandoned");
    return send(*first, record, cut.plan());
  }
  LaneWorkers workers(limits::apply_workers, [&](Part& part) {
    Status sent = send(part, record, cut.plan());
    cut.sent(part);
    return sent;
  });
  workers.submit(std::move(first));
  touch(*second);
  workers.submit(std::move(second));
  while (auto part = cut.pop()) {
    touch(*part);
    if (!workers.submit(std::move(part))) break;
  }
  TRY_VOID(workers.finish());
  if (cut.aborted()) return fail(ErrorKind::cancelled, "the cut was abandoned");
  return {};
}

Status Applier::insert(const std::string& table, const Block& block, const std::string& token) {
  return clickhouse::insert_exactly_once(pool_, table, block, token, {}, policy_, stop_);
}

// An error that is the table's own: its rows are refused while the warehouse answers.
Status Applier::send(Part& part, const CutRecord& record, Plan plan) {
  bool told = false;
  Status sent = send_rows(part, record, plan, told);
  if (sent && !told && hooks_.rows.part_in)
    hooks_.rows.part_in(record.source, record.cut, part.table->name, nullptr);
  if (sent || !on_refused_ || stop_) return sent;
  ErrorKind kind = sent.error().kind;
  if ((kind != ErrorKind::refused && kind != ErrorKind::unsupported) || !pool_.query("SELECT 1")) return sent;
  on_refused_(*part.table, sent.error());
  return fail(ErrorKind::cancelled, sent.error().message);
}

Status Applier::send_rows(Part& part, const CutRecord& record, Plan plan, bool& told) {
  const CapturedTable& table = *part.table;
  auto tell = [&] {
    told = table.log;
    if (told && hooks_.rows.part_in) hooks_.rows.part_in(record.source, record.cut, table.name, &part.rows);
  };
  std::string token =
      fmt::format("{}:{}:{}:{}:{}", record.source, record.epoch, part.cut, table.name, part.number);
  // Without a plan the cut of this number may end elsewhere the next time, and its part must not pass for
  // this one.
  if (plan == Plan::unnecessary) token += fmt::format(":{}", record.last_lsn);
  TableCounters& counters = *tables_.at(&table);
  if (part.truncate) return send_truncate(part, token);
  // On a cluster: rows that were written down before they were sent are sent as they were.
  bool crosses = TRY(takes_from_other_shard(pool_, part, policy_, stop_));
  if (crosses && plan == Plan::written)
    if (auto held = TRY(held_rows(pool_, token, policy_, stop_))) {
      TRY_VOID(insert(table.target(), *held, token));
      counters.applied += held->rows();
      return {};
    }
  bool changes_are_in = false;
  // Old images can be read only as long as the part's own rows are not in.
  if (table.keeps_first) {
    TRY_VOID(leave_out_known(part));
    if (part.operations.empty()) {
      tell();
      return {};
    }
  } else if (table.repeats && !table.log) {
    size_t sent = part.operations.size();
    if (!table.has_changes && part.unchanged.empty()) {
      TRY_VOID(insert(table.target(), part.rows, token));
      counters.applied += sent;
      return {};
    }
    drop_repeated(part, TRY_IN(newest_versions(pool_, part, policy_, stop_), "reading " + table.display()));
    if (part.operations.empty()) return {};
  } else if (plan == Plan::written) {
    Arrival arrival = TRY(take_out_arrived(pool_, part, policy_, stop_));
    if (arrival == Arrival::all) return {};
    changes_are_in = arrival == Arrival::some;
  }
  if (inserts_only(part)) {
    tell();
    TRY_VOID(send_inserts(pool_, part, token, policy_, stop_));
  } else {
    ImageReader source;
    if (source_)
      source = [&](const CapturedTable& asked, const Block& keys) {
        return read_once(pool_, source_, asked, keys, token + ":source", plan == Plan::written, policy_,
                         stop_);
      };
    ChangeRows changes = TRY_IN(complete(part, images_, source), "completing " + table.display());
    if (changes.missing_old > 0) {
      counters.missing_old += changes.missing_old;
      log::warn("{}: {} changes of rows that are not in the warehouse; run: tidemark verify {}",
                table.display(), changes.missing_old, table.name);
    }
    TRY_VOID(put_away(part, record.source, changes.refused));
    if (table.has_changes && !changes_are_in)
      TRY_VOID(insert(table.target("__changes"), changes.rows, token + ":changes"));
    if (crosses) TRY_VOID(hold_rows(pool_, part.rows, token, policy_, stop_));
    TRY_VOID(insert(table.target(), part.rows, token));
  }
  counters.applied += part.operations.size();
  return {};
}

Status Applier::leave_out_known(Part& part) {
  const CapturedTable& table = *part.table;
  auto known = known_.find(&table);
  KnownKeys* keys = known == known_.end() ? nullptr : known->second;
  tables_.at(&table)->duplicates += keep_first(
      part, TRY_IN(newest_versions(pool_, part, policy_, stop_, keys), "reading " + table.display()));
  // Before they are sent: what may be in is looked up the next time.
  if (keys != nullptr) {
    const Column& column = part.rows.columns[table.source.key.front()];
    for (size_t row = 0; row < column.rows(); ++row) keys->add(KnownKeys::hash(column.text(row)));
  }
  return {};
}

Status Applier::put_away(const Part& part, const std::string& source,
                         const std::vector<RefusedUpdate>& refused) {
  if (refused.empty()) return {};
  const CapturedTable& table = *part.table;
  log::warn("{}: {} updates of rows that are not in the warehouse went to quarantine", table.display(),
            refused.size());
  std::vector<QuarantinedRow> rows;
  for (const auto& update : refused)
    rows.push_back({.source = source,
                    .table = table.name,
                    .column = table.source.columns[update.column].name,
                    .reason = "the update leaves out this large value, and the row is not in the warehouse",
                    .bytes = update.key,
                    .lsn = version_lsn(update.version),
                    .ordinal = version_ordinal(update.version) / 2});
  tables_.at(&table)->quarantined += rows.size();
  return state_.quarantine(rows);
}

// Everything older than the TRUNCATE goes. The change rows come from the current state in key order by one
// thread, so a replay makes the same blocks; they are complete before the first tombstone is written, so a
// replay that finds fewer rows finds its tokens used. Tombstones need no token: the same version for the same
// key is the same row.
Status Applier::send_truncate(const Part& part, const std::string& token) {
  const CapturedTable& table = *part.table;
  std::string version = fmt::format("toUInt128('{}')", part.truncate_version);
  std::string tail = fmt::format("{}, fromUnixTimestamp64Micro({}, 'UTC'), {}", version,
                                 part.truncate_committed_at, part.cut);
  std::vector<std::string> all;
  for (const auto& column : table.source.columns) all.push_back(column.name);
  std::string older = fmt::format("_version < {}", version);
  if (part.truncate_own_rows)
    older += fmt::format(" AND _cut >= {} AND _cut < {}", first_cut_of_stream(part.cut),
                         first_cut_of_stream(part.cut) + cuts_a_stream);
  std::string columns = clickhouse::quote_list(all);
  std::string key = clickhouse::quote_list(table.key_names());
  clickhouse::QueryOptions options;
  options.timeout = policy_.attempt_timeout;
  // Each shard for itself: a row and its tombstone are on the same one.
  options.placement = clickhouse::Placement::shards;
  auto run = [&](const std::string& sql) {
    return clickhouse::retry(policy_, stop_, [&] { return pool_.lease()->execute(sql, options); });
  };
  if (table.log) {
    if (table.has_changes)
      return fail(
          ErrorKind::unsupported,
          fmt::format("{} was truncated, and it is an append-only log that models add up", table.display()),
          "give the table a primary key, or do not truncate it");
    return run(
        fmt::format("ALTER TABLE {} DELETE WHERE {} SETTINGS mutations_sync = 1", table.target(), older));
  }
  if (table.has_changes) {
    options.settings = clickhouse::exactly_once_settings(token + ":changes");
    options.settings["max_threads"] = "1";
    // Blocks are counted off behind the sort, whatever other rows the table has then.
    options.settings["optimize_read_in_order"] = "0";
    TRY_VOID(run(fmt::format(
        "INSERT INTO {} ({}, _sign, _op, _version, _committed_at, _cut) SELECT {}, -1, 'truncate', {} "
        "FROM {} FINAL WHERE _deleted = 0 AND {} ORDER BY {}",
        table.target("__changes"), columns, columns, tail, table.target(), older, key)));
    options.settings.clear();
  }
  return run(fmt::format(
      "INSERT INTO {} ({}, _deleted, _version, _committed_at, _cut) SELECT {}, 1, {} FROM {} FINAL "
      "WHERE _deleted = 0 AND {}",
      table.target(), key, key, tail, table.target(), older));
}

}  // namespace tidemark::ingest
