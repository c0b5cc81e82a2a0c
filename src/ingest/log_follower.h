// Reads a Postgres server's log for a pipeline: first in bulk whatever the server is ahead, then live. Beside
// it a thread asks where the log ends (the stream does not say) and now and then writes a message into it, so
// that the slot moves when the captured tables are quiet.
#pragma once

#include "base/clock.h"
#include "config/postgres_source.h"
#include "ingest/stream_reader.h"
#include "postgres/preflight.h"

#include <condition_variable>
#include <mutex>

namespace tidemark::ingest {

postgres::ConnectionOptions connection_options(const config::PostgresSource& source);

// "check: detail (remedy)", one each.
std::vector<std::string> finding_texts(const std::vector<postgres::Finding>& findings);

// What preflight finds against streaming `tables`, all of it in one error; remarks go to `warnings`. A slot
// that somebody holds is given a little time: a server may take seconds to notice that a killed process is
// gone. `pause` returns false when nobody waits for the answer any more.
Status check_source(postgres::Connection& connection, const config::PostgresSource& source,
                    const std::vector<CapturedTable>& tables, const Clock& clock,
                    const std::function<bool(std::chrono::milliseconds)>& pause,
                    std::vector<postgres::Finding>& warnings);

class LogFollower {
 public:
  // All must outlive it.
  LogFollower(const config::PostgresSource& source, const std::vector<CapturedTable>& tables,
              const ApplierCounters& applied, ReaderCounters& read, const Clock& clock,
              const std::atomic<bool>& stop);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  // Ends the wait for the server: something else has happened. From any thread.
  void wake() const;
  // Until it is told to stop or `reader` ends.
  Status run(StreamReader& reader);

 private:
  void send_heartbeats();

  const config::PostgresSource& source_;
  const std::vector<CapturedTable>& tables_;
  const ApplierCounters& applied_;
  ReaderCounters& read_;
  const Clock& clock_;
  const std::atomic<bool>& stop_;
  int wake_fd_;
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  bool ended_ = false;
};

}  // namespace tidemark::ingest
