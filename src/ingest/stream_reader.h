// Turns the change stream of one Postgres slot into cuts.
//
// Rows are decoded as they arrive, straight into the columns of the part they will travel in. A cut closes at
// a commit when the applier is free (so at low load every transaction is its own cut, and under load cuts
// grow by themselves), or at limits::cut_rows_max / cut_bytes_max. A transaction larger than that is
// published while it still arrives.
//
// Restart. The stream is asked for from the last fence. Transactions whose commit lies before it are skipped.
// When a cut was planned and not fenced, exactly its transactions make the first cut again, with its part
// limits, so every part and token comes out the same.
//
// A transaction that the server sends while it runs is held until its commit (postgres/
// streamed_transactions.h), and is from then on one like any other: nothing of the above changes.
//
// The reader waits for the applier only at the bounds above; the source's log is the spill: nothing is lost
// by waiting, and the server hears from us all the while. Threads: run() is one thread; the counters may be
// read by anyone.
#pragma once

#include "ingest/applier.h"
#include "ingest/cut.h"
#include "ingest/table_shape.h"
#include "postgres/replication_stream.h"
#include "postgres/slot_peek.h"
#include "postgres/streamed_transactions.h"
#include "postgres/table_decoder.h"

namespace tidemark::ingest {

struct ReaderCounters {
  std::atomic<uint64_t> server_lsn{0};
  std::atomic<uint64_t> received_lsn{0};
  std::atomic<uint64_t> cut_lsn{0};
  std::atomic<uint64_t> acknowledged_lsn{0};
  std::atomic<int64_t> oldest_waiting_micros{
      0};  // commit time of the oldest transaction in the cut being filled; 0: none
  std::atomic<int64_t> oldest_applying_micros{0};  // and of the cut given to the applier last
  // Transactions that still run and have been read in part.
  std::atomic<uint64_t> streamed_transactions{0};
  std::atomic<uint64_t> streamed_bytes{0};
  // There was no room for them: the server is asked for whole transactions until the program ends.
  std::atomic<bool> whole_transactions_only{false};
};

// How a table takes part.
struct LaneStart {
  bool follows = true;                // false: its rows are passed over
  bool late = false;                  // it is read from ReaderStart::late_lsn on, the others from the fence
  postgres::Lsn from = 0;             // changes before it are in its copy
  const TableShape* shape = nullptr;  // null: a change of the table is an error
};

struct ReaderStart {
  std::string source;
  uint16_t epoch = 0;
  CutRecord fenced;                  // the last fence
  std::optional<CutRecord> planned;  // a cut to be replayed, when it is newer
  // The cuts go to topics: parts tell of transactions and orders, and deletes carry the whole old row where
  // the stream has it.
  bool for_topics = false;
  // Where transactions that still run are kept past the memory bound.
  postgres::StreamedTransactions::Options streamed = {};
  std::map<const CapturedTable*, LaneStart> lanes =
      {};                      // those that are not here take part from the fence on
  postgres::Lsn late_lsn = 0;  // 0: no table is late
  bool only_replay = false;    // ends behind the planned cut
  // The stream describes a table in a form that its shape does not know; the reader then ends.
  std::function<void(const CapturedTable&, const postgres::Relation&)> on_unknown_form = {};
};

// Where rows go that cannot be taken.
struct RowQuarantine {
  std::function<Status(const std::vector<QuarantinedRow>&)> put;
  // Rows there by table. Asked after a replay only.
  std::function<Result<std::map<std::string, uint64_t>>(const std::string& source)> counts;
};
RowQuarantine quarantine_of(StateStore& state);

class StreamReader {
 public:
  // `tables` must outlive the reader. `wake_fd`: an eventfd that the handoff's on_idle writes to.
  StreamReader(ReaderStart start, const std::vector<CapturedTable>& tables,
               std::map<const CapturedTable*, TableCounters*> table_counters, RowQuarantine quarantine,
               CutHandoff& handoff, const ApplierCounters& applied, ReaderCounters& counters,
               const Clock& clock, const std::atomic<bool>& stop);

  enum class Ended { stopped, behind, no_room };
  // Until stop, or the handoff closes, or the source is so far ahead that catch_up() is the faster way
  // (limits:: backlog_bytes), or transactions that still run take more room than there is
  // (ReaderCounters::whole_transactions_only, for the next stream); or something fails.
  Result<Ended> run(postgres::ReplicationStream stream);
  // Takes the backlog in pieces (postgres/slot_peek.h), each applied and fenced before the slot moves past
  // it, until little is left. The slot must not be streamed from meanwhile.
  Status catch_up(postgres::Connection& connection, postgres::PeekOptions options);
  // It was only to replay, and has.
  bool done() const { return only_replay_ && !replay_; }

