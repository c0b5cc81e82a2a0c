#include "postgres/replication_stream.h"

#include "base/limits.h"
#include "base/log.h"
#include "postgres/big_endian.h"
#include "postgres/replication_setup.h"

#include <cerrno>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>

namespace tidemark::postgres {
namespace {

constexpr size_t wal_header_bytes = 1 + 8 + 8 + 8;  // 'w', start, server end, clock
constexpr size_t keepalive_bytes = 1 + 8 + 8 + 1;   // 'k', server end, clock, reply requested
constexpr size_t status_bytes =
    1 + 8 + 8 + 8 + 8 + 1;  // 'r', written, flushed, applied, clock, reply requested

std::string start_command(const StreamOptions& options) {
  std::string command =
      fmt::format("START_REPLICATION SLOT {} LOGICAL {} (proto_version '{}', publication_names {}",
                  quote_identifier(options.slot), format_lsn(options.start), options.protocol_version,
                  quote_literal(quote_identifier(options.publication)));
  if (options.binary) command += ", binary 'true'";
  if (options.messages) command += ", messages 'true'";
  if (options.protocol_version >= 2) command += ", streaming 'true'";
  return command + ")";
}

// Who holds the slot, asked over a second, plain connection, so that the error can name them.
Error slot_in_use(const StreamOptions& options, Error error) {
  ConnectionOptions plain = options.connection;
  plain.replication = false;
  std::string holder = "another session";
  if (auto connection = Connection::open(plain)) {
    auto slot = read_slot(*connection, options.slot);
    if (slot && *slot && (*slot)->active)
      holder = fmt::format("process {} ({})", (*slot)->active_pid,
                           (*slot)->active_application.empty() ? "unnamed" : (*slot)->active_application);
  }
  return {
      ErrorKind::conflict,
      fmt::format("the replication slot {} is in use by {} ({})", options.slot, holder, error.message),
      "stop the other program, or give this source a slot of its own; a session that died is let go by the "
      "server after wal_sender_timeout (60 s by default)"};
}

}  // namespace

void ReplicationStream::BufferDeleter::operator()(char* buffer) const {
  PQfreemem(buffer);
}

ReplicationStream::ReplicationStream(Connection connection, const StreamOptions& options)
    : connection_(std::move(connection)),
      wake_fd_(options.wake_fd),
      protocol_version_(options.protocol_version),
      positions_(std::make_unique<Positions>()),
      acknowledged_(options.start) {}

Result<ReplicationStream> ReplicationStream::start(const StreamOptions& options) {
  ConnectionOptions connection_options = options.connection;
  connection_options.replication = true;
  Connection connection = TRY(Connection::open(connection_options));
  PGresult* result = PQexec(connection.handle(), start_command(options).c_str());
  bool started = PQresultStatus(result) == PGRES_COPY_BOTH;
  if (!started) {
    Error error = server_error(connection.handle(), result);
    PQclear(result);
    if (error.kind == ErrorKind::conflict) return fail(slot_in_use(options, std::move(error)));
    return fail(std::move(error).in(fmt::format("starting the change stream of slot {}", options.slot)));
  }
  PQclear(result);
  ReplicationStream stream(std::move(connection), options);
  return stream;
}

Result<std::optional<WalMessage>> ReplicationStream::next(std::chrono::milliseconds timeout) {
  PGconn* connection = connection_.handle();
  std::optional<std::chrono::steady_clock::time_point> deadline;  // set when there is something to wait for
  for (;;) {
    char* raw = nullptr;
    int length = PQgetCopyData(connection, &raw, 1);
    buffer_.reset(raw);
    if (length > 0) {
      if (raw[0] == 'w' && static_cast<size_t>(length) >= wal_header_bytes) {
        WalMessage message{
            .start = read_u64(raw + 1),
            .server_end = read_u64(raw + 9),
            .payload = {raw + wal_header_bytes, static_cast<size_t>(length) - wal_header_bytes}};
        positions_->received.store(
            std::max(positions_->received.load(std::memory_order_relaxed), message.start),
            std::memory_order_relaxed);
        positions_->server.store(
            std::max(positions_->server.load(std::memory_order_relaxed), message.server_end),
            std::memory_order_relaxed);
        return message;
      }
      if (raw[0] == 'k' && static_cast<size_t>(length) >= keepalive_bytes) {
        Lsn server_end = read_u64(raw + 1);
        positions_->server.store(std::max(positions_->server.load(), server_end));
        positions_->received.store(std::max(positions_->received.load(), server_end));
        idle_position_ = std::max(idle_position_, server_end);
        if (raw[17] == 0) continue;
        TRY_VOID(send_status(acknowledged_, received()));
        // A server that shuts down asks, and waits until it hears that everything is safe.
        reply_wanted_ = server_end > acknowledged_;
        if (!reply_wanted_) continue;
        return std::nullopt;
      }
      return fail(ErrorKind::corrupt,
                  fmt::format("the server sent a replication message of unknown type 0x{:02x} ({} bytes)",
                              static_cast<unsigned char>(raw[0]), length),
                  "check the server's version");
    }
    if (length == 0) {
      auto now = std::chrono::steady_clock::now();
      if (!deadline) deadline = now + timeout;
      auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now);
      // The server sends every change by itself. A reader that waits for each costs both sides a wake-up a
      // change, five times the work of decoding it; in a busy stream a short sleep lets some hundred gather.
      if (now - last_wait_ < limits::stream_busy_interval) {
        std::this_thread::sleep_for(limits::stream_gather_time);
        last_wait_ = std::chrono::steady_clock::now();
      } else {
        last_wait_ = now;
      }
      if (!TRY(wait(std::max(left, std::chrono::milliseconds(0))))) return std::nullopt;
      if (PQconsumeInput(connection) == 0) return fail(server_error(connection, nullptr));
      continue;
    }
    // -1: the server ended the stream; -2: an error. Either way the reason is in the result.
    PGresult* result = PQgetResult(connection);
    if (result != nullptr && PQresultStatus(result) == PGRES_COPY_IN) {
      // The server is done (it shuts down); what follows is its answer to our own CopyDone.
      PQclear(result);
      PQputCopyEnd(connection, nullptr);
      result = PQgetResult(connection);
    }
    Error error = result != nullptr && PQresultStatus(result) != PGRES_COMMAND_OK
                      ? server_error(connection, result)
                      : Error(ErrorKind::dependency_down, "the server ended the change stream",
                              "it is started again when the server is back");
    PQclear(result);
    return fail(std::move(error));
  }
}

