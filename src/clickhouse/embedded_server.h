// ClickHouse as a child process: the server people get without installing one. It is the real thing
// (libchdb.so run by tidemark-clickhouse, embedded_main.cc), reached like any other server through Endpoint.
//
// Invariants. One EmbeddedServer a data directory: <data>/tidemark.lock is held for its life, and
// holds pid and ports as text so that other verbs find a running instance. The directory is only opened by
// the version that wrote it last or by a newer one (<data>/version). Accounts have generated passwords
// (<data>/credentials/*.password, mode 0600), kept across starts. The child never outlives this process.
//
// Supervision. A child that dies is started again after a pause that grows from 0.1 s to 10 s and shrinks
// back after a minute of health, so a crash is a pause for the callers, who see dependency_down or
// unknown_outcome meanwhile. Ports stay the same over restarts. Thread-safe.
#pragma once

#include "base/error.h"
#include "clickhouse/endpoint.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace tidemark::clickhouse {

// tidemark: everything, for the program. reader: SELECT on user databases, bounded, for endpoints and the
// page. admin: everything, for the person.
enum class Account { tidemark, reader, admin };
const char* name(Account account);

struct EmbeddedOptions {
  std::filesystem::path data_directory;
  uint16_t http_port = 8123;  // 0: a free one
  uint16_t tcp_port = 9000;   // 0: a free one
  std::string listen = "127.0.0.1";
  std::filesystem::path program;  // tidemark-clickhouse; empty: beside our own binary
  std::filesystem::path library;  // libchdb.so; empty: see find_library()
  size_t memory_bytes_max = 0;  // of the child; 0: limits::embedded_memory_bytes_max or 60 % of the machine's
  std::string extra_config;     // XML elements for the server's configuration, e.g. <remote_servers>
  std::chrono::milliseconds start_timeout{60'000};
  // Bounds of the reader account.
  std::chrono::seconds reader_time_max{30};
  uint64_t reader_result_rows_max = 1'000'000;
};

// Where a running instance can be reached, all accounts.
struct EmbeddedEndpoints {
  Endpoint tidemark, reader, admin;
  uint16_t tcp_port = 0;
  int owner_pid = 0;  // the process that holds the lock
  const Endpoint& of(Account account) const;
};

class EmbeddedServer {
 public:
  // Returns when the server answers queries. Errors: conflict (lock or port held; says by whom and what to
  // set), config (library or program not found), unsupported (written by a newer version), dependency_down
  // (the child did not come up; its last log lines are in the message).
  static Result<std::unique_ptr<EmbeddedServer>> start(EmbeddedOptions options);
  ~EmbeddedServer();  // stop()
  EmbeddedServer(const EmbeddedServer&) = delete;
  EmbeddedServer& operator=(const EmbeddedServer&) = delete;

  Endpoint endpoint(Account account) const;
  uint16_t http_port() const;
  uint16_t tcp_port() const;
  std::string version() const;  // of ClickHouse
  int child_pid() const;        // 0 while it is down
  uint64_t restarts() const;

  // Called from the supervising thread on every change; set once, before others look.
  void observe(std::function<void(bool up)> observer);

  // SIGTERM, a grace of 10 s, SIGKILL. Idempotent.
  void stop();

  // The instance that another process runs on this directory, when there is one and it answers. Between two
  // lives of its child, and while it starts, it is waited for; not when nobody holds the directory.
  static std::optional<EmbeddedEndpoints> find_running(
      const std::filesystem::path& data_directory,
      std::chrono::milliseconds patience = std::chrono::milliseconds(0));

  // $TIDEMARK_LIBCHDB; libchdb.so beside the binary; ../lib/tidemark; node_modules/@chdb/lib-linux-x64-gnu
  // here or in any directory above the binary. Errors: config, with the places looked at.
  static Result<std::filesystem::path> find_library(const std::filesystem::path& program);

 private:
  struct State;
  explicit EmbeddedServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tidemark::clickhouse
