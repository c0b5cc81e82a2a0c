#include "ingest/kafka_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/kafka_limits.h"
#include "ingest/table_statuses.h"

namespace tidemark::ingest {

using std::chrono::milliseconds;

namespace {

constexpr const char* recopy = "empty the tables and read what the brokers have with: tidemark up --recopy";

// "" without slots, as every other source.
std::string recorded_slots(const KafkaSlot& slot) {
  return slot.shared() ? std::to_string(slot.count) : "";
}

}  // namespace

KafkaPipeline::KafkaPipeline(KafkaPipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                             const Clock& clock, std::function<void(const CutEvent&)> on_cut)
    : options_(std::move(options)),
      pool_(pool),
      hooks_(std::move(hooks)),
      clock_(clock),
      on_cut_(counting(Positions::messages, std::move(on_cut))),
      life_(stream_name(), clock),
      state_store_(pool, apply_policy("state"), life_.stopping()) {}

KafkaPipeline::~KafkaPipeline() {
  stop();
}

Status KafkaPipeline::prepare() {
  std::string where = "source " + options_.source.name;
  auto consumer = TRY_IN(open(), where);
  TRY_VOID(state_store_.prepare());
  tables_ = TRY_IN(
      find_tables(options_.source, consumer, pool_, options_.tables_with_changes, options_.recopy), where);
  for (const auto& table : tables_.tables) {
    counter_storage_.push_back(std::make_unique<TableCounters>());
    counters_[&table] = counter_storage_.back().get();
    if (table.log && options_.source.format != config::KafkaFormat::lines &&
        options_.source.format != config::KafkaFormat::json &&
        options_.source.format != config::KafkaFormat::ndjson)
      warnings_.push_back(
          fmt::format("{} has no key: it is a log, updates and deletes go to quarantine", table.display()));
  }
  if (auto ready = ensure_bronze(); !ready) return fail(std::move(ready.error()).in(where));
  auto quarantined = TRY(state_store_.quarantined(options_.source.name));
  for (const auto& table : tables_.tables) counters_.at(&table)->quarantined = quarantined[table.name];
  return {};
}

Status KafkaPipeline::ensure_bronze() {
  for (size_t index = 0; index < tables_.tables.size(); ++index) {
    const CapturedTable& table = tables_.tables[index];
    auto lease = pool_.lease();
    if (options_.recopy)
      for (const char* suffix : {"__current", "__changes", ""})
        TRY_VOID(lease->execute("DROP TABLE IF EXISTS " + table.target(suffix) +
                                " SYNC SETTINGS check_table_dependencies = 0"));
    for (const auto& declared : options_.source.tables) {
      if (declared.table != table.name || declared.columns.empty()) continue;
      bool same = declared.columns.size() == table.source.columns.size();
      for (const auto& [name, type] : declared.columns) {
        const auto* found = table.source.find(name);
        same = same && found != nullptr && found->target == type;
      }
      if (!same)
        return fail(ErrorKind::unsupported,
                    fmt::format("`columns` of {} are not those the warehouse has", table.display()), recopy);
    }
    for (const auto& statement : create_statements(table)) TRY_VOID(lease->execute(statement));
  }
  return {};
}

void KafkaPipeline::start() {
  life_.start({.live = [this] { return live(); },
               .proven = [this] { return streamed_.load(); },
               .wake =
                   [this] {
                     std::lock_guard lock(mutex_);
                     if (consumer_ != nullptr) consumer_->wake();
                   }});
}

void KafkaPipeline::stop_at_once() {
  stop_now_ = true;
  stop();
}

void KafkaPipeline::stop() {
  life_.stop();
}

Result<uint16_t> KafkaPipeline::settle() {
  auto consumer = TRY(open());
  std::string cluster = TRY(consumer.cluster());
  auto record = TRY(state_store_.source(options_.source.name));
  bool again = !record || !record->copied || options_.recopy;
  if (!again && record->system_id != cluster)
    return fail(ErrorKind::unsupported,
                "this is not the Kafka cluster the warehouse was filled from (its identity differs)",
                std::string("check `brokers`; or ") + recopy);
  if (!again && record->slot != recorded_slots(options_.slot))
    return fail(ErrorKind::unsupported,
                fmt::format("the warehouse was filled with `slots: {}`, and the project says {}",
                            record->slot.empty() ? "1" : record->slot, options_.slot.count),
                std::string("write the old number again; or ") + recopy);
  if (!again) return record->epoch;
  auto epoch = static_cast<uint16_t>(record ? record->epoch + 1 : 1);
  TRY_VOID(begin_epoch(consumer, cluster, epoch));
  options_.recopy = false;
  return epoch;
}

Status KafkaPipeline::live() {
  life_.set_state("starting");
  uint16_t epoch = 0;
  if (options_.slot.shared()) {
    if (!options_.leased()) return fail(ErrorKind::conflict, "the group gave the slot to another process");
    auto record = TRY(state_store_.source(options_.source.name));
    if (!record || !record->copied || record->slot != recorded_slots(options_.slot))
      return fail(ErrorKind::conflict, "the source is being begun anew by another process");
    epoch = record->epoch;
  } else {
    epoch = TRY(settle());
  }
  {
    std::lock_guard lock(mutex_);
    epoch_ = epoch;
    for (auto& table : tables_.tables) table.has_changes |= pending_change_rows_.contains(table.name);
  }
  return stream(epoch);
}

// Like a copy of nothing: models of these tables begin empty.
Status KafkaPipeline::begin_epoch(kafka::Consumer& consumer, const std::string& cluster, uint16_t epoch) {
  SourceRecord record{.source = options_.source.name,
                      .epoch = epoch,
                      .system_id = cluster,
                      .slot = recorded_slots(options_.slot)};
  TRY_VOID(state_store_.save(record));
  std::vector<std::string> names;
  for (const auto& table : tables_.tables) {
    TRY_VOID(pool_.execute("TRUNCATE TABLE " + table.target()));
    names.push_back(table.name);
  }
  if (hooks_.reset) TRY_VOID(hooks_.reset(names));
  if (hooks_.after_copy) TRY_VOID(hooks_.after_copy(make_version(epoch, 0, 0), names));
  for (KafkaSlot slot = {.number = 0, .count = options_.slot.count}; slot.number < slot.count;
       ++slot.number) {
    KafkaPlaces places;
    for (const auto& topic : tables_.topics)
      for (int32_t partition = 0; partition < topic.partitions; ++partition) {
        if (!slot.owns(topic.topic, partition)) continue;
        auto marks = TRY(consumer.watermarks(topic.topic, partition));
        KafkaPlace& place = places.partitions[{topic.topic, partition}];
        place.offset = place.begun = options_.source.from_latest ? marks.end : marks.first;
      }
    TRY_VOID(state_store_.fence({.source = slot.stream(options_.source.name),
                                 .epoch = epoch,
                                 .cut = slot.first_cut(),
                                 .end_lsn = places.sum(),
                                 .committed_at = clock_.wall_micros(),
                                 .places = places.text()}));
    if (slot.shared())
      TRY_VOID(state_store_.save({.source = slot.stream(options_.source.name),
                                  .epoch = epoch,
                                  .system_id = cluster,
                                  .copied = true}));
  }
  record.copied = true;
  return state_store_.save(record);
}

// The brokers must still have what was not read, and be those it was read from.
Status KafkaPipeline::check_places(kafka::Consumer& consumer, KafkaPlaces& places) {
  auto topics = TRY(find_topics(options_.source, consumer));
  for (const auto& topic : topics) {
    if (!tables_.table_of.contains(topic.topic)) continue;
    for (int32_t partition = 0; partition < topic.partitions; ++partition) {
      if (!options_.slot.owns(topic.topic, partition)) continue;
      auto [entry, fresh] = places.partitions.try_emplace({topic.topic, partition});
      auto marks = TRY(consumer.watermarks(topic.topic, partition));
      int64_t& offset = entry->second.offset;
      if (fresh) {
        offset = entry->second.begun = marks.first;
        continue;
      }
      if (offset > marks.end)
        return fail(ErrorKind::unsupported,
                    fmt::format("{}/{} ends at offset {} and was read up to {}: the topic was made anew, or "
                                "the brokers lost messages",
                                topic.topic, partition, marks.end, offset),
                    recopy);
      if (offset >= marks.first) continue;
      std::string gap =
          fmt::format("{}/{}: the messages at offsets {} to {} were removed before they were read",
                      topic.topic, partition, offset, marks.first - 1);
      if (!options_.source.accept_gaps)
        return fail(ErrorKind::unsupported, gap,
                    std::string("to go on without them, write `gaps: accept` into the source; or ") + recopy);
      log::warn("source {}: {}", options_.source.name, gap);
      TRY_VOID(state_store_.quarantine({{.source = options_.source.name,
                                         .table = tables_.tables[tables_.table_of.at(topic.topic)].name,
                                         .reason = gap,
                                         .lsn = static_cast<uint64_t>(offset),
                                         .topic = topic.topic,
                                         .partition = static_cast<uint64_t>(partition)}}));
      offset = marks.first;
    }
  }
  return {};
}

Status KafkaPipeline::stream(uint16_t epoch) {
  // The applier finishes what it has when we are told to stop; everything else stops at once.
  StateStore fences(pool_, apply_policy("state"), stop_now_);
  if (options_.slot.shared()) TRY_VOID(fences.claim(stream_name(), epoch, options_.leased));
  auto [fenced, planned] = TRY(fences.newest(stream_name(), epoch));
  if (!fenced) return fail(ErrorKind::internal, "the source's first fence is missing", recopy);
  if (planned && planned->cut <= fenced->cut) planned.reset();
  KafkaReaderStart start{.source = options_.source.name,
                         .epoch = epoch,
                         .fenced = *fenced,
                         .places = TRY(KafkaPlaces::parse(fenced->places)),
                         .planned = planned,
                         .decoder = decoder_options(options_.source),
                         .slot = options_.slot,
                         .truncates = options_.truncates};
  if (planned) start.planned_places = TRY(KafkaPlaces::parse(planned->places));
  {
    auto consumer = TRY(open());
    TRY_VOID(check_places(consumer, start.places));
  }
  // What a plan does not know of is read after it.
  if (planned)
    for (const auto& [partition, place] : start.places.partitions)
      start.planned_places.partitions.try_emplace(partition, place);
  applied_.fenced_lsn = applied_.queryable_lsn = fenced->end_lsn;
  applied_.cut = fenced->cut;
  // Until the first fence of this life, unless the last one ended in peace.
  applied_.in_doubt = !TRY(state_store_.ended_in_peace(stream_name(), epoch));
  TRY_VOID(state_store_.began(*fenced));
  if (applied_.as_of_micros == 0) applied_.as_of_micros = fenced->committed_at;
  read_.received_lsn = read_.cut_lsn = start.places.sum();
  read_.oldest_waiting_micros = read_.oldest_applying_micros = 0;
  fences_.begin();

  CutHandoff handoff([this] {
    std::lock_guard lock(mutex_);
    if (consumer_ != nullptr) consumer_->wake();
  });
  log::info("source {}: reading {} partitions of {} topics (cut {}{})", stream_name(),
            start.places.partitions.size(), tables_.table_of.size(), fenced->cut,
            planned ? fmt::format(", replaying cut {}", planned->cut) : "");
  life_.set_state("streaming");
  {
    std::lock_guard lock(mutex_);
    streamed_ = true;
    handoff_ = &handoff;
    // Asked for while this life was being set up.
    for (const auto& table : tables_.tables)
      if (!table.has_changes && pending_change_rows_.contains(table.name)) handoff.close();
  }
  Applier applier(pool_, fences, hooks_, handoff, counters_, applied_, clock_, on_cut_, stop_now_);
  Status applied;
  std::thread apply_thread([&] { applied = applier.run(); });
  KafkaReader reader(std::move(start), tables_, counters_, state_store_, handoff, fences_, applied_, read_,
                     clock_, life_.stopping());
  Status read = read_all(reader);
  {
    std::lock_guard lock(mutex_);
    handoff_ = nullptr;
  }
  // Whatever is still being applied had its time; the next start replays it.
  stop_now_ = true;
  handoff.close();
  apply_thread.join();
  stop_now_ = false;
  if (!applied) return applied;
  if (!read && read.error().kind != ErrorKind::cancelled) return read;
  return say_farewell(pool_, stream_name(), epoch, applied_, stop_now_);
}

// Each pass with a client of its own: one that was used for a replay, or for other partitions, may hold
// messages that do not follow what was taken.
Status KafkaPipeline::read_all(KafkaReader& reader) {
  for (bool replayed = false; !life_.stopping();) {
    {
      std::lock_guard lock(mutex_);
      if (handoff_ == nullptr || handoff_->closed()) return {};
    }
    auto consumer = TRY(open());
    {
      std::lock_guard lock(mutex_);
      consumer_ = &consumer;
    }
    Status done = replayed ? reader.run(consumer, [&] { return look_around(consumer, reader); })
                           : reader.replay(consumer);
    replayed = true;
    {
      std::lock_guard lock(mutex_);
      consumer_ = nullptr;
    }
    if (!done) return done;
  }
  return {};
}

// New partitions, what the brokers have, and whether they answer.
Result<bool> KafkaPipeline::look_around(kafka::Consumer& consumer, KafkaReader& reader) {
  int64_t now = clock_.monotonic_micros();
  std::string trouble = consumer.trouble();
  if (!trouble.empty() && now - probed_at_ > limits::kafka_probe_every_us) {
    probed_at_ = now;
    consumer.probe();
    trouble = consumer.trouble();
    if (!trouble.empty()) life_.set_state("waiting", trouble);
    troubled_ = true;
  }
  // It may also end by itself, between two probes.
  if (trouble.empty() && std::exchange(troubled_, false)) life_.set_state("streaming", news_);
  uint64_t end = 0;
  for (const auto& position : reader.places().positions()) end += consumer.known_end(position);
  read_.server_lsn = end;
  if (!trouble.empty() || now - looked_at_ < limits::kafka_look_around_us) return false;
  looked_at_ = now;
  auto topics = find_topics(options_.source, consumer);
  if (!topics) return false;  // the client will complain by itself
  bool changed = false;
  std::string news;
  for (const auto& topic : *topics) {
    if (!tables_.table_of.contains(topic.topic)) {
      news = fmt::format("topic {} is new: it is read after a restart", topic.topic);
      continue;
    }
    for (int32_t partition = 0; partition < topic.partitions; ++partition) {
      if (!options_.slot.owns(topic.topic, partition) ||
          reader.places().partitions.contains({topic.topic, partition}))
        continue;
      log::info("source {}: {}/{} is new", options_.source.name, topic.topic, partition);
      reader.set_place(topic.topic, partition, 0);
      changed = true;
    }
  }
  if (std::exchange(news_, news) != news) life_.set_state("streaming", news);
  return changed;
}

Result<uint64_t> KafkaPipeline::ask_for_fence() {
  auto consumer = TRY(open());
  KafkaPlaces target;
  for (const auto& topic : TRY(find_topics(options_.source, consumer)))
    for (int32_t partition = 0; tables_.table_of.contains(topic.topic) && partition < topic.partitions;
         ++partition)
      if (options_.slot.owns(topic.topic, partition))
        target.partitions[{topic.topic, partition}].offset =
            TRY(consumer.watermarks(topic.topic, partition)).end;
  uint64_t position = fences_.ask(std::move(target));
  std::lock_guard lock(mutex_);
  if (consumer_ != nullptr) consumer_->wake();
  return position;
}

Status KafkaPipeline::prepare_change_rows(const std::set<std::string>& tables) {
  for (CapturedTable table : tables_.tables) {
    if (table.has_changes || !tables.contains(table.name)) continue;
    table.has_changes = true;
    for (const auto& statement : create_statements(table)) TRY_VOID(pool_.lease()->execute(statement));
  }
  return {};
}

void KafkaPipeline::begin_change_rows(const std::set<std::string>& tables) {
  std::lock_guard lock(mutex_);
  bool news = false;
  for (const auto& table : tables_.tables)
    if (!table.has_changes && tables.contains(table.name))
      news |= pending_change_rows_.insert(table.name).second;
  if (news && handoff_ != nullptr) handoff_->close();
  if (news && consumer_ != nullptr) consumer_->wake();
}

SourceStatus KafkaPipeline::status() const {
  SourceStatus status;
  life_.describe(status, applied_, applied_.rows);
  life_.describe_ladder(status, applied_, read_, fences_.shown(applied_.fenced_lsn));
  status.source = options_.source.name;  // not the slot's
  status.positions = Positions::messages;
  {
    std::lock_guard lock(mutex_);
    status.epoch = epoch_;
  }
  status.tables = table_statuses(status.state, tables_.tables, counters_);
  return status;
}

std::optional<Error> KafkaPipeline::gave_up() const {
  return life_.gave_up();
}

}  // namespace tidemark::ingest
