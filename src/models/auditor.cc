#include "models/auditor.h"

#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/schema.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_string;

constexpr std::chrono::milliseconds poll_every{200};
// Behind by more than this, a source needs the machine more than an audit does; below it is the ordinary
// distance of a cut.
constexpr int64_t yielding_lag_ms = 250;
constexpr int64_t yielding_us_max = 10'000'000;

Version version_at(const SourcePosition& position) {
  return make_version(position.epoch, position.queryable, 0);
}

bool nothing_under_way(const SourcePositions& positions) {
  return std::all_of(positions.begin(), positions.end(), [](const auto& entry) { return entry.second.idle; });
}

bool same_place(const SourcePositions& one, const SourcePositions& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const auto& left, const auto& right) {
                      return left.first == right.first && left.second.queryable == right.second.queryable;
                    });
}

}  // namespace

Auditor::Auditor(AuditorOptions options) : options_(std::move(options)) {}
Auditor::~Auditor() {
  stop();
}

void Auditor::replace(std::vector<Audit> audits, std::map<std::string, std::string> sources) {
  std::lock_guard lock(mutex_);
  sources_ = std::move(sources);
  std::vector<std::shared_ptr<Entry>> entries;
  for (auto& audit : audits) {
    auto entry = std::make_shared<Entry>();
    entry->state.model = audit.model;
    entry->state.audit = audit.audit;
    for (const auto& before : entries_)
      if (before->audit.model == audit.model && before->audit.audit == audit.audit)
        entry->state = before->state;
    entry->state.description = audit.description;
    entry->state.severity = audit.severity;
    entry->audit = std::move(audit);
    entries.push_back(std::move(entry));
  }
  entries_ = std::move(entries);
}

void Auditor::start() {
  thread_ = std::thread([this] {
    while (true) {
      int64_t before = options_.clock->monotonic_micros();
      bool asked = step();
      auto rest = std::chrono::microseconds(
          asked ? (options_.clock->monotonic_micros() - before) * limits::audit_rest_factor : 0);
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(
              lock,
              std::max<std::chrono::microseconds>(rest, asked ? std::chrono::microseconds(0) : poll_every),
              [&] { return stopping_; }))
        return;
    }
  });
}

void Auditor::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Auditor::on_cut(const std::vector<std::string>& tables) {
  std::lock_guard lock(mutex_);
  for (const auto& entry : entries_)
    for (const auto& table : tables)
      if (entry->audit.tables.contains(table)) entry->pending.insert(table);
}

void Auditor::ask_again(const std::vector<std::string>& models) {
  std::lock_guard lock(mutex_);
  for (const auto& entry : entries_)
    if (std::find(models.begin(), models.end(), entry->audit.model) != models.end()) entry->whole_due_at = 0;
}

std::vector<AuditState> Auditor::states() const {
  std::lock_guard lock(mutex_);
  std::vector<AuditState> states;
  for (const auto& entry : entries_) states.push_back(entry->state);
  return states;
}

// Holds mutex_.
Auditor::Question Auditor::question(const Entry& entry, int64_t now) const {
  bool whole = !entry.asked || now >= entry.whole_due_at;
  if (!whole && entry.pending.empty()) return Question::none;
  if (!whole) {
    const Audit& audit = entry.audit;
    std::set<std::string> sources;
    for (const auto& table : audit.tables)
      if (auto found = sources_.find(table); found != sources_.end()) sources.insert(found->second);
    // Versions of two sources cannot be compared.
    bool enough = !audit.changed_query.empty() && entry.state.passed() && sources.size() == 1 &&
                  entry.positions.contains(*sources.begin()) &&
                  std::includes(audit.changed_tables.begin(), audit.changed_tables.end(),
                                entry.pending.begin(), entry.pending.end());
    if (enough) return now >= entry.changes_allowed_at ? Question::changes : Question::none;
  }
  return now >= entry.whole_allowed_at ? Question::whole : Question::none;
}

// A source that stays behind for longer than a burst takes may stay so for hours, and audits must not.
bool Auditor::yields(const SourcePositions& positions) {
  bool behind = std::any_of(positions.begin(), positions.end(),
                            [](const auto& entry) { return entry.second.lag_ms > yielding_lag_ms; });
  int64_t now = options_.clock->monotonic_micros();
  if (!behind) {
    behind_since_ = 0;
    return false;
  }
  if (behind_since_ == 0) behind_since_ = now;
  return now - behind_since_ < yielding_us_max;
}

bool Auditor::step() {
  auto positions = options_.positions();
  if (!positions || yields(*positions)) return false;
  std::shared_ptr<Entry> entry;
  Question asked = Question::none;
  std::set<std::string> pending;
  bool scheduled = false;
  Version since = 0;
  Audit audit;
  {
    std::lock_guard lock(mutex_);
    int64_t now = options_.clock->monotonic_micros();
    for (const auto& candidate : entries_) {
      Question next = question(*candidate, now);
      if (next == Question::none) continue;
      // The one that waited longest.
      if (entry && entry->state.at_micros <= candidate->state.at_micros) continue;
      entry = candidate;
      asked = next;
    }
    if (!entry) return false;
    pending = std::exchange(entry->pending, {});
    scheduled = !entry->asked || now >= entry->whole_due_at;
    audit = entry->audit;
    if (asked == Question::changes) since = entry->positions.begin()->second;
  }
  if (!client_) client_.emplace(options_.endpoint);
  int64_t started = options_.clock->monotonic_micros();
  Result<AuditResult> result =
      AuditResult{.model = audit.model, .audit = audit.audit, .severity = audit.severity};
  bool whole = asked == Question::whole;
  if (!whole) {
    auto suspects = suspects_since(*client_, audit, since);
    if (suspects && !*suspects) {
      take(entry, *result, *positions, false);
    } else {
      // A query over changes that does not work (or finds something) leaves it to the whole one.
      whole = true;
    }
  }
  if (whole) {
    result = ask_until_settled(*client_, audit);
    if (result) take(entry, *result, *positions, scheduled);
  }
  int64_t ended = options_.clock->monotonic_micros();
  std::lock_guard lock(mutex_);
  int64_t rest = (ended - started) * limits::audit_rest_factor;
  entry->changes_allowed_at = ended + std::max(limits::audit_changes_distance_us, rest);
  if (whole) entry->whole_allowed_at = ended + std::max(limits::audit_whole_distance_us, rest);
  if (whole && result) entry->asked = true;
  if (whole && result) entry->whole_due_at = ended + limits::audit_whole_every_us;
  if (!result) entry->pending.merge(pending);
  return true;
}

