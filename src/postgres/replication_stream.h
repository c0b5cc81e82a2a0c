// The change stream of one slot: START_REPLICATION and the standby protocol around it.
//
// The reader's duties here: keepalives are answered inside next(); acknowledge() tells the server what it may
// forget, and must be called at least every 10 s also when nothing new is safe (with the same position), or
// the server ends the session after wal_sender_timeout (60 s by default). Positions only grow: an older LSN
// is ignored.
//
// Threads: one at a time, except received() and server_position(), which any thread may read.
// Failure: every error ends the stream; start a new one from the last acknowledged position.
#pragma once

#include "postgres/connection.h"
#include "postgres/lsn.h"

#include <atomic>
#include <chrono>
#include <utility>

namespace tidemark::postgres {

struct StreamOptions {
  ConnectionOptions connection;  // `replication` is set by start()
  std::string slot;
  std::string publication;
  Lsn start = 0;             // 0: where the slot was last acknowledged
  bool binary = true;        // see all_binary_decodable()
  int protocol_version = 1;  // 2 also asks for streaming of large transactions
  bool messages = true;      // deliver pg_logical_emit_message
  // An eventfd the caller owns: when it is readable, next() resets it and returns early, and empty.
  int wake_fd = -1;
};

struct WalMessage {
  Lsn start = 0;             // where this change is in the log
  Lsn server_end = 0;        // end of the server's log when it was sent
  std::string_view payload;  // one pgoutput message; good until the next call of next()
};

class ReplicationStream {
 public:
  // Errors: conflict (the slot is in use: by whom), refused (no such slot or publication, no right), and
  // those of Connection::open.
  static Result<ReplicationStream> start(const StreamOptions& options);

  // The next message; nothing after `timeout`, when woken, or when the server wants to know how far we are.
  // Errors: dependency_down (the connection ended),
  // refused (the server ended the stream with an error), corrupt.
  Result<std::optional<WalMessage>> next(std::chrono::milliseconds timeout);

  // Standby status update: `flushed` is safe on our side and may be forgotten; `written` has arrived (0:
  // received()).
  Status acknowledge(Lsn flushed, Lsn written = 0);

  Lsn server_position() const;  // end of the server's log as last heard
  Lsn received() const;  // start of the last message, or the last keepalive's position if that is later
  Lsn acknowledged() const { return acknowledged_; }
  int protocol_version() const { return protocol_version_; }
  // Everything before this LSN has been sent: nothing of interest lies between the last commit and it. When
  // no transaction is open and nothing waits, it is safe to acknowledge it; this is how the slot of an idle
  // database advances.
  Lsn idle_position() const { return idle_position_; }
  // The server asked how far we are, and we were not at the end of what it had sent. Until this is asked.
  bool take_reply_wanted() { return std::exchange(reply_wanted_, false); }

  // Ends the stream politely (CopyDone), so the slot is free at once.
  void stop();

 private:
  struct Positions {
    std::atomic<Lsn> server{0};
    std::atomic<Lsn> received{0};
  };
  explicit ReplicationStream(Connection connection, const StreamOptions& options);
  Result<bool> wait(std::chrono::milliseconds timeout);
  Status send_status(Lsn flushed, Lsn written);
  struct BufferDeleter {
    void operator()(char* buffer) const;
  };

  Connection connection_;
  int wake_fd_;
  int protocol_version_;
  std::unique_ptr<char, BufferDeleter> buffer_;
  std::unique_ptr<Positions> positions_;
  Lsn acknowledged_ = 0;
  Lsn idle_position_ = 0;
  bool reply_wanted_ = false;
  std::chrono::steady_clock::time_point last_wait_;
};

}  // namespace tidemark::postgres