// True when the server's socket is readable; false on timeout or wake-up.
Result<bool> ReplicationStream::wait(std::chrono::milliseconds timeout) {
  pollfd descriptors[2] = {{PQsocket(connection_.handle()), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  nfds_t count = wake_fd_ >= 0 ? 2 : 1;
  int ready = ::poll(descriptors, count, static_cast<int>(timeout.count()));
  if (ready < 0) {
    if (errno == EINTR) return false;
    return fail(ErrorKind::internal,
                fmt::format("poll on the replication socket failed: {}", std::strerror(errno)));
  }
  if (descriptors[0].revents != 0) return true;
  // Taken only when the caller is told (we return false): else the wake-up would be lost, and one that is
  // never taken would make every later wait return at once.
  uint64_t wakes = 0;
  if (count == 2 && (descriptors[1].revents & POLLIN) != 0) [[maybe_unused]]
    ssize_t taken = read(wake_fd_, &wakes, sizeof wakes);
  return false;
}

Status ReplicationStream::acknowledge(Lsn flushed, Lsn written) {
  acknowledged_ = std::max(acknowledged_, flushed);
  return send_status(acknowledged_, std::max(written == 0 ? received() : written, acknowledged_));
}

Status ReplicationStream::send_status(Lsn flushed, Lsn written) {
  timeval now{};
  gettimeofday(&now, nullptr);
  int64_t clock = now.tv_sec * int64_t{1'000'000} + now.tv_usec - postgres_epoch_micros;
  char message[status_bytes];
  message[0] = 'r';
  write_u64(message + 1, std::max(written, flushed));
  write_u64(message + 9, flushed);
  write_u64(message + 17, flushed);
  write_u64(message + 25, static_cast<uint64_t>(clock));
  message[33] = 0;
  if (PQputCopyData(connection_.handle(), message, sizeof message) <= 0 || PQflush(connection_.handle()) < 0)
    return fail(server_error(connection_.handle(), nullptr));
  return {};
}

Lsn ReplicationStream::server_position() const {
  return positions_->server.load(std::memory_order_relaxed);
}
Lsn ReplicationStream::received() const {
  return positions_->received.load(std::memory_order_relaxed);
}

void ReplicationStream::stop() {
  wake_fd_ = -1;  // a wake-up that nobody will read any more must not keep the wait below from waiting
  PGconn* connection = connection_.handle();
  if (PQputCopyEnd(connection, nullptr) <= 0 || PQflush(connection) < 0) return;
  // What was on its way is read and dropped until the server has said that the command is over, which it does
  // after it let go of the slot. Bounded: the session is closed by the destructor in any case.
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  bool copying = true;
  while (std::chrono::steady_clock::now() < deadline) {
    if (copying) {
      char* raw = nullptr;
      int length = PQgetCopyData(connection, &raw, 1);
      PQfreemem(raw);
      if (length > 0) continue;
      if (length < 0) copying = false;
    }
    if (!copying && PQisBusy(connection) == 0) {
      PGresult* result = PQgetResult(connection);
      if (result == nullptr) return;
      PQclear(result);
      continue;
    }
    auto readable = wait(std::chrono::milliseconds(100));
    if (!readable || (*readable && PQconsumeInput(connection) == 0)) return;
  }
}

}  // namespace tidemark::postgres
