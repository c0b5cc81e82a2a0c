#include "ingest/kafka_slots_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/kafka_slots_limits.h"
#include "kafka/topics.h"

namespace tidemark::ingest {

using std::chrono::milliseconds;

namespace {

constexpr const char* slots_topic = ".tidemark_slots";
constexpr const char* start_topic = ".tidemark_start";
constexpr const char* slots_group = ".slots";
constexpr const char* start_group = ".start";

bool passes(const Error& error) {
  return error.kind == ErrorKind::dependency_down || error.kind == ErrorKind::unknown_outcome ||
         error.kind == ErrorKind::conflict || error.kind == ErrorKind::limit;
}

}  // namespace

KafkaSlotsPipeline::KafkaSlotsPipeline(KafkaPipelineOptions options, clickhouse::ClientPool& pool,
                                       ModelHooks hooks, const Clock& clock,
                                       std::function<void(const CutEvent&)> on_cut)
    : options_(std::move(options)),
      pool_(pool),
      hooks_(std::move(hooks)),
      clock_(clock),
      on_cut_(std::move(on_cut)),
      state_store_(pool, apply_policy("state"), stop_),

      template_(std::make_unique<KafkaPipeline>(options_, pool, hooks_, clock, nullptr)) {}

KafkaSlotsPipeline::~KafkaSlotsPipeline() {
  stop();
}

int64_t KafkaSlotsPipeline::session_ms() const {
  auto given = options_.source.settings.find("session.timeout.ms");
  if (given == options_.source.settings.end()) return limits::kafka_lease_ms;
  return std::max<int64_t>(1, std::strtoll(given->second.reveal().c_str(), nullptr, 10));
}

// A group of its own: tools may set the offsets of the source's group while we run.
kafka::ConsumerOptions KafkaSlotsPipeline::group_options(const std::string& suffix) const {
  kafka::ConsumerOptions client = consumer_options(options_.source);
  client.group = options_.source.group + suffix;
  client.settings["partition.assignment.strategy"] = Secret("cooperative-sticky");
  client.settings["session.timeout.ms"] = Secret(std::to_string(session_ms()));
  client.settings["heartbeat.interval.ms"] = Secret(std::to_string(session_ms() / 5));
  // Beside what a cut needs to be finished.
  client.settings["max.poll.interval.ms"] = Secret("300000");
  return client;
}

Status KafkaSlotsPipeline::prepare() {
  std::string where = "source " + options_.source.name;
  TRY_VOID(state_store_.prepare());
  std::vector<kafka::NewTopic> topics = {
      {.name = topic(slots_topic), .partitions = static_cast<int>(options_.slot.count)},
      {.name = topic(start_topic), .partitions = 1}};
  if (auto made = kafka::create_topics(options_.source.brokers, options_.source.settings, topics); !made)
    return fail(std::move(made.error()).in(where));
  auto consumer = TRY_IN(kafka::Consumer::open(consumer_options(options_.source)), where);
  auto deadline = std::chrono::steady_clock::now() + limits::kafka_topics_wait;
  for (size_t found = 0; found < 2;) {
    auto list = TRY_IN(consumer.topics({topic(slots_topic), topic(start_topic)}), where);
    found = list.size();
    for (const auto& one : list)
      if (one.topic == topic(slots_topic) && one.partitions < static_cast<int>(options_.slot.count))
        return fail(ErrorKind::config,
                    fmt::format("{}: topic {} has {} partitions, and the source says `slots: {}`", where,
                                one.topic, one.partitions, options_.slot.count),
                    "delete the topic (it holds no messages) while no process of the project runs");
    if (found < 2 && std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::dependency_down, where + ": the brokers do not show the topics just made");
  }
  start_lock_ = std::make_unique<KafkaLease>(
      KafkaLeaseOptions{
          .client = group_options(start_group), .topic = topic(start_topic), .session_ms = session_ms()},
      KafkaLease::Listener{}, clock_);
  start_lock_->start();
  TRY_VOID(start_lock_->wait_for(0, limits::kafka_start_wait, options_.stopped));
  if (options_.recopy) TRY_VOID(check_alone());
  return template_->prepare();
}

Status KafkaSlotsPipeline::check_alone() {
  auto consumer = TRY(kafka::Consumer::open(consumer_options(options_.source)));
  int64_t deadline = clock_.monotonic_micros() + (session_ms() + limits::kafka_gone_after_ms) * 1000;
  while (true) {
    if (options_.stopped()) return fail(ErrorKind::cancelled, "stopped");
    size_t members = TRY(consumer.group_members(options_.source.group + slots_group));
    if (members == 0) return {};
    if (clock_.monotonic_micros() > deadline)
      return fail(
          ErrorKind::conflict,
          fmt::format("source {}: other processes work on its slots ({})", options_.source.name, members),
          "models, slots and tables are changed by one process alone: end all others, start this "
          "one, then start the others");
    std::this_thread::sleep_for(milliseconds(100));
  }
}

void KafkaSlotsPipeline::start() {
  thread_ = std::thread([this] { run(); });
}

bool KafkaSlotsPipeline::pause(milliseconds duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, duration, [&] { return stop_.load(); });
  return !stop_;
}

