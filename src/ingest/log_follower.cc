#include "ingest/log_follower.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/applier.h"
#include "postgres/replication_setup.h"

#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace tidemark::ingest {

using std::chrono::milliseconds;

// The first one that sends transactions while they run.
constexpr int streaming_version_min = 140'000;

postgres::ConnectionOptions connection_options(const config::PostgresSource& source) {
  return {.url = source.url.reveal(), .application_name = "tidemark " + source.name};
}

std::vector<std::string> finding_texts(const std::vector<postgres::Finding>& findings) {
  std::vector<std::string> texts;
  for (const auto& finding : findings)
    texts.push_back(finding.check + ": " + finding.detail +
                    (finding.remedy.empty() ? "" : " (" + finding.remedy + ")"));
  return texts;
}

Status check_source(postgres::Connection& connection, const config::PostgresSource& source,
                    const std::vector<CapturedTable>& tables, const Clock& clock,
                    const std::function<bool(milliseconds)>& pause,
                    std::vector<postgres::Finding>& warnings) {
  postgres::PreflightOptions options{.slot = source.slot, .publication = source.publication};
  for (const auto& table : tables) options.tables.push_back(table.source);
  int64_t deadline = clock.monotonic_micros() + limits::slot_release_wait_us;
  while (true) {
    auto findings = TRY(postgres::preflight(connection, options));
    warnings.clear();
    std::vector<postgres::Finding> failures;
    for (const auto& finding : findings) {
      if (finding.level == postgres::Finding::Level::warn) warnings.push_back(finding);
      if (finding.level == postgres::Finding::Level::fail) failures.push_back(finding);
    }
    if (failures.empty()) return {};
    bool may_pass = std::all_of(failures.begin(), failures.end(),
                                [](const auto& failure) { return failure.kind == ErrorKind::conflict; });
    if (may_pass && clock.monotonic_micros() <= deadline && pause(milliseconds(200))) continue;
    // All of them at once: each may take somebody else's time to mend.
    std::string more;
    for (size_t index = 1; index < failures.size(); ++index)
      more += "\nalso: " + finding_texts({failures[index]}).front();
    return fail(failures.front().kind, failures.front().detail, failures.front().remedy + more);
  }
}

LogFollower::LogFollower(const config::PostgresSource& source, const std::vector<CapturedTable>& tables,
                         const ApplierCounters& applied, ReaderCounters& read, const Clock& clock,
                         const std::atomic<bool>& stop)
    : source_(source),
      tables_(tables),
      applied_(applied),
      read_(read),
      clock_(clock),
      stop_(stop),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

LogFollower::~LogFollower() {
  close(wake_fd_);
}

void LogFollower::wake() const {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(wake_fd_, &one, sizeof one);
}

Status LogFollower::run(StreamReader& reader) {
  std::vector<postgres::SourceTable> sources;
  for (const auto& table : tables_) sources.push_back(table.source);
  bool binary = postgres::all_binary_decodable(sources);
  std::thread heartbeats([this] { send_heartbeats(); });
  auto follow = [&]() -> Status {
    while (!stop_) {
      auto connection = TRY(postgres::Connection::open(connection_options(source_)));
      auto identity = TRY(postgres::read_identity(connection));
      read_.server_lsn = identity.position;
      if (identity.position > applied_.resume_lsn() + limits::backlog_bytes_min &&
          applied_.hold_lsn == UINT64_MAX) {
        log::info("source {}: catching up with {} MB of log", source_.name,
                  (identity.position - applied_.resume_lsn()) >> 20);
        // A transaction larger than the first is decoded through files on the server, which halves its speed.
        for (const char* setting :
             {"statement_timeout = 0", "logical_decoding_work_mem = '256MB'", "work_mem = '64MB'"})
          TRY_VOID(connection.execute(std::string("SET ") + setting));
        TRY_VOID(reader.catch_up(
            connection, {.slot = source_.slot, .publication = source_.publication, .binary = binary}));
      }
      if (stop_ || reader.done()) break;
      bool streaming = source_.streaming && !read_.whole_transactions_only &&
                       connection.server_version() >= streaming_version_min;
      // From where it is held: what a stream begins behind counts as acknowledged.
      auto stream = TRY(postgres::ReplicationStream::start({.connection = connection_options(source_),
                                                            .slot = source_.slot,
                                                            .publication = source_.publication,
                                                            .start = applied_.forgettable_lsn(),
                                                            .binary = binary,
                                                            .protocol_version = streaming ? 2 : 1,
                                                            .wake_fd = wake_fd_}));
      auto ended = reader.run(std::move(stream));
      // Postgres cannot decode some transactions before they end (an ALTER or TRUNCATE that was rolled back
      // to a savepoint may break it), and it would fail at the same place for ever.
      if (!ended && streaming && ended.error().kind == ErrorKind::refused) {
        read_.whole_transactions_only = true;
        return fail(ErrorKind::dependency_down,
                    "Postgres failed to send a transaction that still runs: " + ended.error().message,
                    "transactions are read after their commit from now on");
      }
      if (TRY(std::move(ended)) == StreamReader::Ended::stopped) break;
    }
    return {};
  };
  Status followed = follow();
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    ended_changed_.notify_all();
  }
  heartbeats.join();
  return followed;
}

void LogFollower::send_heartbeats() {
  std::optional<postgres::Connection> connection;
  int64_t beaten = clock_.monotonic_micros();
  while (!stop_) {
    {
      std::unique_lock lock(mutex_);
      if (ended_changed_.wait_for(lock, limits::server_position_every, [&] { return ended_; })) return;
    }
    if (!connection) {
      auto opened = postgres::Connection::open(connection_options(source_));
      if (!opened) continue;  // the stream will notice by itself
      connection.emplace(std::move(*opened));
    }
    auto identity = postgres::read_identity(*connection);
    if (identity) read_.server_lsn = identity->position;
    int64_t now = clock_.monotonic_micros();
    bool due = now - beaten > limits::heartbeat_every.count() * 1000;
    if (due) beaten = now;
    if (!identity || (due && !postgres::emit_heartbeat(*connection))) connection.reset();
  }
}

}  // namespace tidemark::ingest
