#include "cli/experiments_generator.h"

#include "base/clock.h"
#include "cli/generator_statements.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t second_micros = 1'000'000;
constexpr int64_t hour_micros = 3600 * second_micros;
constexpr size_t recent_max = 50'000;
constexpr double late_share = 0.02;       // events that arrive up to six hours after they happened
constexpr double repeated_share = 0.01;   // sent twice
constexpr double crossing_share = 0.004;  // users that see a second variant
constexpr double novelty_until = 0.2;     // share of the time in which new_ranking is a novelty

struct Arm {
  int id;
  const char* key;
  int percent;
  double conversion;  // of the control's, what the treatment makes of it
  double clicks;
  double unlogged;
};
struct Trial {
  int id;
  const char* key;
  const char* name;
  std::vector<Arm> arms;
};

const std::vector<Trial>& trials() {
  static const std::vector<Trial> list = {
      {1,
       "checkout_button",
       "Colour of the checkout button",
       {{1, "control", 34, 1, 1, 0}, {2, "green", 33, 1.1, 1, 0}, {3, "blue", 33, 1, 1, 0}}},
      {2, "free_shipping", "Free shipping", {{4, "control", 50, 1, 1, 0}, {5, "free", 50, 1, 1, 0.2}}},
      {3,
       "new_ranking",
       "Another order of results",
       {{6, "control", 50, 1, 1, 0}, {7, "ranked", 50, 1, 1.6, 0}}},
  };
  return list;
}

const Arm& arm_of(const Trial& trial, uint64_t percent) {
  for (const Arm& arm : trial.arms) {
    if (percent < static_cast<uint64_t>(arm.percent)) return arm;
    percent -= static_cast<uint64_t>(arm.percent);
  }
  return trial.arms.back();
}
const Arm& arm_by_id(const Trial& trial, int id) {
  for (const Arm& arm : trial.arms)
    if (arm.id == id) return arm;
  return trial.arms.back();
}

std::string pick(GeneratorRandom& random, std::initializer_list<const char*> words) {
  return words.begin()[random.below(words.size())];
}

}  // namespace

Result<ExperimentsGenerator> ExperimentsGenerator::open(const postgres::ConnectionOptions& options,
                                                        uint64_t seed, const std::atomic<bool>& stop) {
  ExperimentsGenerator generator(TRY(postgres::Connection::open(options)), seed, stop);
  TRY_VOID(generator.prepare());
  return generator;
}

Status ExperimentsGenerator::prepare() {
  TRY_VOID(make_tables(connection_, "experiments", {"true_effects"}));
  postgres::Rows rows = TRY(connection_.query(
      "SELECT (SELECT coalesce(max(id), 0) + 1 FROM events), (SELECT coalesce(max(id), 0) + 1 FROM "
      "assignments), "
      "(SELECT count(*) + 1 FROM users), (SELECT coalesce(max(id), 0) + 1 FROM outbox_events)"));
  next_event_ = rows.integer(0, 0);
  next_assignment_ = rows.integer(0, 1);
  next_user_ = rows.integer(0, 2);
  next_outbox_ = rows.integer(0, 3);
  // Another run goes on with other random numbers: a request's id is made of them.
  if (next_event_ > 1)
    random_ = GeneratorRandom(random_.next() ^ spread_bits(static_cast<uint64_t>(next_event_)));
  return {};
}