void KafkaSlotsPipeline::set_state(std::string state, std::string error) {
  std::lock_guard lock(mutex_);
  state_ = std::move(state);
  error_ = std::move(error);
}

void KafkaSlotsPipeline::run() {
  milliseconds backoff = limits::source_backoff_min;
  while (!stop_) {
    Status settled = settle();
    if (settled) break;
    log::error("source {}: {}", options_.source.name, settled.error().describe());
    set_state("waiting", settled.error().message);
    if (!passes(settled.error())) {
      std::lock_guard lock(mutex_);
      state_ = "failed";
      gave_up_ = std::move(settled.error()).in("source " + options_.source.name);
      return;
    }
    if (!pause(backoff)) return;
    backoff = std::min(backoff * 2, limits::source_backoff_max);
  }
  watching_ = std::thread([this] { watch_all(); });
  while (!stop_) {
    start_pipelines();
    std::string trouble = lease_->trouble();
    set_state(trouble.empty() ? "streaming" : "waiting", trouble);
    pause(milliseconds(limits::kafka_slots_watch_us / 1000 / 5));
  }
}

void KafkaSlotsPipeline::watch_all() {
  std::optional<kafka::Consumer> consumer;
  bool told = false;
  while (pause(milliseconds(limits::kafka_slots_watch_us / 1000))) {
    Status seen = watch();
    if (seen && !consumer) {
      if (auto opened = kafka::Consumer::open(consumer_options(options_.source)))
        consumer.emplace(std::move(*opened));
    }
    if (seen && consumer) seen = look_at_ends(*consumer);
    if (!seen && !stop_ && !std::exchange(told, true))
      log::warn("source {}: what other processes do cannot be seen: {}", options_.source.name,
                seen.error().message);
    if (seen) told = false;
  }
}

// What one process does alone; then we are one of them.
Status KafkaSlotsPipeline::settle() {
  uint16_t epoch = TRY(template_->settle());
  {
    std::lock_guard lock(mutex_);
    epoch_ = epoch;
    if (!lease_)
      lease_ = std::make_unique<KafkaLease>(
          KafkaLeaseOptions{
              .client = group_options(slots_group), .topic = topic(slots_topic), .session_ms = session_ms()},
          KafkaLease::Listener{.assigned =
                                   [this](const std::set<uint32_t>& slots) {
                                     std::lock_guard guard(mutex_);
                                     for (uint32_t slot : slots)
                                       if (slot < options_.slot.count) wanted_.insert(slot);
                                     if (slots.contains(0))
                                       log::info("source {}: this process leads", options_.source.name);
                                     changed_.notify_all();
                                   },
                               .revoked = [this](const auto& slots) { take_away(slots, false); },
                               .lost = [this](const auto& slots) { take_away(slots, true); }},
          clock_);
  }
  if (!std::exchange(joining_, true)) lease_->start();
  TRY_VOID(lease_->wait_joined(limits::kafka_join_wait, [this] { return stop_.load(); }));
  start_lock_->stop();
  return {};
}

