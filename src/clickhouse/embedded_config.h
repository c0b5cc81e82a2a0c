// The two configuration files of the embedded ClickHouse, as text. Pure: what goes in decides what comes out.
//
// Accounts. `default` is whom ClickHouse starts its own statements as; it has no password and can do nothing
// but open ports (no tables, files, URLs, temporary tables). `tidemark` and `admin` may do everything.
// `reader` may SELECT from the user's databases - not from `tidemark`, not from system tables that tell about
// others - within limits it cannot lift; it may change other settings, because official clients send some
// with every query (readonly = 2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace tidemark::clickhouse {

struct EmbeddedConfig {
  std::filesystem::path directory;  // everything lives below it
  std::string listen;
  uint16_t http_port = 0;
  uint16_t tcp_port = 0;
  size_t memory_bytes_max = 0;
  std::string extra;  // elements added to <clickhouse>, e.g. <remote_servers>
  // Hex SHA-256 of the passwords.
  std::string tidemark_password_hash, reader_password_hash, admin_password_hash;
  uint64_t reader_seconds_max = 30;
  uint64_t reader_result_rows_max = 1'000'000;
};

std::string server_config_text(const EmbeddedConfig& config);
std::string users_config_text(const EmbeddedConfig& config);

}  // namespace tidemark::clickhouse