 private:
  struct Lane {
    Lane(const CapturedTable& table, TableCounters& counters, LaneStart start)
        : table(&table),
          counters(&counters),
          start(start),
          decoder(table.source),
          key_decoder(key_only(table.source)) {}
    const CapturedTable* table;
    TableCounters* counters = nullptr;
    LaneStart start;
    std::optional<postgres::Relation> unknown_form;  // as it was described last
    postgres::TableDecoder decoder;
    // Takes only the key from an old row: for old rows that do not fit as a whole.
    postgres::TableDecoder key_decoder;
    std::unique_ptr<Part> part;
    size_t part_bytes = 0;
    uint32_t next_number = 0;
    Block scratch_old, scratch_new;
  };

  Status follow();
  Result<bool> take(const postgres::WalMessage& message);
  bool is_behind() const;
  Status drain();
  Status finish_piece();
  Status handle(const postgres::Message& message, std::string_view payload);
  Status begin(const postgres::Message& message);
  Status commit(const postgres::Message& message);
  Status relation(const postgres::Relation& relation);
  Status bind_form(Lane& lane, const postgres::Relation& relation);
  Status end_at_unknown_form(const Lane& lane) const;
  // The lane that takes the changes of this relation in this transaction, or null.
  Lane* taking_lane(uint32_t oid);
  Status row(const postgres::Message& message, std::string_view payload);
  Status truncate(const postgres::Message& message);
  Status update_with_old(Lane& lane, const postgres::Message& message, std::string_view payload);
  static postgres::SourceTable key_only(postgres::SourceTable table);
  Status remove(Lane& lane, const postgres::Message& message, std::string_view payload);
  Status refuse_undecodable(Lane& lane, const postgres::TableDecoder& decoder, std::string_view payload);
  Status flush_refused();
  Status refuse_row(Lane& lane, const std::string& column, const std::string& reason,
                    std::string_view payload);

  Part& part_of(Lane& lane);
  void note_transaction(Part& part);
  Status finish_row(Lane& lane, Operation operation, Version version, size_t payload_bytes);
  void note_unchanged(Lane& lane, Part& part);
  Status complete_part(Lane& lane);
  Status emit(std::unique_ptr<Part> part, size_t bytes);
  Version version(bool new_side) const;

  bool has_open_rows() const { return open_rows_ > 0; }
  Status close_if_due();
  int64_t until_due_ms() const;
  Status publish(postgres::Lsn last_lsn, Plan plan);
  Plan plan_of_open_rows() const;
  Status close();
  Status seal_large_transaction();
  Status wait_for_applier();
  Status keep_in_touch();
  Status idle_fence();

  postgres::ReplicationStream* stream_ = nullptr;  // while run() has it
  Ended ended_ = Ended::stopped;
  postgres::PgoutputDecoder decoder_{1};
  postgres::StreamedTransactions streamed_;
  uint64_t handed_on_ = 0;            // messages of streamed transactions
  postgres::Lsn looked_through_ = 0;  // the log up to here has nothing more for catch_up()
  std::string source_;
  uint16_t epoch_;
  CutRecord fenced_;
  std::optional<CutRecord> replay_;
  RowQuarantine quarantine_;
  bool for_topics_;
  postgres::Lsn late_from_;  // where late lanes are, before fenced_.end_lsn; 0: there are none
  bool only_replay_;
  std::function<void(const CapturedTable&, const postgres::Relation&)> on_unknown_form_;
  CutHandoff& handoff_;
  const ApplierCounters& applied_;
  ReaderCounters& counters_;
  const Clock& clock_;
  const std::atomic<bool>& stop_;
  std::map<uint32_t, std::unique_ptr<Lane>> lanes_;

  // The cut being filled. Parts wait in pending_ until it is published.
  uint64_t cut_number_ = 0;
  uint64_t part_rows_max_ = 0;
  uint64_t part_bytes_max_ = 0;
  std::shared_ptr<Cut> published_;
  std::vector<std::pair<std::unique_ptr<Part>, size_t>> pending_;
  size_t open_bytes_ = 0;
  uint64_t open_rows_ = 0;
  bool wants_fence_ = false;
  postgres::Lsn open_last_lsn_ = 0;  // of the last whole transaction in it
  postgres::Lsn open_end_lsn_ = 0;
  std::vector<CommittedTransaction> open_transactions_;
  // On their way to quarantine; there before the cut's fence is.
  std::vector<QuarantinedRow> refused_;
  size_t refused_bytes_ = 0;

  // The transaction being read.
  bool in_transaction_ = false;
  bool skipping_ = false;
  bool late_ = false;  // only late lanes take it
  postgres::Lsn final_lsn_ = 0;
  int64_t committed_at_ = 0;
  uint64_t change_ = 0;
  uint32_t transaction_ = 0;
  postgres::Lsn change_lsn_ = 0;
  postgres::Lsn previous_lsn_ = 0;  // of the commit before
  uint64_t transaction_rows_ = 0;

  int64_t last_publish_micros_ = 0;
  int64_t last_status_micros_ = 0;
  int64_t last_idle_fence_micros_ = 0;
};

}  // namespace tidemark::ingest