KafkaPipelineOptions KafkaSlotsPipeline::slot_options(uint32_t slot) {
  KafkaPipelineOptions options = options_;
  options.recopy = false;
  options.slot.number = slot;
  options.truncates = &truncates_;
  options.leased = [this, slot] { return lease_->valid(slot); };
  return options;
}

void KafkaSlotsPipeline::start_pipelines() {
  std::set<uint32_t> missing;
  {
    std::lock_guard lock(mutex_);
    for (uint32_t slot : wanted_)
      if (!pipelines_.contains(slot)) missing.insert(slot);
  }
  for (uint32_t slot : missing) {
    std::lock_guard setting_up(setting_up_);
    {
      std::lock_guard lock(mutex_);
      if (!wanted_.contains(slot) || clock_.monotonic_micros() < try_again_at_[slot] || stop_) continue;
    }
    auto on_cut = [this](const CutEvent& cut) {
      CutEvent event = cut;
      event.source = options_.source.name;
      if (on_cut_) on_cut_(event);
    };
    auto pipeline = std::make_shared<KafkaPipeline>(slot_options(slot), pool_, hooks_, clock_, on_cut);
    Status ready = pipeline->prepare();
    if (ready) {
      pipeline->start();
      // So that it comes to a fence also when nothing moves: what a process before left open is closed by it.
      if (auto asked = pipeline->ask_for_fence(); !asked)
        log::warn("source {}: {}", options_.source.name, asked.error().describe());
    }
    std::lock_guard lock(mutex_);
    if (!ready) {
      log::warn("source {}: slot {} cannot be set up: {}", options_.source.name, slot,
                ready.error().describe());
      try_again_at_[slot] = clock_.monotonic_micros() + limits::kafka_slot_retry_us;
      continue;
    }
    pipelines_[slot] = std::move(pipeline);
  }
}

void KafkaSlotsPipeline::take_away(const std::set<uint32_t>& slots, bool lost) {
  std::lock_guard setting_up(setting_up_);
  std::vector<std::shared_ptr<KafkaPipeline>> gone;
  {
    std::lock_guard lock(mutex_);
    for (uint32_t slot : slots) {
      wanted_.erase(slot);
      if (auto found = pipelines_.find(slot); found != pipelines_.end()) gone.push_back(found->second);
    }
  }
  if (!slots.empty())
    log::info("source {}: {} of its slots {} this process", options_.source.name, slots.size(),
              lost ? "were lost to" : "leave");
  // Each finishes its cut: side by side they take as long as one.
  std::vector<std::thread> threads;
  for (const auto& pipeline : gone)
    threads.emplace_back([&pipeline, lost] { lost ? pipeline->stop_at_once() : pipeline->stop(); });
  for (auto& thread : threads) thread.join();
  std::lock_guard lock(mutex_);
  for (uint32_t slot : slots) pipelines_.erase(slot);
}

void KafkaSlotsPipeline::stop() {
  stop_ = true;
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (watching_.joinable()) watching_.join();
  if (lease_) lease_->stop();
  std::set<uint32_t> left;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [slot, pipeline] : pipelines_) left.insert(slot);
  }
  if (!left.empty()) take_away(left, false);
  if (start_lock_) start_lock_->stop();
  set_state("stopped", {});
}

Status KafkaSlotsPipeline::watch() {
  auto fences = TRY(state_store_.fences_of(options_.source.name, epoch_));
  KafkaPlaces all;
  std::vector<CutEvent> events;
  {
    std::lock_guard lock(mutex_);
    for (auto& fence : fences) {
      auto slot = stream_of(fence.cut);
      Watched& watched = watched_[slot];
      bool cut = watched.fence.cut != 0 && watched.fence.cut != fence.cut;
      KafkaPlaces places = TRY(KafkaPlaces::parse(fence.places));
      for (const auto& [partition, place] : places.partitions) all.partitions[partition] = place;
      for (const auto& [table, version] : places.truncated)
        truncates_.saw(table, {.version = version, .committed_at = fence.committed_at});
      watched.places = std::move(places);
      watched.fence = std::move(fence);
      if (!cut || pipelines_.contains(slot)) continue;
      CutEvent event{.source = options_.source.name,
                     .cut = watched.fence.cut,
                     .end_lsn = watched.fence.end_lsn,
                     .positions = Positions::messages,
                     .committed_at_micros = watched.fence.committed_at,
                     .queryable_at_micros = clock_.wall_micros(),
                     .rows = watched.fence.rows};
      // Which of them is not told.
      for (const auto& table : template_->status().tables) event.tables.push_back(table.table);
      events.push_back(std::move(event));
    }
    if (emptied_alike()) fences_.closed(all);
  }
  for (const auto& event : events)
    if (on_cut_) on_cut_(event);
  return {};
}