Result<AuditResult> Auditor::ask_until_settled(clickhouse::Client& client, const Audit& audit) {
  std::optional<AuditResult> before;
  for (int attempt = 1;; ++attempt) {
    auto began = options_.positions();
    AuditResult result = TRY(run_audit(client, audit));
    if (result.passed() || !result.error.empty() || attempt == limits::audit_confirmations_max) return result;
    auto ended = options_.positions();
    if (!began || !ended) return fail(ErrorKind::cancelled, "a source stopped streaming");
    if (nothing_under_way(*began) && same_place(*began, *ended)) return result;
    if (before && any_in_both(*before, result)) return result;
    before = std::move(result);
    if (!settle(*ended)) return fail(ErrorKind::cancelled, "what had arrived did not become queryable");
  }
}

// Until everything that had arrived at `seen` is in.
bool Auditor::settle(const SourcePositions& seen) {
  int64_t deadline = options_.clock->monotonic_micros() + limits::audit_settle_us_max;
  while (true) {
    auto now = options_.positions();
    if (now && std::all_of(seen.begin(), seen.end(), [&](const auto& entry) {
          auto found = now->find(entry.first);
          return found != now->end() &&
                 (found->second.idle || found->second.queryable >= entry.second.received);
        }))
      return true;
    if (options_.clock->monotonic_micros() > deadline) return false;
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, std::chrono::milliseconds(10), [&] { return stopping_; })) return false;
  }
}

void Auditor::take(const std::shared_ptr<Entry>& entry, const AuditResult& result,
                   const SourcePositions& positions, bool scheduled) {
  AuditState state;
  bool turned = false, news = false;
  {
    std::lock_guard lock(mutex_);
    AuditState& held = entry->state;
    bool passed_before = !held.known || held.passed();
    news = !held.known || held.failing != result.failing || held.error != result.error;
    turned = passed_before != result.passed();
    held.known = true;
    held.failing = result.failing;
    held.examples = result.examples;
    held.error = result.error;
    held.at_micros = options_.clock->wall_micros();
    if (result.passed())
      held.since_micros = 0;
    else if (held.since_micros == 0)
      held.since_micros = held.at_micros;
    held.cuts.clear();
    entry->positions.clear();
    for (const auto& table : entry->audit.tables)
      if (auto source = sources_.find(table); source != sources_.end())
        if (auto position = positions.find(source->second); position != positions.end()) {
          held.cuts[source->second] = position->second.cut;
          entry->positions[source->second] = version_at(position->second);
        }
    state = held;
  }
  if (turned && state.passed())
    log::info("audit {} of {} passes again", state.audit, state.model);
  else if (turned)
    log::warn("audit {} of {} ({}) {}", state.audit, state.model, config::name(state.severity),
              !state.error.empty() ? "cannot be asked: " + state.error
                                   : fmt::format("fails for {} rows, for example {}", state.failing,
                                                 state.examples.empty() ? "-" : state.examples.front()));
  if (news || scheduled) record(state);
}

void Auditor::record(const AuditState& state) {
  auto write = [&]() -> Status {
    if (!table_made_) {
      TRY_VOID(client_->execute("CREATE DATABASE IF NOT EXISTS tidemark"));
      TRY_VOID(client_->execute(
          fmt::format("CREATE TABLE IF NOT EXISTS tidemark.audits (model String, audit String, severity "
                      "LowCardinality(String), "
                      "failing UInt64, examples Array(String), error String, cuts Map(String, UInt64), at "
                      "DateTime64(6, 'UTC')) "
                      "ENGINE = MergeTree ORDER BY (model, audit, at) TTL toDateTime(at) + INTERVAL {} DAY",
                      limits::audit_history_days)));
      table_made_ = true;
    }
    std::string examples, cuts;
    for (const auto& example : state.examples)
      examples += (examples.empty() ? "" : ", ") + quote_string(example);
    for (const auto& [source, cut] : state.cuts)
      cuts += fmt::format("{}{}, toUInt64({})", cuts.empty() ? "" : ", ", quote_string(source), cut);
    return client_->execute(fmt::format(
        "INSERT INTO tidemark.audits SELECT {}, {}, {}, {}, CAST([{}] AS Array(String)), {}, CAST(map({}) AS "
        "Map(String, UInt64)), fromUnixTimestamp64Micro({}, 'UTC')",
        quote_string(state.model), quote_string(state.audit), quote_string(config::name(state.severity)),
        state.failing, examples, quote_string(state.error), cuts, state.at_micros));
  };
  if (Status written = write(); !written)
    log::warn("the result of audit {} of {} could not be written: {}", state.audit, state.model,
              written.error().message);
}

}  // namespace tidemark::models
