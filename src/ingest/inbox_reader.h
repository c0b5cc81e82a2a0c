// Turns the blocks of an inbox into cuts.
//
// A position is the number of a block; a cut takes whole blocks, as many as have come when the applier is
// free and limits::cut_rows_max allows (one block may be more: its rows flow through in parts, so memory
// stays bounded). What the table keeps of a key is decided by its version column and not by us: the version
// of a row here is that column's value, then the row's place among the INSERTs. So a row that comes late or
// twice changes nothing, whoever sends it.
//
// Threads: run() is one thread; the counters may be read by anyone.
#pragma once

#include "ingest/applier.h"
#include "ingest/inbox.h"
#include "ingest/stream_reader.h"

namespace tidemark::ingest {

class InboxReader {
 public:
  struct Start {
    std::string source;
    uint16_t epoch = 0;
    CutRecord fenced;                  // of the block to begin behind
    std::optional<CutRecord> planned;  // a cut to be replayed
  };
  struct Wakes {
    // False: it is told to end.
    std::function<bool(std::chrono::milliseconds)> pause;
    // When everything known is fenced; now and then.
    std::function<Status()> at_rest;
  };
  InboxReader(Start start, const CapturedTable& table, bool by_version, Inbox& inbox, CutHandoff& handoff,
              const ApplierCounters& applied, ReaderCounters& read, const Clock& clock,
              const std::atomic<uint64_t>& wanted_fence, const std::atomic<bool>& stop, Wakes wakes);

  // Until stop, or the handoff closes, or something fails.
  Status run();

 private:
  Status take(const Inbox::Waiting& waiting);
  Status close(uint64_t last, bool rows, Plan plan);
  Status send_rows(Cut& cut, uint64_t last);
  Status push(Cut& cut, std::unique_ptr<Part> part);
  std::unique_ptr<Part> new_part();
  bool ends() const { return stop_ || handoff_.closed(); }

  Start start_;
  const CapturedTable& table_;
  bool by_version_;
  Inbox& inbox_;
  CutHandoff& handoff_;
  const ApplierCounters& applied_;
  ReaderCounters& read_;
  const Clock& clock_;
  const std::atomic<uint64_t>& wanted_fence_;
  const std::atomic<bool>& stop_;
  Wakes wakes_;

  uint64_t position_ = 0;
  bool settled_ = false;  // the doubt of the start
  uint64_t cut_number_ = 0;
  uint32_t part_number_ = 0;
  int64_t committed_at_ = 0;
  int64_t dropped_at_ = 0;
  std::vector<CommittedTransaction> transactions_;
};

}  // namespace tidemark::ingest
