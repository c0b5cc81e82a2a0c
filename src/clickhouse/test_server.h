// For tests: a real embedded ClickHouse on free ports in a directory of its own under the build tree. One for
// all tests of a program (about a second to start); each test takes a database of its own.
#pragma once

#include "clickhouse/client.h"
#include "clickhouse/embedded_server.h"
#include "clickhouse/schema.h"

#include <atomic>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace tidemark::clickhouse {

// A directory that goes away with the object.
class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = TIDEMARK_BINARY_DIR "/test-clickhouse-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory for a test server");
    path_ = pattern;
  }
  TestDirectory(const TestDirectory&) = delete;
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline EmbeddedOptions test_server_options(const std::filesystem::path& directory) {
  EmbeddedOptions options;
  options.data_directory = directory;
  options.http_port = options.tcp_port = 0;
  options.program = TIDEMARK_BINARY_DIR "/tidemark-clickhouse";
  options.memory_bytes_max = size_t{2} << 30;
  return options;
}

class TestServer {
 public:
  TestServer() {
    auto started = EmbeddedServer::start(test_server_options(directory_.path()));
    if (!started) throw std::runtime_error(started.error().describe());
    server_ = std::move(*started);
  }
  static TestServer& shared() {
    static TestServer server;
    return server;
  }
  EmbeddedServer& server() { return *server_; }
  Endpoint endpoint(Account account = Account::tidemark) const { return server_->endpoint(account); }
  Client client(Account account = Account::tidemark) const { return Client(endpoint(account)); }
  const std::filesystem::path& directory() const { return directory_.path(); }

  // A new, empty database; its name.
  std::string database() {
    static std::atomic<int> number{0};
    std::string name = fmt::format("test_{}", ++number);
    auto made = client().execute(fmt::format("CREATE DATABASE {}", quote_identifier(name)));
    if (!made) throw std::runtime_error(made.error().describe());
    return name;
  }

 private:
  TestDirectory directory_;
  std::unique_ptr<EmbeddedServer> server_;
};

}  // namespace tidemark::clickhouse
