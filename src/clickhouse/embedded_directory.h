// The data directory of an embedded ClickHouse, on disk:
//   tidemark.lock             held while a server runs on it; text: pid, ports, child pid
//   credentials/<account>.password   mode 0600, made once
//   version                   of the library that wrote it last
//   config/ clickhouse/ logs/ user_files/
// The lock is an open-file-description lock (fcntl), not flock: it can be asked about without being taken, so
// looking for a running instance never gets in the way of one that starts.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace tidemark::clickhouse {

// What the lock file says.
struct LockText {
  int pid = 0;
  int child_pid = 0;
  uint16_t http_port = 0;
  uint16_t tcp_port = 0;
  std::string listen;
};

class DirectoryLock {
 public:
  // Errors: conflict (held, says by which pid), config (the directory cannot be made or written).
  static Result<DirectoryLock> take(const std::filesystem::path& directory);
  // The text of a lock that another process holds now.
  static std::optional<LockText> held_by_another(const std::filesystem::path& directory);

  DirectoryLock(DirectoryLock&& other) noexcept
      : descriptor_(other.descriptor_), before_(std::move(other.before_)) {
    other.descriptor_ = -1;
  }
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

  // What the last holder left when it did not end cleanly.
  const std::optional<LockText>& left_behind() const { return before_; }
  Status write(const LockText& text);
  // A clean end: nothing is left behind.
  void clear();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
  std::optional<LockText> before_;
};

// Reads the account's password, making a random one of 128 bits first when there is none.
Result<Secret> account_password(const std::filesystem::path& directory, std::string_view account);
// Only reads.
std::optional<Secret> existing_password(const std::filesystem::path& directory, std::string_view account);
std::string sha256_hex(std::string_view text);

// Writes the file in one step (rename), mode 0600.
Status write_private_file(const std::filesystem::path& path, std::string_view text);
std::string read_file(const std::filesystem::path& path);  // empty when it cannot be read
// The last lines of a text file, at most `bytes`.
std::string last_lines(const std::filesystem::path& path, size_t bytes);

// Refuses a directory last written by a newer library than `version`; notes `version` otherwise. unsupported.
Status guard_version(const std::filesystem::path& directory, const std::string& version);

}  // namespace tidemark::clickhouse
