#include "ingest/kafka_parity.h"

#include "base/clock.h"
#include "base/limits.h"
#include "clickhouse/schema.h"
#include "ingest/applier.h"
#include "ingest/kafka_comparison.h"
#include "ingest/kafka_parity_limits.h"
#include "ingest/kafka_slot.h"

#include <thread>

namespace tidemark::ingest {
namespace {

// The newest fences of all slots.
struct Fence {
  KafkaPlaces places;
  std::vector<uint64_t> cuts;  // by slot
};

class KafkaProof {
 public:
  KafkaProof(const config::KafkaSource& source, clickhouse::ClientPool& pool,
             const KafkaParityOptions& options, const std::atomic<bool>& stop)
      : source_(source),
        pool_(pool),
        options_(options),
        stop_(stop),
        state_(pool, apply_policy("verify"), stop) {}

  Result<KafkaParityReport> run() {
    auto consumer = TRY(kafka::Consumer::open(consumer_options(source_)));
    TRY_VOID(find(consumer));
    if (wanted_.empty()) return KafkaParityReport{};
    if (options_.running) TRY_VOID(wait_for_ends(consumer));
    scratch_ = TRY(KafkaScratch::make(pool_));
    for (size_t table : wanted_) TRY_VOID(scratch_->add(table, tables_.tables[table]));
    KafkaReplay replay(epoch_, tables_, decoder_options(source_), *scratch_);
    Fence fence = TRY(replay_to_fence(consumer, replay));
    uint8_t stage = replay.stage();
    KafkaParityReport report{.as_of = fence.places, .tables = {}};
    std::map<size_t, KafkaComparison> comparisons;
    bool moves = false;
    for (size_t table : wanted_) {
      const CapturedTable& captured = tables_.tables[table];
      auto [entry, fresh] =
          comparisons.try_emplace(table, *scratch_, table, captured, kept(replay, table), fence.cuts);
      if (auto compared = compare(entry->second, replay, table, stage); !compared)
        return fail(std::move(compared.error()).in(captured.display()));
      moves |= entry->second.anything_moves();
    }
    // Whatever is in the tables by now came out of messages that the brokers have by now.
    if (moves) TRY_VOID(replay.read(source_, TRY(ends(consumer, fence.places)), options_.progress, stop_));
    for (auto& [table, comparison] : comparisons) {
      const CapturedTable& captured = tables_.tables[table];
      if (auto judged = judge(comparison, replay, table); !judged)
        return fail(std::move(judged.error()).in(captured.display()));
      TableParity parity = TRY_IN(comparison.report(), captured.display());
      TRY_VOID(count_refused(captured, stage, parity));
      parity.notes = notes(replay, table);
      report.tables.push_back(std::move(parity));
    }
    return report;
  }

 private:
  Status find(kafka::Consumer& consumer) {
    auto record = TRY(state_.source(source_.name));
    if (!record || !record->copied)
      return fail(ErrorKind::dependency_down, fmt::format("source {} has read nothing yet", source_.name),
                  "start the project: tidemark up");
    epoch_ = record->epoch;
    if (record->system_id != TRY(consumer.cluster()))
      return fail(ErrorKind::unsupported,
                  "this is not the Kafka cluster the warehouse was filled from (its identity differs)",
                  "check `brokers`");
    tables_ = TRY(find_tables(source_, consumer, pool_, {}, false));
    KafkaPlaces places = TRY(fence()).places;
    for (const auto& [partition, place] : places.partitions) {
      auto table = tables_.table_of.find(partition.first);
      if (table != tables_.table_of.end() && chosen(tables_.tables[table->second]))
        wanted_.insert(table->second);
      if (table == tables_.table_of.end() && options_.only.empty())
        return fail(
            ErrorKind::unsupported,
            fmt::format("topic {} was read up to offset {} and is not there any more, or does not match",
                        partition.first, place.offset),
            "its rows cannot be compared with anything; name the tables that can: tidemark verify <table>");
    }
    return {};
  }

  bool chosen(const CapturedTable& table) const {
    if (options_.only.empty()) return true;
    return std::any_of(options_.only.begin(), options_.only.end(),
                       [&](const auto& name) { return name == table.name || name == table.display(); });
  }

  bool reads(const std::string& topic) const {
    auto table = tables_.table_of.find(topic);
    return table != tables_.table_of.end() && wanted_.contains(table->second);
  }

