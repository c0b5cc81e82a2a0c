#include "clickhouse/embedded_readers.h"

#include "clickhouse/embedded_directory.h"
#include "clickhouse/embedded_server.h"

#include <csignal>
#include <fmt/format.h>
#include <thread>

namespace tidemark::clickhouse {

namespace {

constexpr std::chrono::milliseconds child_poll{50};

}  // namespace

std::string readers_config_text(const std::vector<EmbeddedReader>& readers) {
  std::string users;
  for (const auto& reader : readers)
    users += fmt::format(R"(
    <{0}>
      <password_sha256_hex>{1}</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>reader</profile>
      <quota>default</quota>
      <grants><query>GRANT SELECT ON {0}.*</query></grants>
    </{0}>)",
                         reader.name, reader.password_hash);
  return fmt::format(
      "<clickhouse>\n  <!-- Written by tidemark apply. -->\n  <users>{}\n  </users>\n</clickhouse>\n", users);
}

Result<bool> write_readers(const std::filesystem::path& data_directory,
                           const std::vector<EmbeddedReader>& readers) {
  const std::filesystem::path folder = data_directory / "config" / "users.d";
  const std::filesystem::path file = folder / "readers.xml";
  std::string text = readers_config_text(readers), before = read_file(file);
  if (before == text || (before.empty() && readers.empty())) return false;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return fail(ErrorKind::config, fmt::format("{} cannot be made: {}", folder.string(), error.message()),
                "make the data directory writable for this user");
  TRY_VOID(write_private_file(file, text));
  return true;
}

Status restart_for_readers(const std::filesystem::path& data_directory, std::chrono::milliseconds patience) {
  auto held = DirectoryLock::held_by_another(data_directory);
  if (!held || held->child_pid == 0) return {};
  kill(held->child_pid, SIGTERM);
  for (auto until = std::chrono::steady_clock::now() + patience; std::chrono::steady_clock::now() < until;) {
    auto now = DirectoryLock::held_by_another(data_directory);
    if (!now) return {};  // its owner ended: the next start reads the file
    if (now->child_pid != held->child_pid && EmbeddedServer::find_running(data_directory, child_poll))
      return {};
    std::this_thread::sleep_for(child_poll);
  }
  return fail(ErrorKind::dependency_down,
              fmt::format("the embedded ClickHouse did not come back within {} s after its accounts changed",
                          patience.count() / 1000),
              fmt::format("see {}", (data_directory / "logs").string()));
}

}  // namespace tidemark::clickhouse
