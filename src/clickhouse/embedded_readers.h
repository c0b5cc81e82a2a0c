// Accounts of the embedded ClickHouse beside its own three, each with a database that it may read and nothing
// else, and with the limits of `reader`.
//
// The library keeps accounts in its configuration only (CREATE USER has nowhere to put one), so they are a
// file config/users.d/readers.xml that it merges into users.xml when it starts. A change of that file is made
// known to a running one by ending the child: whoever owns it starts it again within a second or two, and
// what is under way is tried again as after a crash.
#pragma once

#include "base/error.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace tidemark::clickhouse {

struct EmbeddedReader {
  std::string name;           // of the account and of its database; an identifier
  std::string password_hash;  // hex SHA-256
};

// The file, as text. Pure.
std::string readers_config_text(const std::vector<EmbeddedReader>& readers);
// True: the file was another one before. Errors: config (it cannot be written).
Result<bool> write_readers(const std::filesystem::path& data_directory,
                           const std::vector<EmbeddedReader>& readers);
// Has the running server, if there is one, read its accounts again, and waits until it answers.
// Errors: dependency_down.
Status restart_for_readers(const std::filesystem::path& data_directory, std::chrono::milliseconds patience);

}  // namespace tidemark::clickhouse