  Result<Fence> fence() {
    Fence fence;
    std::vector<CutRecord> records;
    if (source_.slots > 1) {
      records = TRY(state_.fences_of(source_.name, epoch_));
    } else if (auto record = TRY(state_.fenced(source_.name, epoch_))) {
      records.push_back(std::move(*record));
    }
    for (KafkaSlot slot{.number = 0, .count = source_.slots}; slot.number < slot.count; ++slot.number)
      fence.cuts.push_back(slot.first_cut());
    for (const auto& record : records) {
      uint32_t slot = stream_of(record.cut);
      if (slot >= fence.cuts.size())
        return fail(ErrorKind::unsupported,
                    fmt::format("source {} was read with more slots than the project says", source_.name));
      fence.cuts[slot] = record.cut;
      KafkaPlaces places = TRY(KafkaPlaces::parse(record.places));
      for (auto& [partition, place] : places.partitions) fence.places.partitions[partition] = place;
    }
    return fence;
  }

  // Where the partitions that are compared end now.
  Result<KafkaReplay::Ends> ends(kafka::Consumer& consumer, const KafkaPlaces& places) {
    KafkaReplay::Ends ends;
    for (const auto& [partition, place] : places.partitions)
      if (reads(partition.first))
        ends[partition] =
            std::max(place.offset, TRY(consumer.watermarks(partition.first, partition.second)).end);
    return ends;
  }

  Status wait_for_ends(kafka::Consumer& consumer) {
    KafkaPlaces target;
    for (const auto& [partition, end] : TRY(ends(consumer, TRY(fence()).places)))
      target.partitions[partition].offset = end;
    int64_t deadline = system_clock().monotonic_micros() + options_.fence_timeout.count() * 1000;
    while (!stop_) {
      KafkaPlaces places = TRY(fence()).places;
      if (places.reached(target)) return {};
      if (system_clock().monotonic_micros() > deadline)
        return fail(
            ErrorKind::dependency_down,
            fmt::format("source {} did not reach the ends of its topics within {} s: {} messages are "
                        "fenced, and there were {}",
                        source_.name, options_.fence_timeout.count() / 1000, places.sum(), target.sum()),
            "tidemark status shows how far it is; --timeout gives it more time");
      std::this_thread::sleep_for(limits::fence_poll_every);
    }
    return fail(ErrorKind::cancelled, "stopped");
  }

  // The warehouse goes on meanwhile: what comes behind the fence is caught up with, so that few rows move.
  Result<Fence> replay_to_fence(kafka::Consumer& consumer, KafkaReplay& replay) {
    Fence newest = TRY(fence());
    TRY_VOID(begin(consumer, replay, newest.places));
    for (int pass = 0;; ++pass) {
      int64_t started = system_clock().monotonic_micros();
      KafkaReplay::Ends wanted;
      for (const auto& [partition, place] : newest.places.partitions)
        if (reads(partition.first)) wanted[partition] = place.offset;
      TRY_VOID(replay.read(source_, wanted, options_.progress, stop_));
      bool close_by = system_clock().monotonic_micros() - started < limits::replay_lead_us;
      if (close_by || pass + 1 == limits::replay_passes_max) return newest;
      newest = TRY(fence());
      TRY_VOID(begin(consumer, replay, newest.places));
    }
  }

  // Partitions that are new.
  Status begin(kafka::Consumer& consumer, KafkaReplay& replay, const KafkaPlaces& places) {
    for (const auto& [partition, place] : places.partitions) {
      if (!reads(partition.first) || replay.partitions().contains(partition)) continue;
      auto marks = TRY(consumer.watermarks(partition.first, partition.second));
      if (place.offset > marks.end)
        return fail(
            ErrorKind::unsupported,
            fmt::format("{}/{} ends at offset {} and was read up to {}: the topic was made anew, or the "
                        "brokers lost messages",
                        partition.first, partition.second, marks.end, place.offset),
            "empty the tables and read what the brokers have with: tidemark up --recopy");
      if (place.begun == KafkaPlace::unknown && source_.from_latest)
        return fail(ErrorKind::unsupported,
                    fmt::format("where {}/{} was begun to be read is not recorded: an earlier version did it",
                                partition.first, partition.second),
                    "with `start: latest` the proof needs it: tidemark up --recopy begins anew");
      replay.add(partition.first, partition.second, std::max<int64_t>(0, place.begun), marks.first);
    }
    return {};
  }

