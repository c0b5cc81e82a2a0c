// How a StreamReader comes by the messages of a slot: live, one by one, and in bulk when the source is far
// ahead. What is done with them is in stream_reader.cc.
#include "base/limits.h"
#include "base/log.h"
#include "ingest/stream_reader.h"

namespace tidemark::ingest {

using postgres::Message;
using postgres::MessageKind;
using std::chrono::milliseconds;

Result<StreamReader::Ended> StreamReader::run(postgres::ReplicationStream stream) {
  stream_ = &stream;
  ended_ = Ended::stopped;
  decoder_ = postgres::PgoutputDecoder(stream.protocol_version());
  streamed_.clear();
  Status ended = follow();
  if (ended) ended = drain();
  stream_ = nullptr;
  streamed_.clear();
  counters_.streamed_transactions = counters_.streamed_bytes = 0;
  if (!ended) return fail(std::move(ended.error()));
  return ended_;
}

Status StreamReader::follow() {
  // The cut to be replayed has its boundaries written already: its parts may flow at once.
  if (replay_ && !published_) TRY_VOID(publish(replay_->last_lsn, Plan::written));
  while (!stop_ && !handoff_.closed() && !done()) {
    TRY_VOID(keep_in_touch());
    auto message = TRY(stream_->next(milliseconds(until_due_ms())));
    // A stream that has just begun has received nothing of its own yet.
    counters_.received_lsn = std::max<uint64_t>(stream_->received(), applied_.fenced_lsn);
    if (message) {
      if (!TRY(take(*message))) ended_ = Ended::no_room;
    } else {
      TRY_VOID(close_if_due());
      TRY_VOID(idle_fence());
    }
    if (is_behind()) ended_ = Ended::behind;
    if (ended_ != Ended::stopped) {
      if (has_open_rows() && !published_) TRY_VOID(close());
      return {};
    }
  }
  return {};
}

// False: there is no room for transactions that still run. Nothing is lost: the server sends them again.
Result<bool> StreamReader::take(const postgres::WalMessage& message) {
  const Message* decoded = TRY(decoder_.decode(message.payload));
  if (streamed_.passes(*decoded)) {
    change_lsn_ = message.start;
    TRY_VOID(handle(*decoded, message.payload));
    return true;
  }
  Status taken =
      streamed_.take(message.start, *decoded, message.payload,
                     [this](postgres::Lsn lsn, const Message& held, std::string_view payload) -> Status {
                       // A large one takes its time, and nobody reads the stream meanwhile.
                       if ((++handed_on_ & 1023) == 0) {
                         if (stop_ || handoff_.closed()) return fail(ErrorKind::cancelled, "stopped");
                         TRY_VOID(keep_in_touch());
                       }
                       change_lsn_ = lsn;
                       return handle(held, payload);
                     });
  if (!taken && !streamed_.out_of_room()) return fail(std::move(taken.error()));
  if (!taken) {
    log::warn("source {}: transactions are read after their commit from now on: {}", source_,
              taken.error().describe());
    counters_.whole_transactions_only = true;
  }
  if (decoded->kind >= MessageKind::stream_start) {
    counters_.streamed_transactions = streamed_.transactions();
    counters_.streamed_bytes = streamed_.memory_bytes() + streamed_.disk_bytes();
  }
  return taken.has_value();
}

// Only between transactions: one that is half read would have to be read again.
bool StreamReader::is_behind() const {
  return !in_transaction_ && !replay_ && streamed_.transactions() == 0 && applied_.hold_lsn == UINT64_MAX &&
         counters_.server_lsn >
             std::max<uint64_t>(counters_.received_lsn, looked_through_) + limits::backlog_bytes_max;
}

Status StreamReader::catch_up(postgres::Connection& connection, postgres::PeekOptions options) {
  decoder_ = postgres::PgoutputDecoder(1);
  if (replay_ && !published_) TRY_VOID(publish(replay_->last_lsn, Plan::written));
  while (!stop_ && !handoff_.closed()) {
    // A planned cut has its end already: exactly it is read first. Its last commit begins at last_lsn.
    bool replaying = replay_.has_value();
    postgres::Lsn server = counters_.server_lsn;
    options.until = replaying ? replay_->last_lsn + 1 : 0;
    options.changes_max = replaying ? 0 : limits::backlog_piece_changes;
    uint64_t messages = TRY(postgres::peek_slot(
        connection, options, [this](postgres::Lsn lsn, std::string_view payload) -> Status {
          if (stop_ || handoff_.closed()) return fail(ErrorKind::cancelled, "stopped");
          counters_.received_lsn = lsn;
          change_lsn_ = lsn;
          const Message* decoded = TRY(decoder_.decode(payload));
          return handle(*decoded, payload);
        }));
    TRY_VOID(finish_piece());
    TRY_VOID(postgres::advance_slot(connection, options.slot, applied_.forgettable_lsn()));
    counters_.acknowledged_lsn = applied_.forgettable_lsn();
    // A slot that is held does not move: what comes next is for the stream.
    if (done() || applied_.hold_lsn != UINT64_MAX) break;
    if (!replaying && messages < limits::backlog_piece_changes / 10) {
      looked_through_ = server;  // what is left belongs to transactions that still run
      break;
    }
  }
  return {};
}

// Everything of the piece is applied and fenced.
Status StreamReader::finish_piece() {
  if (replay_) {  // its last transaction is not there any more (see begin)
    open_end_lsn_ = std::max(open_end_lsn_, replay_->last_lsn + 1);
    TRY_VOID(close());
  } else if (has_open_rows() || wants_fence_ || late_from_ != 0 || open_end_lsn_ > fenced_.end_lsn) {
    // Also when all its rows are in quarantine: the slot must move on, or the same piece comes again.
    TRY_VOID(close());
  }
  while (!handoff_.wait_settled(milliseconds(200)))
    if (stop_ || handoff_.closed()) return fail(ErrorKind::cancelled, "stopped");
  return {};
}

// Stopping in peace: what is being applied is fenced and acknowledged, so the next start has nothing to
// replay. What is not published yet is simply read again.
Status StreamReader::drain() {
  if (published_) {
    published_->abort();
  } else if (!handoff_.closed()) {
    handoff_.wait_settled(limits::drain_deadline);
    TRY_VOID(stream_->acknowledge(std::max<uint64_t>(applied_.forgettable_lsn(), stream_->acknowledged())));
  }
  stream_->stop();
  return {};
}

}  // namespace tidemark::ingest
