// Turns what lies in a spool into cuts.
//
// A position is one of the spool; the place of a row in the order of changes is the position of its record
// and its number there, so what is read again after a crash has the same versions. A cut closes when the
// applier is free, or when a part is full; a table has one part a cut, so a cut is known by its end alone.
// Cuts whose rows models add up, or of tables without a key, are planned before they are sent, like those of
// every source; the others are recognised by their keys.
//
// Refused items, and bytes of the spool that are no records any more, go to quarantine before the fence of
// their cut. What is behind the fence is released. Threads: run() is one thread; the counters may be read by
// anyone.
#pragma once

#include "ingest/applier.h"
#include "ingest/event_record.h"
#include "ingest/spool.h"
#include "ingest/stream_reader.h"
#include "kafka/column_plan.h"

namespace tidemark::ingest {

struct EventReaderStart {
  std::string source;
  uint16_t epoch = 0;
  CutRecord fenced;                  // of the position to begin at
  std::optional<CutRecord> planned;  // a cut to be replayed
};

class EventReader {
 public:
  // tables[0] is that of events; the others take lines, in the shape of the same index.
  EventReader(EventReaderStart start, const std::vector<CapturedTable>& tables,
              const std::vector<kafka::TableShape>& shapes,
              std::map<const CapturedTable*, TableCounters*> counters, Spool& spool, StateStore& state,
              CutHandoff& handoff, const ApplierCounters& applied, ReaderCounters& read, const Clock& clock,
              const std::atomic<uint64_t>& wanted_fence, const std::atomic<bool>& stop);
  ~EventReader();

  // Until stop, or the handoff closes, or something fails.
  Status run();

 private:
  struct Lane;

  Status replay();
  Status take(const SpoolReader::Item& item);
  Status take_record(const SpoolReader::Item& item);
  void take_event(Lane& lane, const EventRecord& record, const EventRow& row, Version version);
  Status take_lines(Lane& lane, const EventRecord& record, uint64_t position);
  void added(Lane& lane, int64_t committed_at, uint64_t rows, size_t bytes);
  Status refuse(Lane& lane, std::string_view column, std::string_view reason, std::string_view bytes,
                uint64_t position, uint64_t ordinal);
  Status flush_refused();
  Part& part_of(Lane& lane);
  Status close_if_due();
  std::chrono::milliseconds patience() const;
  Plan plan_of_open_rows() const;
  Status close(Plan plan);
  bool ends() const { return stop_ || handoff_.closed(); }

  std::string source_;
  uint16_t epoch_;
  CutRecord fenced_;
  std::optional<CutRecord> planned_;
  Spool& spool_;
  SpoolReader records_;
  StateStore& state_;
  CutHandoff& handoff_;
  const ApplierCounters& applied_;
  ReaderCounters& read_;
  const Clock& clock_;
  const std::atomic<uint64_t>& wanted_fence_;
  const std::atomic<bool>& stop_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  bool replaying_ = false;

  // The cut being filled.
  uint64_t cut_number_ = 0;
  uint64_t open_rows_ = 0;
  size_t open_bytes_ = 0;
  uint64_t closed_at_ = 0;  // the end of the last cut
  bool full_ = false;
  bool settled_ = false;  // the doubt of the start
  std::vector<CommittedTransaction> open_transactions_;
  int64_t committed_at_ = 0;
  std::vector<QuarantinedRow> refused_;
  size_t refused_bytes_ = 0;
  int64_t last_publish_micros_ = 0;
  int64_t last_idle_micros_ = 0;
};

}  // namespace tidemark::ingest