  KafkaKept kept(const KafkaReplay& replay, size_t table) const {
    KafkaKept kept;
    kafka::Format format = decoder_options(source_).format;
    kept.by_offset = format != kafka::Format::debezium && format != kafka::Format::flat;
    for (const auto& [partition, read] : replay.partitions()) {
      if (tables_.table_of.at(partition.first) != table) continue;
      if (read.holes() > 0) kept.holes.insert(partition.second);
      if (!read.trimmed()) continue;
      if (kept.by_offset)
        kept.first[partition.second] = std::max(kept.first[partition.second], read.first);
      else
        kept.since = std::max(kept.since.value_or(0), read.first_version.value_or(~Version{0}));
    }
    return kept;
  }

  std::vector<std::string> notes(const KafkaReplay& replay, size_t table) const {
    std::vector<std::string> notes;
    for (const auto& [partition, read] : replay.partitions()) {
      if (tables_.table_of.at(partition.first) != table) continue;
      if (notes.size() == limits::parity_notes_max) {
        notes.emplace_back("and more partitions");
        break;
      }
      if (read.trimmed())
        notes.push_back(fmt::format("{}/{}: proved from offset {} on; the messages from {} on were removed",
                                    partition.first, partition.second, read.first, read.begun));
      if (read.holes() > 0)
        notes.push_back(
            fmt::format("{}/{}: {} offsets have no message: compaction, or transactions of its producer",
                        partition.first, partition.second, read.holes()));
    }
    return notes;
  }

  static Status compare(KafkaComparison& comparison, const KafkaReplay& replay, size_t table, uint8_t stage) {
    TRY_VOID(comparison.resolve(replay.left_out(table)));
    return comparison.compare(stage, replay.truncates(table));
  }

  static Status judge(KafkaComparison& comparison, const KafkaReplay& replay, size_t table) {
    TRY_VOID(comparison.resolve(replay.left_out(table)));
    return comparison.judge(replay.truncates(table));
  }

  // Each is in quarantine, or it was dropped silently.
  Status count_refused(const CapturedTable& table, uint8_t stage, TableParity& parity) {
    std::string refused = fmt::format("{} WHERE table = {} AND stage <= {}", scratch_->refused(),
                                      clickhouse::quote_string(table.name), stage);
    std::string lost = fmt::format(
        "(topic, partition, lsn) NOT IN (SELECT topic, partition, lsn FROM "
        "tidemark.quarantine FINAL WHERE source = {} AND table = {})",
        clickhouse::quote_string(source_.name), clickhouse::quote_string(table.name));
    Block counts = TRY(scratch_->query(fmt::format("SELECT count(), countIf({}) FROM {}", lost, refused)));
    parity.refused = counts.columns[0].get<uint64_t>(0);
    uint64_t missing = counts.columns[1].get<uint64_t>(0);
    if (missing == 0) return {};
    parity.missing += missing;
    Block some =
        TRY(scratch_->query(fmt::format("SELECT concat(topic, '/', toString(partition), ' offset ', "
                                        "toString(lsn)) FROM {} AND {} ORDER BY lsn LIMIT {}",
                                        refused, lost, limits::parity_examples_max)));
    for (size_t row = 0; row < some.rows(); ++row)
      if (parity.examples.size() < limits::parity_examples_max)
        parity.examples.push_back(fmt::format("missing in quarantine: {}", some.columns[0].text(row)));
    return {};
  }

  const config::KafkaSource& source_;
  clickhouse::ClientPool& pool_;
  const KafkaParityOptions& options_;
  const std::atomic<bool>& stop_;
  StateStore state_;
  uint16_t epoch_ = 0;
  KafkaTables tables_;
  std::set<size_t> wanted_;
  std::unique_ptr<KafkaScratch> scratch_;
};

}  // namespace

Result<KafkaParityReport> verify_kafka_tables(const config::KafkaSource& source, clickhouse::ClientPool& pool,
                                              const KafkaParityOptions& options,
                                              const std::atomic<bool>& stop) {
  return KafkaProof(source, pool, options, stop).run();
}

}  // namespace tidemark::ingest
