// A Postgres of our own, for `tidemark demo`: a data directory, a port on loopback, a child process that ends
// with us. Needs Postgres's server programs on this machine. They refuse to run as root; then they run as
// user postgres.
#pragma once

#include "base/error.h"

#include <filesystem>
#include <memory>
#include <string>

namespace tidemark::cli {

class PrivatePostgres {
 public:
  // Makes the cluster on first use; later starts continue with its data. Errors: config (no server programs,
  // no user postgres), conflict (port taken), dependency_down (it did not come up; the end of its log is in
  // the message).
  static Result<std::unique_ptr<PrivatePostgres>> start(const std::filesystem::path& directory,
                                                        uint16_t port);
  ~PrivatePostgres();  // stop()
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  // libpq URL of a database; made if missing.
  Result<std::string> database(const std::string& name);
  uint16_t port() const { return port_; }
  // Fast shutdown, waited for. Idempotent.
  void stop();

 private:
  PrivatePostgres(int pid, uint16_t port) : pid_(pid), port_(port) {}
  int pid_;
  uint16_t port_;
};

}  // namespace tidemark::cli