// Every TRUNCATE that one slot has fenced is fenced by all that read the table. Until then no fence is shown
// that somebody asked for. Under mutex_.
bool KafkaSlotsPipeline::emptied_alike() const {
  const KafkaTables& tables = template_->tables();
  for (const auto& [table, truncate] : truncates_.newest())
    for (const auto& [slot, watched] : watched_) {
      auto known = watched.places.truncated.find(table);
      if (known != watched.places.truncated.end() && known->second >= truncate.version) continue;
      for (const auto& [partition, place] : watched.places.partitions) {
        auto routed = tables.table_of.find(partition.first);
        if (routed != tables.table_of.end() && tables.tables[routed->second].name == table) return false;
      }
    }
  return true;
}

// Of slots that others work on; our own know it.
Status KafkaSlotsPipeline::look_at_ends(kafka::Consumer& consumer) {
  int64_t now = clock_.monotonic_micros();
  if (now - ends_at_ <
      std::clamp(10 * ends_took_, limits::kafka_slots_ends_us, limits::kafka_slots_ends_us_max))
    return {};
  ends_at_ = now;
  std::map<uint32_t, KafkaPlaces> wanted;
  {
    std::lock_guard lock(mutex_);
    for (auto& [slot, watched] : watched_) {
      if (pipelines_.contains(slot)) {
        watched.asked_at = 0;
        watched.behind = false;
        continue;
      }
      watched.behind = watched.asked_at != 0 && !watched.places.reached(watched.ends);
      if (!watched.behind) wanted[slot] = watched.places;
    }
  }
  for (auto& [slot, places] : wanted) {
    int64_t asked_at = clock_.wall_micros();
    for (auto& [partition, place] : places.partitions)
      place.offset = TRY(consumer.watermarks(partition.first, partition.second)).end;
    std::lock_guard lock(mutex_);
    Watched& watched = watched_[slot];
    watched.ends = places;
    watched.asked_at = asked_at;
    watched.end = places.sum();
    watched.behind = !watched.places.reached(watched.ends);
    if (stop_) break;
  }
  ends_took_ = clock_.monotonic_micros() - now;
  return {};
}

