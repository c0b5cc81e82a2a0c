#include "clickhouse/embedded_directory.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace tidemark::clickhouse {
namespace {

namespace files = std::filesystem;

files::path lock_path(const files::path& directory) {
  return directory / "tidemark.lock";
}

LockText parse_lock(const std::string& text) {
  LockText lock;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string name = line.substr(0, equals);
    std::string value = line.substr(equals + 1);
    int number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    if (name == "pid") lock.pid = number;
    if (name == "child_pid") lock.child_pid = number;
    if (name == "http_port") lock.http_port = static_cast<uint16_t>(number);
    if (name == "tcp_port") lock.tcp_port = static_cast<uint16_t>(number);
    if (name == "listen") lock.listen = value;
  }
  return lock;
}

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

std::string hex(const unsigned char* bytes, size_t count) {
  std::string text;
  for (size_t index = 0; index < count; ++index) text += fmt::format("{:02x}", bytes[index]);
  return text;
}

std::vector<int> numbers_of(const std::string& version) {
  std::vector<int> numbers;
  int number = 0;
  bool digits = false;
  for (char character : version + ".") {
    if (character >= '0' && character <= '9') {
      number = number * 10 + (character - '0');
      digits = true;
    } else if (digits) {
      numbers.push_back(number);
      number = 0;
      digits = false;
    }
  }
  return numbers;
}

}  // namespace

Result<DirectoryLock> DirectoryLock::take(const files::path& directory) {
  std::error_code error;
  files::create_directories(directory, error);
  if (error)
    return fail(ErrorKind::config,
                fmt::format("the data directory {} cannot be made: {}", directory.string(), error.message()),
                "make it, or set another data directory");
  int descriptor = open(lock_path(directory).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return fail(ErrorKind::config,
                fmt::format("{} cannot be written: {}", lock_path(directory).string(), std::strerror(errno)),
                "make the data directory writable for this user");
  DirectoryLock lock(descriptor);
  struct flock request = whole_file(F_WRLCK);
  std::string text = read_file(lock_path(directory));
  if (fcntl(descriptor, F_OFD_SETLK, &request) != 0)
    return fail(ErrorKind::conflict,
                fmt::format("another Tidemark (process {}) uses the data directory {}", parse_lock(text).pid,
                            directory.string()),
                "stop it first, or set another data directory");
  if (!text.empty()) lock.before_ = parse_lock(text);
  return lock;
}

std::optional<LockText> DirectoryLock::held_by_another(const files::path& directory) {
  int descriptor = open(lock_path(directory).c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  struct flock question = whole_file(F_RDLCK);
  bool held = fcntl(descriptor, F_OFD_GETLK, &question) == 0 && question.l_type != F_UNLCK;
  close(descriptor);
  if (!held) return std::nullopt;
  return parse_lock(read_file(lock_path(directory)));
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status DirectoryLock::write(const LockText& text) {
  std::string lines = fmt::format("pid={}\nchild_pid={}\nlisten={}\nhttp_port={}\ntcp_port={}\n", text.pid,
                                  text.child_pid, text.listen, text.http_port, text.tcp_port);
  if (ftruncate(descriptor_, 0) != 0 ||
      pwrite(descriptor_, lines.data(), lines.size(), 0) != static_cast<ssize_t>(lines.size()))
    return fail(ErrorKind::config, fmt::format("the lock file cannot be written: {}", std::strerror(errno)),
                "is the disk full?");
  return {};
}

void DirectoryLock::clear() {
  if (ftruncate(descriptor_, 0) != 0) return;  // a stale text is only a hint for the next start
}

Result<Secret> account_password(const files::path& directory, std::string_view account) {
  if (auto existing = existing_password(directory, account)) return *existing;
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    return fail(ErrorKind::internal, "the system has no random bytes to give");
  std::string password = hex(bytes, sizeof bytes);
  files::path folder = directory / "credentials";
  std::error_code error;
  files::create_directories(folder, error);
  chmod(folder.c_str(), 0700);
  TRY_VOID(write_private_file(folder / fmt::format("{}.password", account), password + "\n"));
  return Secret(password);
}

std::optional<Secret> existing_password(const files::path& directory, std::string_view account) {
  std::string text = read_file(directory / "credentials" / fmt::format("{}.password", account));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  if (text.empty()) return std::nullopt;
  return Secret(text);
}

std::string sha256_hex(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
  return hex(digest, length);
}

Status write_private_file(const files::path& path, std::string_view text) {
  files::path temporary = path.string() + ".new";
  auto trouble = [&] {
    return fail(ErrorKind::config,
                fmt::format("{} cannot be written: {}", path.string(), std::strerror(errno)),
                "is the data directory writable, and the disk not full?");
  };
  int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return trouble();
  bool written = ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                 fsync(descriptor) == 0;
  close(descriptor);
  if (!written || rename(temporary.c_str(), path.c_str()) != 0) return trouble();
  return {};
}

std::string read_file(const files::path& path) {
  std::string text;
  int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return text;
  char buffer[4096];
  for (ssize_t got; (got = read(descriptor, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(descriptor);
  return text;
}

std::string last_lines(const files::path& path, size_t bytes) {
  std::string text = read_file(path);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() <= bytes) return text;
  text.erase(0, text.size() - bytes);
  auto line = text.find('\n');
  return line == std::string::npos ? text : text.substr(line + 1);
}

Status guard_version(const files::path& directory, const std::string& version) {
  std::string before = read_file(directory / "version");
  while (!before.empty() && before.back() == '\n') before.pop_back();
  if (before == version) return {};
  if (numbers_of(before) > numbers_of(version))
    return fail(ErrorKind::unsupported,
                fmt::format("the data directory {} was written by ClickHouse library {}, this one is {}",
                            directory.string(), before, version),
                "use the newer library: an older one may not read what a newer one wrote");
  return write_private_file(directory / "version", version + "\n");
}

}  // namespace tidemark::clickhouse