Status ExperimentsGenerator::add_definitions(int64_t now_micros) {
  std::string at = fmt::format("to_timestamp({}) AT TIME ZONE 'UTC'", now_micros / second_micros);
  for (const Trial& trial : trials()) {
    TRY_VOID(connection_.execute(fmt::format(
        "INSERT INTO experiments VALUES ({}, '{}', '{}', '', 'running', {}, {}) ON CONFLICT DO NOTHING",
        trial.id, trial.key, trial.name, at, at)));
    for (const Arm& arm : trial.arms) {
      bool control = &arm == &trial.arms.front();
      TRY_VOID(connection_.execute(
          fmt::format("INSERT INTO variants VALUES ({}, {}, '{}', '{}', {}, {}, {}) ON CONFLICT DO NOTHING",
                      arm.id, trial.id, arm.key, arm.key, arm.percent, control, at)));
      if (control) continue;
      for (const char* metric : {"conversion", "revenue_per_user"})
        TRY_VOID(connection_.execute(
            fmt::format("INSERT INTO true_effects VALUES ('{}', '{}', '{}', {}) ON CONFLICT DO NOTHING",
                        trial.key, arm.key, metric, arm.conversion - 1)));
    }
  }
  return {};
}

void ExperimentsGenerator::add_visit(const Assigned& who, const std::string& type, int64_t at_micros,
                                     const std::string& device, double value) {
  Event event;
  event.experiment = who.experiment;
  event.variant = who.variant;
  event.user = who.user;
  event.type = type;
  event.at_micros = at_micros;
  event.assigned_micros = who.at_micros;
  event.session = fmt::format("{}-{}", who.user, at_micros / (4 * hour_micros));
  event.request = fmt::format("r{:016x}", random_.next());
  event.properties =
      fmt::format("{{\"page\": \"{}\", \"device\": \"{}\", \"browser\": \"{}\", \"source\": \"{}\"{}}}",
                  pick(random_, {"home", "product", "cart", "search"}), device,
                  pick(random_, {"firefox", "chrome", "safari"}),
                  pick(random_, {"", "", "newsletter", "search", "social", "direct"}),
                  value > 0 ? fmt::format(", \"value\": {:.2f}", value) : "");
  int64_t written = random_.chance(late_share) ? at_micros + random_.between(0, 6 * hour_micros) : at_micros;
  if (random_.chance(repeated_share)) waiting_.emplace(written + random_.between(0, hour_micros), event);
  waiting_.emplace(written, std::move(event));
}

void ExperimentsGenerator::add_user(int64_t at_micros, double progress) {
  std::string user = fmt::format("user_{}", next_user_++);
  new_users_.emplace_back(user, at_micros);
  std::string device = pick(random_, {"mobile", "mobile", "desktop", "tablet"});
  for (const Trial& trial : trials()) {
    if (!random_.chance(0.6)) continue;
    const Arm& arm = arm_of(trial, random_.below(100));
    if (random_.chance(arm.unlogged)) continue;
    Assigned who{user, trial.id, arm.id, at_micros};
    new_assignments_.push_back(who);
    int64_t exposed = at_micros + random_.between(second_micros, hour_micros / 2);
    add_visit(who, "exposure", exposed, device, 0);
    if (random_.chance(crossing_share)) {
      Assigned other = who;
      other.variant = trial.arms[random_.below(trial.arms.size())].id;
      add_visit(other, "exposure", exposed + hour_micros, device, 0);
    }
    for (uint64_t views = random_.below(4); views > 0; --views)
      add_visit(who, "page_view", exposed + random_.between(0, 40 * hour_micros), device, 0);
    const Arm& treated = arm_by_id(trial, who.variant);
    double clicks = 0.3 * (progress < novelty_until ? treated.clicks : 1);
    if (random_.chance(clicks))
      add_visit(who, "click", exposed + random_.between(0, 30 * hour_micros), device, 0);
    if (random_.chance(0.15 * treated.conversion)) {
      double normal = random_.unit() + random_.unit() + random_.unit() + random_.unit() - 2;
      add_visit(who, "conversion", exposed + random_.between(0, 60 * hour_micros), device,
                30 * std::exp(normal));
    }
  }
}