SourceStatus KafkaSlotsPipeline::status() const {
  SourceStatus status = template_->status();
  std::lock_guard lock(mutex_);
  status.state = state_;
  status.error = error_;
  status.epoch = epoch_;
  status.ladder = {};
  status.lag_ms = 0;
  status.as_of_micros = 0;
  int64_t as_of_behind = INT64_MAX;
  auto as_of = [&](int64_t micros, bool behind) {
    if (micros == 0) return;
    if (behind) as_of_behind = std::min(as_of_behind, micros);
    status.as_of_micros = std::max(status.as_of_micros, micros);
  };
  for (const auto& [slot, pipeline] : pipelines_) {
    SourceStatus one = pipeline->status();
    if (status.follows() && !one.follows()) {
      status.state = one.state == "stopped" ? "waiting" : one.state;
      status.error = one.error;
    }
    status.last_cut = std::max(status.last_cut, one.last_cut % cuts_a_stream);
    status.lag_ms = std::max(status.lag_ms, one.lag_ms);
    status.transactions += one.transactions;
    status.rows_per_second += one.rows_per_second;
    status.queryable_p50_us = std::max(status.queryable_p50_us, one.queryable_p50_us);
    status.queryable_p99_us = std::max(status.queryable_p99_us, one.queryable_p99_us);
    status.queryable_max_us = std::max(status.queryable_max_us, one.queryable_max_us);
    status.ladder.server += one.ladder.server;
    status.ladder.received += one.ladder.received;
    status.ladder.cut += one.ladder.cut;
    status.ladder.queryable += one.ladder.queryable;
    status.ladder.acknowledged += one.ladder.acknowledged;
    as_of(one.as_of_micros, one.lag_ms > 0);
    for (size_t index = 0; index < one.tables.size(); ++index)
      for (auto& table : status.tables) {
        if (table.table != one.tables[index].table) continue;
        table.rows_applied += one.tables[index].rows_applied;
        table.quarantined = std::max(table.quarantined, one.tables[index].quarantined);
      }
  }
  uint64_t fenced = 0;
  for (const auto& [slot, watched] : watched_) {
    fenced += watched.fence.end_lsn;
    if (pipelines_.contains(slot)) continue;
    uint64_t end = watched.fence.end_lsn;
    status.last_cut = std::max(status.last_cut, watched.fence.cut % cuts_a_stream);
    status.ladder.server += std::max(end, watched.end);
    status.ladder.received += end;
    status.ladder.cut += end;
    status.ladder.queryable += end;
    status.ladder.acknowledged += end;
    as_of(watched.fence.committed_at, watched.behind);
    if (watched.behind)
      status.lag_ms = std::max(status.lag_ms, (clock_.wall_micros() - watched.asked_at) / 1000);
  }
  if (as_of_behind != INT64_MAX) status.as_of_micros = as_of_behind;
  status.ladder.fenced = fences_.shown(fenced);
  status.lag_bytes =
      status.ladder.server > status.ladder.fenced ? status.ladder.server - status.ladder.fenced : 0;
  for (auto& table : status.tables)
    table.state = status.follows() ? "live" : status.state == "failed" ? "failed" : "waiting";
  return status;
}

std::optional<Error> KafkaSlotsPipeline::gave_up() const {
  std::lock_guard lock(mutex_);
  if (gave_up_) return gave_up_;
  for (const auto& [slot, pipeline] : pipelines_)
    if (auto error = pipeline->gave_up()) return error;
  return std::nullopt;
}

Result<uint64_t> KafkaSlotsPipeline::ask_for_fence() {
  auto consumer = TRY(kafka::Consumer::open(consumer_options(options_.source)));
  KafkaPlaces target;
  for (const auto& topic : TRY(find_topics(options_.source, consumer)))
    for (int32_t partition = 0; partition < topic.partitions; ++partition)
      target.partitions[{topic.topic, partition}].offset =
          TRY(consumer.watermarks(topic.topic, partition)).end;
  // Slots of others come to a fence by themselves.
  std::vector<std::shared_ptr<KafkaPipeline>> own;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [slot, pipeline] : pipelines_) own.push_back(pipeline);
  }
  for (const auto& pipeline : own) TRY(pipeline->ask_for_fence());
  return fences_.ask(std::move(target));
}

bool KafkaSlotsPipeline::at_fence() const {
  std::lock_guard lock(mutex_);
  return std::all_of(pipelines_.begin(), pipelines_.end(),
                     [](const auto& entry) { return entry.second->at_fence(); });
}

Status KafkaSlotsPipeline::prepare_change_rows(const std::set<std::string>& tables) {
  return template_->prepare_change_rows(tables);
}

void KafkaSlotsPipeline::begin_change_rows(const std::set<std::string>& tables) {
  std::lock_guard lock(mutex_);
  options_.tables_with_changes.insert(tables.begin(), tables.end());
  for (const auto& [slot, pipeline] : pipelines_) pipeline->begin_change_rows(tables);
}

bool KafkaSlotsPipeline::leads() const {
  std::lock_guard lock(mutex_);
  return wanted_.contains(0);
}

bool KafkaSlotsPipeline::owns_all() const {
  std::lock_guard lock(mutex_);
  return wanted_.size() == options_.slot.count;
}

}  // namespace tidemark::ingest
