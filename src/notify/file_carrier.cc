#include "notify/file_carrier.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tidemark::notify {
namespace {

constexpr size_t tail_step_bytes = 64 << 10;

tl::unexpected<Error> system_failure(const std::string& doing) {
  return fail(ErrorKind::dependency_down, fmt::format("{}: {}", doing, std::strerror(errno)));
}

// Where the last whole line of a file of `size` bytes ends.
Result<off_t> end_of_last_line(int descriptor, off_t size) {
  std::string step(tail_step_bytes, '\0');
  for (off_t end = size; end > 0;) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(tail_step_bytes));
    const auto wanted = static_cast<size_t>(end - begin);
    if (pread(descriptor, step.data(), wanted, begin) != static_cast<ssize_t>(wanted))
      return system_failure("reading the file's end");
    size_t newline = step.rfind('\n', wanted - 1);
    if (newline != std::string::npos && newline < wanted) return begin + static_cast<off_t>(newline) + 1;
    end = begin;
  }
  return 0;
}

// So that the file's name survives a crash, too.
Status sync_directory(const std::filesystem::path& directory) {
  int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return system_failure("opening " + directory.string());
  int failed = fsync(descriptor);
  ::close(descriptor);
  if (failed != 0) return system_failure("fsync of " + directory.string());
  return {};
}

}  // namespace

FileCarrier::FileCarrier(std::string destination, std::filesystem::path file)
    : destination_(std::move(destination)), file_(std::move(file)) {}

FileCarrier::~FileCarrier() {
  close();
}

void FileCarrier::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Status FileCarrier::open() {
  struct stat ours {
  }, named{};
  if (descriptor_ >= 0 && fstat(descriptor_, &ours) == 0 && stat(file_.c_str(), &named) == 0 &&
      ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
    return {};
  close();
  std::error_code failure;
  std::filesystem::create_directories(file_.parent_path(), failure);
  if (failure)
    return fail(ErrorKind::dependency_down,
                fmt::format("making {}: {}", file_.parent_path().string(), failure.message()));
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (descriptor_ < 0) return system_failure("opening " + file_.string());
  if (fstat(descriptor_, &ours) != 0) return system_failure("looking at " + file_.string());
  off_t whole = TRY(end_of_last_line(descriptor_, ours.st_size));
  if (whole != ours.st_size && ftruncate(descriptor_, whole) != 0)
    return system_failure("mending " + file_.string());
  return sync_directory(file_.parent_path());
}

// All or nothing, as far as a running system goes.
Status FileCarrier::append(const std::string& text) {
  const off_t before = lseek(descriptor_, 0, SEEK_END);
  size_t written = 0;
  while (written < text.size()) {
    ssize_t count = ::write(descriptor_, text.data() + written, text.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      auto failure = system_failure("writing to " + file_.string());
      if (written > 0 && ftruncate(descriptor_, before) != 0) close();
      return failure;
    }
    written += static_cast<size_t>(count);
  }
  if (fdatasync(descriptor_) != 0) {
    // Nobody knows what is on disk now: look again.
    auto failure = system_failure("fsync of " + file_.string());
    close();
    return failure;
  }
  return {};
}

Outcome FileCarrier::carry(const std::vector<Notification>& notifications) {
  std::string lines;
  for (const auto& notification : notifications) {
    auto line = payload(notification, message_id(destination_, notification));
    if (!line) return {.result = Outcome::Result::refused, .answer = line.error().message};
    // A value may hold line breaks only escaped, but space between values may have them.
    for (char& character : *line)
      if (character == '\n' || character == '\r') character = ' ';
    lines += *line + "\n";
  }
  Status done = open();
  if (done) done = append(lines);
  if (!done) return {.result = Outcome::Result::away, .answer = done.error().message};
  return {};
}

}  // namespace tidemark::notify