Status ExperimentsGenerator::add_traffic(const Stretch& traffic) {
  TRY_VOID(add_definitions(traffic.from_micros));
  // Users come evenly; a user brings some seven events in what follows.
  constexpr double events_a_user = 6.5;
  int64_t users = std::max<int64_t>(1, std::llround(static_cast<double>(traffic.rows) / events_a_user));
  int64_t length = traffic.until_micros - traffic.from_micros;
  int64_t written = 0;
  std::vector<Event> events;
  for (int64_t user = 0; user < users && !*stop_; ++user) {
    double progress = static_cast<double>(user) / static_cast<double>(users);
    int64_t now = traffic.from_micros + static_cast<int64_t>(progress * static_cast<double>(length));
    add_user(now, length > 24 * hour_micros ? progress : 1);
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      Event event = std::move(waiting_.extract(waiting_.begin()).mapped());
      event.id = next_event_++;
      events.push_back(std::move(event));
    }
    if (static_cast<int64_t>(events.size()) < traffic.transaction_rows) continue;
    written += static_cast<int64_t>(events.size());
    TRY_VOID(write_commit(traffic, std::exchange(events, {})));
  }
  // What would happen later stays for the next call.
  if (!events.empty() || !new_users_.empty()) TRY_VOID(write_commit(traffic, std::move(events)));
  return {};
}

Status ExperimentsGenerator::write_commit(const Stretch& traffic, std::vector<Event> events) {
  TRY_VOID(connection_.execute("BEGIN"));
  CopyWriter users(connection_);
  TRY_VOID(users.begin("COPY users (user_id, email, name, created_at) FROM STDIN (FORMAT binary)"));
  for (const auto& [user, at] : new_users_) {
    users.row(4);
    users.text(user);
    users.text(user + "@example.com");
    users.text("User " + user.substr(5));
    users.timestamp(at);
    TRY_VOID(users.flush_full());
  }
  TRY_VOID(users.end());
  CopyWriter assignments(connection_);
  TRY_VOID(
      assignments.begin("COPY assignments (id, experiment_id, user_id, variant_id, variant_key, assigned_at, "
                        "enrolled_at, source, "
                        "created_at, updated_at) FROM STDIN (FORMAT binary)"));
  for (const Assigned& one : new_assignments_) {
    assignments.row(10);
    assignments.int8(next_assignment_++);
    assignments.int4(one.experiment);
    assignments.text(one.user);
    assignments.int4(one.variant);
    assignments.text(arm_by_id(trials()[static_cast<size_t>(one.experiment - 1)], one.variant).key);
    assignments.timestamp(one.at_micros);
    assignments.timestamp(one.at_micros);
    assignments.text("application");
    assignments.timestamp(one.at_micros);
    assignments.timestamp(one.at_micros);
    TRY_VOID(assignments.flush_full());
  }
  TRY_VOID(assignments.end());
  if (!new_assignments_.empty()) {
    auto count = static_cast<int64_t>(new_assignments_.size());
    TRY_VOID(announce(assignments_told, count, "ASSIGNMENT_CREATED",
                      fmt::format("id BETWEEN {} AND {}", next_assignment_ - count, next_assignment_ - 1),
                      ""));
  }
  CopyWriter rows(connection_);
  TRY_VOID(
      rows.begin("COPY events (id, experiment_id, user_id, variant_id, variant_key, event_type, timestamp, "
                 "assignment_at, "
                 "properties, session_id, request_id) FROM STDIN (FORMAT binary)"));
  for (const Event& one : events) {
    rows.row(11);
    rows.int8(one.id);
    rows.int4(one.experiment);
    rows.text(one.user);
    rows.int4(one.variant);
    rows.text(arm_by_id(trials()[static_cast<size_t>(one.experiment - 1)], one.variant).key);
    rows.text(one.type);
    rows.timestamp(one.at_micros);
    rows.timestamp(one.assigned_micros);
    rows.text("\x01" + one.properties);  // jsonb's binary form has a version before the text
    rows.text(one.session);
    rows.text(one.request);
    TRY_VOID(rows.flush_full());
    if (one.type == "conversion") recent_.push_back(one.id);
  }
  TRY_VOID(rows.end());
  while (recent_.size() > recent_max) recent_.pop_front();
  if (!events.empty())
    TRY_VOID(announce(events_told, static_cast<int64_t>(events.size()), "EVENT_CREATED",
                      fmt::format("id BETWEEN {} AND {}", events.front().id, events.back().id), ""));
  TRY_VOID(change_events(traffic, static_cast<int64_t>(events.size())));
  TRY_VOID(connection_.execute("COMMIT"));
  ++counts_.commits;
  counts_.users += static_cast<int64_t>(new_users_.size());
  counts_.events += static_cast<int64_t>(events.size());
  new_users_.clear();
  new_assignments_.clear();
  if (on_progress) on_progress(counts_);
  return {};
}

// The rows that a condition names, as the outbox tells them.
Status ExperimentsGenerator::announce(const Told& told, int64_t count, const std::string& type,
                                      const std::string& condition, const std::string& ids) {
  std::vector<std::string> parameters;
  if (!ids.empty()) parameters.push_back(ids);
  TRY(affected_rows(
      connection_,
      fmt::format(
          "INSERT INTO outbox_events (id, aggregate_id, aggregate_type, event_type, payload, created_at) "
          "SELECT {0} + row_number() OVER (ORDER BY id), id, '{1}', '{2}', to_jsonb({3}), {4} FROM {3} WHERE "
          "{5}",
          next_outbox_ - 1, told.aggregate, type, told.table, told.moment, condition),
      parameters));
  next_outbox_ += count;
  return {};
}

Status ExperimentsGenerator::change_events(const Stretch& traffic, int64_t rows) {
  auto some = [&](int64_t count) {
    std::vector<int64_t> ids;
    while (count-- > 0 && !recent_.empty()) {
      size_t place = random_.below(recent_.size());
      ids.push_back(recent_[place]);
      recent_.erase(recent_.begin() + static_cast<std::ptrdiff_t>(place));
    }
    return ids;
  };
  auto corrected = some(random_.share_of(rows, traffic.updates));
  if (!corrected.empty()) {
    std::string ids = array_text(corrected);
    counts_.updates += TRY(
        affected_rows(connection_,
                      "UPDATE events SET properties = jsonb_set(properties, '{value}', "
                      "to_jsonb(round((properties->>'value')::numeric + 1, 2))) WHERE id = ANY($1::bigint[])",
                      {ids}));
    TRY_VOID(announce(events_told, static_cast<int64_t>(corrected.size()), "EVENT_UPDATED",
                      "id = ANY($1::bigint[])", ids));
  }
  auto removed = some(random_.share_of(rows, traffic.deletes));
  if (removed.empty()) return {};
  std::string ids = array_text(removed);
  TRY_VOID(announce(events_told, static_cast<int64_t>(removed.size()), "EVENT_DELETED",
                    "id = ANY($1::bigint[])", ids));
  counts_.deletes +=
      TRY(affected_rows(connection_, "DELETE FROM events WHERE id = ANY($1::bigint[])", {ids}));
  return {};
}

Status ExperimentsGenerator::delete_everything() {
  TRY_VOID(connection_.execute("BEGIN"));
  for (const char* table :
       {"events", "assignments", "users", "outbox_events", "variants", "experiments", "true_effects"})
    counts_.deletes += TRY(affected_rows(connection_, fmt::format("DELETE FROM {}", table)));
  TRY_VOID(connection_.execute("COMMIT"));
  waiting_.clear();
  recent_.clear();
  return prepare();
}

Status generate_experiments(ExperimentsGenerator& generator, const Pace& plan,
                            const std::atomic<bool>& stop) {
  return keep_pace(
      plan, experiments_pace, [&](const Stretch& stretch) { return generator.add_traffic(stretch); }, stop);
}

}  // namespace tidemark::cli
